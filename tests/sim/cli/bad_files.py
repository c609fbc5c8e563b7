"""Files for the table of bad inputs: good ones of every kind, and what is wrong in many ways."""

import io
import json
import pickle
import zipfile
from typing import Any

import numpy as np

from fusioncim_sim.system.energy_table import default_table

GOOD_MODEL = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 256,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
}
COST = json.loads(default_table().read_bytes())


def heads(tokens: int = 12, columns: int = 16, **changes: Any) -> bytes:
    """An .npz of one head for the preset tiny, with arrays changed, added, or (None) left out."""
    random = np.random.default_rng(0)
    arrays = {f"head_{part}": random.normal(size=(tokens, columns)).astype(np.float32) for part in "qkv"}
    file = io.BytesIO()
    np.savez(file, **{name: x for name, x in (arrays | changes).items() if x is not None})
    return file.getvalue()


def integers(**changes: Any) -> bytes:
    """The same of integers."""
    random = np.random.default_rng(0)
    arrays = {f"head_{part}": random.integers(-100, 100, (12, 16)).astype(np.int16) for part in "qkv"}
    return heads(**arrays | changes)


def with_value(part: str, value: float, dtype: type = np.float64) -> dict[str, Any]:
    """A float array with one value changed."""
    x = np.ones((12, 16), dtype)
    x[3, 4] = value
    return {f"head_{part}": x}


def npz(**members: bytes) -> bytes:
    """A zip file of members; dots in their names are double underscores."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return file.getvalue()


def npy(shape: tuple[int, ...], data: bytes, dtype: str = "<f4") -> bytes:
    """An array whose header may lie."""
    header = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def saved(x: Any) -> bytes:
    """An .npy file."""
    file = io.BytesIO()
    np.save(file, x)
    return file.getvalue()


def stacked(*q: int, k: tuple[int, ...] | None = ()) -> bytes:
    """An .npz of plain q, k and v of zeros; k: the shape of k and v, if not that of q, or (None) no k."""
    file = io.BytesIO()
    shapes = {"q": q, "k": k if k is None else k or q, "v": k or q}
    np.savez(file, **{name: np.zeros(shape) for name, shape in shapes.items() if shape is not None})
    return file.getvalue()


def tensors(
    kind: str = "F32", shape: tuple[int, ...] = (1, 1), size: int = 4, names: tuple[str, ...] = ("a_q",)
) -> bytes:
    """A .safetensors file whose header may lie; size: bytes of each array."""
    header = {
        name: {"dtype": kind, "shape": shape, "data_offsets": [n * size, (n + 1) * size]}
        for n, name in enumerate(names)
    }
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(size * len(names))


def torch_archive() -> bytes:
    """A file as of torch.save whose pickle is none."""
    return npz(archive__data__pkl=b"x").replace(b"archive.data.pkl", b"archive/data.pkl")


def model(**changes: Any) -> bytes:
    """A model's configuration with entries changed, added, or (...) left out."""
    return json.dumps({name: x for name, x in (GOOD_MODEL | changes).items() if x is not ...}).encode()


def cost(**changes: Any) -> bytes:
    """An energy table with entries changed, or (...) left out."""
    return json.dumps({name: x for name, x in (COST | changes).items() if x is not ...}).encode()


