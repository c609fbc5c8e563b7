import numpy as np
import pytest

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.equalize import equalize
from fusioncim_golden.errors import InputError
from fusioncim_golden.reference import attention, dequantized_attention
from fusioncim_golden.schedule import Job
from fusioncim_sim.heads.axes import SHAPES
from fusioncim_sim.heads.read import fixture, load_heads

CHIP = ChipConfig()
CONFIG = CHIP.engine


def arrays(name="a", dtype=np.int8, queries=5, keys=5, columns=64):
    random = np.random.default_rng(len(name))
    shapes = {"q": queries, "k": keys, "v": keys}
    return {f"{name}_{part}": random.integers(-100, 100, (n, columns)).astype(dtype) for part, n in shapes.items()}


def load(folder, **content):
    np.savez(folder / "heads.npz", **content)
    return load_heads(folder / "heads.npz", CONFIG)


def one(x, place, value):
    x[place] = value
    return x


INT, FLOAT = arrays(), arrays(dtype=np.float32)
SO_FAR = np.abs(FLOAT["a_q"][:4, 7]).max()
COLUMNS = "the dimension of a_q must be at most columns = 64 "
TOKENS = "the tokens of a_q must be from 1 to 1048575, not 1048576"
RANGE = "a_range must be float of the shape of a_q = (5, 64), "
SCALE = "a_scale must be three positive scales (q, k, v), not "

# Changed arrays (None: left out), and the whole message.
REFUSED = [
    ({"a_k": None}, "a head must have arrays a_q, a_k, a_v; missing is a_k"),
    ({"b_v": INT["a_v"]}, "a head must have arrays b_q, b_k, b_v; missing is b_q"),
    (
        {"a_q": None, "a_k": None, "a_v": None},
        "the heads file must hold arrays q, k, v, or NAME_q, NAME_k, NAME_v, not nothing",
    ),
    (
        {"a_q": None, "a_k": None, "a_v": None, "x": np.ones(2), "a_scale": np.ones(3)},
        "the heads file must hold arrays q, k, v, or NAME_q, NAME_k, NAME_v, not x, a_scale",
    ),
    ({"a_q": np.ones(64)}, f"a_q must be {SHAPES} with at least one of each, not of shape (64,)"),
    (
        {"a_v": np.ones((1, 5, 64))},
        f"a_q, a_k, a_v must have as many axes each, {SHAPES}, not (5, 64), (5, 64), (1, 5, 64)",
    ),
    ({"a_k": np.ones((0, 64))}, f"a_k must be {SHAPES} with at least one of each, not of shape (0, 64)"),
    (
        arrays(columns=96),
        COLUMNS + "(try --set columns=96), not 96",
    ),
    (
        arrays(columns=80),
        COLUMNS + "(try --set columns=80 --set update_rank=2), not 80",
    ),
    (
        arrays(columns=66),
        COLUMNS + "(try --set columns=72 --set update_rank=1), not 66",
    ),
    (
        arrays(columns=1025),
        COLUMNS + "(none has more than 1,024), not 1025",
    ),
    (
        {"a_v": np.ones((5, 48))},
        "a_q, a_k, a_v must have the same dimension, not 64, 64, 48",
    ),
    (
        FLOAT | {"a_k": one(np.ones((5, 64)), (2, 3), np.nan)},
        "a_k must be finite, but 1 values are not; the first is nan at (2, 3)",
    ),
    (
        FLOAT | {"a_v": one(np.ones((5, 64), np.float16), (4, 0), -np.inf)},
        "a_v must be finite, but 1 values are not; the first is -inf at (4, 0)",
    ),
    ({"a_q": np.full((5, 64), 128)}, "a_q must be integers from -128 to 127 (operand_bits), not 128"),
    ({"a_k": np.full((5, 64), -129)}, "a_k must be integers from -128 to 127 (operand_bits), not -129"),
    ({"a_v": np.full((5, 64), 200, np.uint8)}, "a_v must be integers from -128 to 127 (operand_bits), not 200"),
    ({"a_q": np.ones((5, 64), bool)}, "a_q must be float or integer, not of type bool"),
    ({"a_k": np.ones((5, 64), complex)}, "a_k must be float or integer, not of type complex128"),
    ({"a_v": np.full((5, 64), "x")}, "a_v must be float or integer, not of type <U1"),
    ({"a_q": FLOAT["a_q"]}, "a_q, a_k, a_v must be all float or all integer, not float32, int8, int8"),
    ({"a_v": FLOAT["a_v"]}, "a_q, a_k, a_v must be all float or all integer, not int8, int8, float32"),
    ({"a_v": INT["a_v"][:4]}, "a_k and a_v must have the same shape, not (5, 64) and (4, 64)"),
    (
        FLOAT | {"a_v": one(np.ones((5, 64)), (0, 1), 1e300)},
        "a_v must be at most 3.4e+38 in magnitude, as float32 is, not 1e+300",
    ),
    (
        FLOAT | {"a_q": np.full((5, 64), np.longdouble("-1e4000"))},
        "a_q must be at most 3.4e+38 in magnitude, as float32 is, not inf",
    ),
    ({"a_q": np.lib.stride_tricks.as_strided(np.int8(1), (1 << 20, 64), (0, 0))}, TOKENS),
    ({"_q": INT["a_q"]}, "the name of a head must be of printable signs, not ''"),
    ({"a\x1b[31m_q": INT["a_q"]}, "the name of a head must be of printable signs, not 'a\\x1b[31m'"),
    ({"a_scale": np.ones(2)}, SCALE + "of shape (2,) and type float64"),
    ({"a_scale": np.ones((3, 1))}, SCALE + "of shape (3, 1) and type float64"),
    ({"a_scale": np.array(["1", "1", "1"])}, SCALE + "of shape (3,) and type <U1"),
    ({"a_scale": np.array([1, 0, 1])}, SCALE + "[1, 0, 1]"),
    ({"a_scale": np.array([1.0, 1.0, -2.0])}, SCALE + "[1.0, 1.0, -2.0]"),
    ({"a_scale": np.array([1.0, np.nan, 1.0])}, SCALE + "[1.0, nan, 1.0]"),
    ({"a_scale": np.array([np.inf, 1.0, 1.0])}, SCALE + "[inf, 1.0, 1.0]"),
    (
        FLOAT | {"a_scale": np.ones(3)},
        "a_scale must stand beside integer heads (float heads are quantized), not float32",
    ),
    ({"b_scale": np.ones(3)}, "NAME_scale must be of a head of the file (a), not b_scale"),
    ({"b_range": np.ones(3)}, "NAME_range must be of a head of the file (a), not b_range"),
    (
        {"a_range": np.ones((5, 64))},
        "a_range must stand beside float heads (integers are as they are), not int8",
    ),
    (FLOAT | {"a_range": np.ones(64)}, RANGE + "not (64,) of float64"),
    (FLOAT | {"a_range": np.ones((5, 64), int)}, RANGE + "not (5, 64) of int64"),
    (
        FLOAT | {"a_range": np.full((5, 64), np.inf)},
        "a_range must be finite, but 320 values are not; the first is inf at (0, 0)",
    ),
    (
        FLOAT | {"a_range": one(np.full((5, 64), 100.0), (3, 7), 1.5)},
        f"a_range must be at least the largest magnitudes of a_q so far, {SO_FAR:g} at (3, 7), not 1.5",
    ),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_bad_arrays_are_refused_with_rule_and_value(tmp_path, changes, message):
    content = {name: x for name, x in (INT | changes).items() if x is not None}
    with pytest.raises(InputError) as error:
        load(tmp_path, **content)
    assert str(error.value) == message


def sequences(*rows, **changed):
    return arrays() | {"a_sequences": np.array(rows)} | changed


SEQUENCES = "a_sequences must be integers [sequences, 2], not of shape "
CHIP_REFUSED = [
    (
        arrays(columns=72),
        COLUMNS + "(try --set columns=80 --set update_rank=2 --set buffer_bytes=81920), not 72",
    ),
    (
        {f"a_{part}": np.ones((1, 5, 64)) for part in "qkv"} | {"a_sequences": np.array([[5, 5]])},
        "a_sequences must stand beside arrays [tokens, dimension], not beside those of 3 axes",
    ),
    (sequences(2, 3), SEQUENCES + "(2,) and type int64"),
    (sequences([2, 2, 1], [3, 3, 1]), SEQUENCES + "(2, 3) and type int64"),
    (sequences([2.0, 2.0], [3.0, 3.0]), SEQUENCES + "(2, 2) and type float64"),
    (
        arrays() | {"a_sequences": np.zeros((0, 2), int)},
        "the sequences of a_sequences must be from 1 to 1024, not 0",
    ),
    (
        sequences(*[[1, 1]] * 1025),
        "the sequences of a_sequences must be from 1 to 1024, not 1025",
    ),
    (sequences([5, 6], [0, -1]), "a_sequences must be at least 1, not -1"),
    (sequences([2, 2], [2, 3]), "a_sequences must have the 5 tokens of a_q together, not 4"),
    (sequences([2, 2], [3, 4]), "a_sequences must have the 5 tokens of a_k together, not 6"),
    (
        arrays() | {"b_sequences": np.ones((1, 2), int)},
        "NAME_sequences must be of a head of the file (a), not b_sequences",
    ),
]


@pytest.mark.parametrize(("content", "message"), CHIP_REFUSED)
def test_heads_that_no_job_of_a_chip_can_be_are_refused(tmp_path, content, message):
    np.savez(tmp_path / "heads.npz", **content)
    with pytest.raises(InputError) as error:
        load_heads(tmp_path / "heads.npz", CHIP)
    assert str(error.value) == message


def test_a_chip_takes_narrow_heads_and_sequences(tmp_path):
    np.savez(tmp_path / "heads.npz", **arrays(columns=16), **arrays("b"), b_sequences=np.array([[1, 2], [4, 3]]))
    narrow, batch = load_heads(tmp_path / "heads.npz", CHIP)
    assert (narrow.q.shape, narrow.sequences, narrow.parts()) == ((5, 16), (), [(slice(0, 5), slice(0, 5))])
    assert batch.sequences == ((1, 2), (4, 3))
    assert batch.parts() == [(slice(0, 1), slice(0, 2)), (slice(1, 5), slice(2, 5))]


def test_an_engine_takes_no_sequences(tmp_path):
    with pytest.raises(InputError, match=r"^the head must be one sequence without --chip, not those of a_sequences$"):
        load(tmp_path, **sequences([2, 2], [3, 3]))


@pytest.mark.parametrize(("name", "why"), [("none.npz", "No such file or directory"), ("", "Is a directory")])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, name, why):
    with pytest.raises(InputError, match=rf"^the heads file cannot be read \({why}\): "):
        load_heads(tmp_path / name, CONFIG)