HEADS = {
    "empty": (b"", "this one is empty"),
    "text": (b"plain text", "of a kind unknown here"),
    "npy": (saved(np.zeros((12, 16))), "must hold arrays q, k, v, or NAME_q, NAME_k, NAME_v, not npy"),
    "npy-cut": (saved(np.zeros((12, 16)))[:-9], "claims 1,536 bytes and holds others"),
    "npy-objects": (saved(np.array([{}], dtype=object)), "holds Python objects"),
    "pickle": (pickle.dumps({"head_q": 1}), "a Python pickle"),
    "safetensors": (tensors(), "a head must have arrays a_q, a_k, a_v; missing is a_k"),
    "safetensors-huge": (tensors(shape=(1 << 40, 16)), "damaged or of another kind, as Error while deserializing"),
    "safetensors-cut": (tensors()[:-1], "damaged or of another kind, as Error while deserializing"),
    "safetensors-types": (
        tensors("F8_E4M3", size=1, names=("q", "k", "v")),
        "q must be float or integer, not of type F8_E4M3",
    ),
    "gguf": (b"GGUF" + bytes(60), "a GGUF model"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(8), "an HDF5 file"),
    "gzip": (b"\x1f\x8b\x08\x00" + bytes(8), "compressed with gzip"),
    "cut": (heads()[:-30], "File is not a zip file"),
    "begin": (b"PK\x03\x04" + bytes(100), "File is not a zip file"),
    "no-arrays": (npz(notes__txt=b"hello"), "notes.txt is no array"),
    "objects": (npz(head_q__npy=saved(np.array([{}], dtype=object))), "holds Python objects"),
    "huge": (npz(head_q__npy=npy((1 << 40, 16), bytes(64))), "claims 70,368,744,177,664 bytes"),
    "beyond": (npz(head_q__npy=npy((1 << 90, 1 << 90), bytes(64))), "and holds others"),
    "negative": (npz(head_q__npy=npy((-4, 4), bytes(64))), "claims -64 bytes"),
    "short": (npz(head_q__npy=npy((4, 4), bytes(60))), "claims 64 bytes"),
    "bad-header": (npz(head_q__npy=npy((4, 4), bytes(64), "<f4' +")), "damaged or of another kind"),
    "bad-type": (npz(head_q__npy=npy((4, 4), bytes(64), "nothing")), "damaged or of another kind"),
    "nothing-in-it": (
        heads(head_q=None, head_k=None, head_v=None),
        "must hold arrays q, k, v, or NAME_q, NAME_k, NAME_v",
    ),
    "other-names": (heads(head_q=None, head_k=None, head_v=None, x=np.ones(2)), "NAME_v, not x"),
    "no-q": (heads(head_q=None), "missing is head_q"),
    "no-k": (heads(head_k=None), "missing is head_k"),
    "no-v": (heads(head_v=None), "missing is head_v"),
    "second-head-half": (
        heads(tail_q=np.zeros((12, 16))),
        "a head must have arrays tail_q, tail_k, tail_v; missing is tail_k",
    ),
    "no-name": (heads(_q=np.zeros((12, 16))), "printable signs, not ''"),
    "escape-name": (heads(**{f"\x1b[31m_{part}": np.zeros((12, 16)) for part in "qkv"}), "printable signs"),
    "line-name": (heads(**{f"a\nb_{part}": np.zeros((12, 16)) for part in "qkv"}), r"printable signs, not 'a\nb'"),
    "1-d": (heads(head_q=np.zeros(16)), "not of shape (16,)"),
    "3-d": (heads(head_k=np.zeros((1, 12, 16))), "not (12, 16), (1, 12, 16), (12, 16)"),
    "5-d": (stacked(1, 1, 2, 12, 16), "not of shape (1, 1, 2, 12, 16)"),
    "axes": (stacked(2, 12, 4, 16), "named (--axes heads,tokens or --axes tokens,heads), not 4 and 12 (shapes (2, 12,"),
    "groups": (stacked(3, 12, 16, k=(2, 12, 16)), "the heads of q must be a multiple of those of k, not 3 and 2"),
    "batches": (stacked(3, 2, 12, 16, k=(2, 2, 12, 16)), "q, k, v must have the same batch, not (3, 2, 12, 16), (2, "),
    "no-heads": (stacked(0, 12, 16), "at least one of each, not of shape (0, 12, 16)"),
    "some-plain": (stacked(2, 12, 16, k=None), "a head must have arrays q, k, v; missing is k"),
    "void": (heads(head_q=np.zeros((12, 16), "V2")), "must be float or integer, not of type |V2"),
    "scalar": (heads(head_v=np.float32(1)), "not of shape ()"),
    "no-tokens": (heads(tokens=0), "not of shape (0, 16)"),
    "no-columns": (heads(columns=0), "not of shape (12, 0)"),
    "wide": (heads(columns=32), "(try --set columns=32), not 32"),
    "odd": (heads(columns=24), "(try --set columns=24 --set update_rank=1), not 24"),
    "just-wide": (heads(columns=17), "(try --set columns=24 --set update_rank=1), not 17"),
    "no-engine": (heads(tokens=1, columns=1025), "(none has more than 1,024), not 1025"),
    "sequences": (heads(head_sequences=np.array([[5, 6], [7, 6]])), "must be one sequence without --chip"),
    "narrow-v": (heads(head_v=np.zeros((12, 8))), "the same dimension, not 16, 16, 8"),
    "wide-k": (heads(head_k=np.zeros((12, 32))), "the same dimension, not 16, 32, 16"),
    "keys": (heads(head_v=np.zeros((11, 16))), "the same shape, not (12, 16) and (11, 16)"),
    "nan": (heads(**with_value("q", np.nan)), "head_q must be finite"),
    "inf": (heads(**with_value("k", np.inf)), "the first is inf at (3, 4)"),
    "minus-inf": (heads(**with_value("v", -np.inf, np.float16)), "the first is -inf at (3, 4)"),
    "1e300": (heads(**with_value("q", 1e300)), "head_q must be at most 3.4e+38 in magnitude"),
    "-1e39": (heads(**with_value("v", -1e39)), "head_v must be at most 3.4e+38 in magnitude"),
    "longdouble": (heads(**with_value("k", np.longdouble("1e4000"), np.longdouble)), "head_k must be at most"),
    "large-scores": (heads(head_q=np.full((12, 16), 1e30), head_k=np.eye(12, 16) * 1e30), "the score scale"),
    "tiny-scores": (heads(**{f"head_{part}": np.eye(12, 16) * 1e-300 for part in "qkv"}), "the score scale"),
    "complex": (heads(head_q=np.zeros((12, 16), complex)), "not of type complex128"),
    "bool": (heads(head_k=np.zeros((12, 16), bool)), "not of type bool"),
    "strings": (heads(head_v=np.full((12, 16), "1")), "not of type <U1"),
    "dates": (heads(head_v=np.zeros((12, 16), "M8[s]")), "not of type datetime64"),
    "fields": (heads(head_q=np.zeros((12, 16), [("a", "f4")])), "must be float or integer"),
    "mixed": (heads(head_q=np.zeros((12, 16), np.int8)), "all float or all integer"),
    "int-large": (integers(head_v=np.full((12, 16), 128)), "from -128 to 127 (operand_bits), not 128"),
    "int-small": (integers(head_q=np.full((12, 16), -129)), "not -129"),
    "uint64": (integers(head_k=np.full((12, 16), 2**64 - 1, np.uint64)), "not 18446744073709551615"),
    "scale-negative": (integers(head_scale=np.array([1.0, -1.0, 1.0])), "not [1.0, -1.0, 1.0]"),
    "scale-zero": (integers(head_scale=np.zeros(3)), "not [0.0, 0.0, 0.0]"),
    "scale-nan": (integers(head_scale=np.array([1.0, 1.0, np.nan])), "not [1.0, 1.0, nan]"),
    "scale-two": (integers(head_scale=np.ones(2)), "not of shape (2,)"),
    "scale-text": (integers(head_scale=np.array(["1", "1", "1"])), "type <U1"),
    "scale-huge": (integers(head_scale=np.array([1e300, 1e300, 1.0])), "the score scale"),
    "scale-1e6": (integers(head_scale=np.array([1e6, 1.0, 1.0])), "the score scale"),
}
"""Files of heads for `simulate --preset tiny`, and what the refusal says."""