def test_heads_come_in_the_order_of_their_names(tmp_path):
    heads = load(tmp_path, **arrays("b"), **arrays("aa", np.float16), **arrays("c_k"), extra=np.ones(1))
    assert [(head.name, head.is_integer) for head in heads] == [("aa", False), ("b", True), ("c_k", True)]


@pytest.mark.parametrize(
    ("scale", "expected"), [(None, (1.0, 1.0, 1.0)), ([0.5, 0.25, 2], (0.5, 0.25, 2.0)), ([1, 2, 3], (1.0, 2.0, 3.0))]
)
def test_integer_heads_keep_their_operands_and_scales(tmp_path, scale, expected):
    content = INT | ({} if scale is None else {"a_scale": np.array(scale)})
    (head,) = load(tmp_path, **content)
    assert head.scales == expected
    heads = head.quantized(CONFIG)
    for part in "qkv":
        assert np.array_equal(np.squeeze(getattr(heads, part)), INT[f"a_{part}"])
    assert (set(heads.scale_q.flat), heads.scale_k, heads.scale_v) == ({expected[0]}, *expected[1:])


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64])
def test_every_integer_type_is_read_alike(tmp_path, dtype):
    (head,) = load(tmp_path, **{name: x.astype(dtype) for name, x in INT.items()})
    assert np.array_equal(head.quantized(CONFIG).q[0], INT["a_q"])