DEEP = b"[" * 100_000
CONFIGS = {
    "no-toml": (b"rows = \n", "no valid TOML"),
    "binary": (bytes(range(256)), "must be UTF-8"),
    "utf-16": ("rows = 8\n".encode("utf-16"), "must be UTF-8"),
    "json": (b'{"rows": 8}', "no valid TOML"),
    "deep": (b"rows = " + DEEP, "no valid TOML"),
    "digits": (b"rows = " + b"9" * 10_000, "no valid TOML"),
    "twice": (b"rows = 8\nrows = 16\n", "no valid TOML"),
    "unknown": (b"colour = 3\n", "not colour"),
    "table": (b"[rows]\nn = 8\n", "rows must be of type int, not {'n': 8}"),
    "below-a-table": (b"[chip]\nrows = 8\n", "not chip"),
    "float": (b"rows = 8.0\n", "rows must be of type int, not 8.0"),
    "string": (b'rows = "8"\n', "rows must be of type int, not '8'"),
    "list": (b"rows = [8]\n", "rows must be of type int, not [8]"),
    "infinite": (b"rows = inf\n", "rows must be of type int, not inf"),
    "date": (b"rows = 2026-01-01\n", "rows must be of type int, not"),
    "preset": (b'preset = "huge"\n', "preset must be one of tiny, small, paper, not huge"),
    "preset-number": (b"preset = 3\n", "preset must be one of tiny, small, paper, not 3"),
    "preset-list": (b'preset = ["tiny"]\n', "preset must be one of"),
    "engine": (b"engine = 3\n", "not engine"),
    "impossible": (b"columns = 65\n", "not 65"),
    "schedule": (b'schedule = "random"\n', "not random"),
}
"""Files of parameters."""

NUMBERS = {"text": "64", "list": ["64"], "object": {}, "fraction": 1.5, "negative": -1, "true": True, "infinite": 1e999}
SIZES = ("num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim")
MODELS = {
    **{
        f"{size}-{kind}": (model(**{size: value}), f"{size} must be ")
        for size in SIZES
        for kind, value in NUMBERS.items()
    },
    "no-layers": (model(num_hidden_layers=0), "num_hidden_layers must be"),
    "too-many-layers": (model(num_hidden_layers=10**9), "num_hidden_layers must be at most"),
    "too-many-heads": (model(num_attention_heads=10**9, num_key_value_heads=10**9), "heads must be from 1 to"),
    "kv-heads-not-dividing": (model(num_key_value_heads=3), "kv_heads must divide heads = 4, not 3"),
    "kv-heads-zero": (model(num_key_value_heads=0), "num_key_value_heads must be"),
    "kv-heads-list-too-short": (model(num_key_value_heads=[2]), "num_key_value_heads must be"),
    "head-too-wide": (model(head_dim=1 << 20), "key_size must be from 1 to"),
    "head-wider-than-the-chip": (model(head_dim=129), "columns must be at least as many"),
    "width-no-multiple": (model(head_dim=..., hidden_size=257), "hidden_size must be a multiple of the 4 heads"),
    "no-width": (model(head_dim=..., hidden_size=...), "missing: hidden_size (evaluate --head-dimension)"),
    "no-heads": (model(num_attention_heads=...), "missing: num_attention_heads (evaluate --heads)"),
    "nothing": (
        b"{}",
        "missing: num_hidden_layers (evaluate --layers), num_attention_heads (evaluate --heads), hidden_size (evaluate",
    ),
    "unknown-type": (model(model_type="weather"), "not weather"),
    "type-number": (model(model_type=3), "model_type must be a name, not 3"),
    "type-list": (model(model_type=["llama"]), 'model_type must be a name, not ["llama"]'),
    "alibi": (model(alibi=True), "ALiBi"),
    "cross": (model(add_cross_attention=True), "cross-attention"),
    "soft-cap": (model(attn_logit_softcapping=50.0), "soft-capping"),
    "text-config": (model(text_config=[1]), "text_config must be a JSON object"),
    "layer-types": (model(layer_types="full_attention"), "layer_types must be"),
    "layer-types-short": (model(layer_types=["full_attention"]), "layer_types must have an entry"),
    "layer-types-unknown": (model(layer_types=["weather"] * 2), "weather"),
    "layer-types-number": (model(layer_types=[3, 4]), "layer_types must be"),
    "only-mamba": (model(layer_types=["mamba"] * 2), "must have layers of attention"),
    "window-text": (model(layer_types=["sliding_attention"] * 2, sliding_window="a"), "sliding_window must be"),
    "chunk-odd": (
        model(layer_types=["chunked_attention"] * 2, attention_chunk_size=12),
        "attention_chunk_size must be a power of two",
    ),
    "array": (b"[]", "must be a JSON object"),
    "number": (b"3", "must be a JSON object"),
    "null": (b"null", "must be a JSON object"),
    "empty": (b"", "is no JSON"),
    "cut": (model()[:-10], "is no JSON"),
    "deep": (DEEP, "is no JSON"),
    "binary": (bytes(range(256)), "is no JSON"),
    "digits": (b'{"num_hidden_layers": ' + b"9" * 10_000 + b"}", "is no JSON"),
}
"""A model's config.json."""

TABLES = {
    "empty": (b"", "the energy table is no JSON"),
    "text": (b"cost", "the energy table is no JSON"),
    "array": (b"[1]", "the energy table must be a JSON object"),
    "deep": (DEEP, "the energy table is no JSON"),
    "nothing": (b"{}", "is no cost table"),
    "no-events": (cost(events=...), "is no cost table"),
    "events-list": (cost(events=[]), "is no cost table"),
    "no-parts": (cost(events={}), "must have every part of the chip"),
    "no-leakage": (cost(table={}), "must have every part of the chip"),
    "no-parameters": (cost(parameters=...), "is no cost table"),
    "parameters-empty": (cost(parameters={}), "missing is accumulator_bits"),
    "keys": (cost(keys_per_tile=3), "is no cost table"),
    "additions": (cost(additions=3), "is no cost table"),
}
"""A table of energies."""