def test_integers_are_those_of_the_operand_bits(tmp_path):
    config = CONFIG.override(operand_bits=4, softmax_lanes=8)
    content = {name: x // 16 for name, x in INT.items()}
    np.savez(tmp_path / "heads.npz", **content)
    assert load_heads(tmp_path / "heads.npz", config)[0].quantized(config).k.min() >= -8
    np.savez(tmp_path / "heads.npz", **content | {"a_k": np.full((5, 64), 8)})
    with pytest.raises(InputError, match=r"^a_k must be integers from -8 to 7 \(operand_bits\), not 8$"):
        load_heads(tmp_path / "heads.npz", config)


def floats(dtype=np.float64):
    """A head whose keys have an offset and whose columns differ in range."""
    random = np.random.default_rng(1)
    spread = np.exp(random.normal(size=64))
    return {
        "a_q": random.normal(size=(3, 64)).astype(dtype),
        "a_k": (random.normal(size=(7, 64)) * spread + 20).astype(dtype),
        "a_v": (random.normal(size=(7, 64)) * spread).astype(dtype),
    }


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_heads_are_equalized_and_quantized(tmp_path, dtype):
    content = floats(dtype)
    (head,) = load(tmp_path, **content)
    assert not head.is_integer
    q, k, v = (content[f"a_{part}"].astype(np.float64) for part in "qkv")
    job = Job(queries=3, keys=7)
    assert np.array_equal(head.unquantized_attention(job), attention(q[None], k, v, job))
    heads, expected = head.quantized(CONFIG), equalize(q[None], k, v)
    for part in "kv":
        integers, scale = getattr(heads, part), getattr(heads, f"scale_{part}")
        assert np.abs(integers * scale - getattr(expected, part)).max() <= scale * 0.5001
    assert (np.abs(heads.v).max(axis=0) == 127).all()
    assert expected.outputs(dequantized_attention(heads, job) * heads.scale_v) == pytest.approx(
        attention(q[None], k, v, job), abs=0.02 * np.abs(v).max()
    )


def test_the_range_is_that_of_all_heads_with_the_same_keys(tmp_path):
    """A head with the largest magnitudes of its group has the keys of the whole group, over its first tokens too."""
    content, random = floats(), np.random.default_rng(2)
    others = random.normal(size=(2, 3, 64)) * np.exp(random.normal(size=64))
    group = np.concatenate([content["a_q"][None], others])
    (head,) = load(tmp_path, **content, a_range=np.maximum.accumulate(np.abs(group).max(axis=0), axis=0))
    (alone,) = load(tmp_path, **content)
    for tokens in (3, 2):
        expected = equalize(group[:, :tokens], *(content[f"a_{part}"][:tokens] for part in "kv"))
        found = head.first(tokens, causal=False).equalized()
        assert np.array_equal(found.k, expected.k)
        assert np.array_equal(found.q, expected.q[:1])
        assert not np.allclose(alone.first(tokens, causal=False).equalized().k, expected.k)


def test_the_first_tokens_are_a_shorter_head(tmp_path):
    (head,) = load(tmp_path, **INT, a_scale=np.array([1.0, 2.0, 3.0]))
    short = head.first(2)
    assert (short.name, short.scales) == ("a", (1.0, 2.0, 3.0))
    for part in "qkv":
        assert np.array_equal(getattr(short, part), INT[f"a_{part}"][:2])


def test_the_fixture_loads():
    heads = load_heads(fixture(), CONFIG)
    assert [head.name for head in heads] == ["group0", "group1", "group2", "local", "mixed", "sink", "wide"]
    assert not any(head.is_integer for head in heads)