def requests(*numbers: Any) -> bytes:
    """A trace of requests, each with its context and generated tokens, or as it is."""
    pairs = [
        dict(zip(("context", "generated"), each, strict=True)) if type(each) is tuple else each for each in numbers
    ]
    return json.dumps({"requests": pairs}).encode()


def lines(*rows: str, names: str = "TIMESTAMP,ContextTokens,GeneratedTokens") -> bytes:
    """A trace as Azure has them."""
    return "\n".join((names, *rows)).encode()


TRACES = {
    "empty.json": (b"", "the trace is no JSON"),
    "cut.json": (requests((1, 1))[:-3], "the trace is no JSON"),
    "deep.json": (DEEP, "the trace is no JSON"),
    "binary.json": (bytes(range(256)), "the trace is no JSON"),
    "digits.json": (b'{"requests": [{"context": ' + b"9" * 10_000 + b"}]}", "the trace is no JSON"),
    "array.json": (b"[]", "the trace must be a JSON object"),
    "nothing.json": (b"{}", 'the trace must have a list "requests"'),
    "object.json": (b'{"requests": {}}', 'the trace must have a list "requests"'),
    "no-requests.json": (requests(), "must have at least one request"),
    "number.json": (requests((1, 1), 3), "request 2 of the trace must be a JSON object, not 3"),
    "no-context.json": (requests({"generated": 3}), "missing is context"),
    "no-generated.json": (requests((1, 1), {"context": 3}), "request 2 of the trace must have context and generated"),
    "negative.json": (requests((-3, 1)), "context must be from 1 to 1048575, not -3, in request 1 of"),
    "zero-context.json": (requests((0, 1)), "context must be from 1 to 1048575, not 0"),
    "zero-generated.json": (requests((1, 0)), "generated must be from 1 to 1048575, not 0"),
    "fraction.json": (requests((1.5, 1)), "context must be a whole number, not 1.5"),
    "text.json": (requests(("12", 1)), 'context must be a whole number, not "12"'),
    "true.json": (requests((1, True)), "generated must be a whole number, not true"),
    "null.json": (requests((1, None)), "generated must be a whole number, not null"),
    "infinite.json": (b'{"requests": [{"context": Infinity, "generated": 1}]}', "not Infinity"),
    "long.json": (requests((1 << 20, 1)), "context must be from 1 to 1048575, not 1048576"),
    "long-together.json": (requests((1048575, 2)), "context + generated - 1 must be at most 1048575, not 1048576"),
    "empty.csv": (b"", "must have the name ContextTokens"),
    "no-names.csv": (b"2023-11-16,374,44\n", "must have the name ContextTokens"),
    "one-name.csv": (lines("1", names="ContextTokens"), "must have the name GeneratedTokens"),
    "no-requests.csv": (lines(), "must have at least one request"),
    "utf-16.csv": (lines("a,3,4").decode().encode("utf-16"), "must be UTF-8"),
    "short.csv": (lines("a,3,4", "a,3"), "line 3 of the trace must have context and generated, missing is generated"),
    "gap.csv": (lines("a,,4"), "line 2 of the trace must have context and generated, missing is context"),
    "text.csv": (lines("a,three,4"), 'context must be a whole number, not "three", in line 2'),
    "fraction.csv": (lines("a,3,4.5"), 'generated must be a whole number, not "4.5"'),
    "negative.csv": (lines("a,3,-4"), "generated must be from 1 to 1048575, not -4, in line 2 of"),
    "zero.csv": (lines("a,3,0"), "generated must be from 1 to 1048575, not 0"),
    "huge.csv": (lines("a," + "9" * 5000 + ",1"), "context must be a whole number"),
    "quote.csv": (lines('"a,3,4'), "the trace is no CSV"),
}
"""A trace of requests, named with its suffix."""

ASKED = {"axes": {"rows": [64]}, "question": {}}
RESULTS = {
    "empty": (b"", "is damaged"),
    "half": (json.dumps(ASKED).encode() + b'\n{"point": {}}\n', "is damaged"),
    "text": (b"no results\n", "is damaged"),
    "other": (json.dumps(ASKED).encode() + b"\n", "are of another exploration"),
    "binary": (bytes(range(256)), "must be UTF-8"),
    "deep": (DEEP + b"\n", "is damaged"),
}
"""results.jsonl in the directory of an exploration."""
