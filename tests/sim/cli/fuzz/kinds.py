"""The kinds of files that commands read: small valid ones, and what reads them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from safetensors.numpy import save
from tests.sim.cli import bad_files
from typer.testing import CliRunner

from fusioncim.asic.cells import liberty
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.cli.app import app
from fusioncim_sim.cli.options import choose_chip, choose_config
from fusioncim_sim.files import stored_measurements
from fusioncim_sim.heads.read import load_heads
from fusioncim_sim.soak.stored import read_case
from fusioncim_sim.studies.measured import MEASURED
from fusioncim_sim.studies.registry import SUBJECTS, study
from fusioncim_sim.system.energy_sizes import read_sizes
from fusioncim_sim.system.energy_table import read_table
from fusioncim_sim.system.explore import OBJECTIVES, read_results
from fusioncim_sim.system.model_config import read_model
from fusioncim_sim.system.serving.trace import read_trace


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Members:
        name: of a file of it.
        corpus: valid ones, by what they are.
        read: takes the path of one. Errors: InputError.
    """

    name: str
    corpus: Mapping[str, bytes]
    read: Callable


def command(*arguments):
    """Reads a file, {} of the arguments, by a command of this process."""

    def read(path):
        line = [each.format(path) for each in arguments]
        done = CliRunner(env={"COLUMNS": None}).invoke(app, line, prog_name="fusioncim")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        if done.exit_code == 2:
            assert done.stdout == "", done.stdout
            assert done.stderr.startswith("error: "), done.stderr
            assert done.stderr.removesuffix("\n").isprintable(), done.stderr
            raise InputError(done.stderr.removeprefix("error: ").removesuffix("\n"))
        assert done.exit_code == 0, done.output

    return read


def arrays(dtype=np.float32, *, heads=0, names=("head_q", "head_k", "head_v"), **more):
    random = np.random.default_rng(1)
    shape = (heads, 5, 16) if heads else (5, 16)
    found = {name: random.normal(0, 40, shape).astype(dtype) for name in names}
    return found | {f"head_{name}": np.array(x) for name, x in more.items()}


def measurement_tables(path):
    """All tables that show a measurement of that name."""
    tables = [MEASURED, *(table for name in SUBJECTS for table in study(name).tables)]
    for table in tables:
        if table.sources == [path.stem]:
            table.text(path.parent)


def measurement(name):
    return {"stored": (stored_measurements() / f"{name}.json").read_bytes()}


NPZ = {
    "floats": bad_files.heads(5),
    "integers": bad_files.heads(5, **arrays(np.int8), head_scale=np.array([0.1, 0.1, 1.0])),
    "heads": bad_files.stacked(2, 5, 16),
    "batch": bad_files.heads(5, head_sequences=np.array([[2, 3], [3, 2]])),
    "ranges": bad_files.heads(5, head_range=np.full((5, 16), 9.0)),
    "halves": bad_files.heads(5, **arrays(np.float16)),
}
NPY = {"floats": bad_files.saved(np.ones((5, 16))), "halves": bad_files.saved(np.ones((5, 16), np.float16))}
SAFETENSORS = {"floats": save(arrays()), "integers": save(arrays(np.int8)), "heads": save(arrays(heads=2))}
TOML = {
    "preset": b'preset = "tiny"\nrows = 4\nsoftmax_lanes = 2\n',
    "engine": b'columns = 32 # of a bank\nupdate_rank = 4\nschedule = "folded"\nseed = true\nflush = 9\n',
    "chip": b'preset = "paper"\nengines = 8\nbus_bits = 256\naddress_bits = 48\nread_ports = 2\n',
    "all": "".join(f"{name} = {json.dumps(x)}\n" for name, x in PRESETS["small"].as_dict().items()).encode(),
}
MODELS = {
    "llama": bad_files.model(),
    "mixed": bad_files.model(layer_types=["sliding_attention", "full_attention"], sliding_window=16),
    "chunks": bad_files.model(layer_types=["chunked_attention"] * 2, attention_chunk_size=16),
    "inner": json.dumps({"model_type": "gemma3", "text_config": bad_files.GOOD_MODEL}).encode(),
}
TRACES_JSON = {"requests": bad_files.requests((12, 3), (5, 1), (100, 20))}
TRACES_CSV = {"azure": bad_files.lines("2023-11-16 18:15:46.6805900,374,44", "2023-11-16,12,3")}
POINT = {"point": {"rows": 64}, **dict.fromkeys(OBJECTIVES, 1.0), "cycles": 3}
RESULTS = {
    "points": "".join(
        json.dumps(each) + "\n" for each in (bad_files.ASKED, POINT, {"point": {"rows": 8}, "refused": "no"})
    ).encode()
}
GGUF = {"header": b"GGUF\x03\x00\x00\x00" + bytes(16) + b"\x14\x00\x00\x00general.architecture"}
CASES = {
    "case": json.dumps(
        {
            "chip": {"rows": 4, "columns": 32, "update_rank": 4, "softmax_lanes": 1, "engines": 1, "streams": 1},
            "jobs": [{"queries": 3, "sequences": [[1, 2, 0, 0, 1, 9, 0, 0, 0]], "fault": ["k", 0, 8, 2]}],
            "stop": ["abort", 100],
            "kind": "bytes",
        }
    ).encode()
}

FULL = {"preset": TOML["preset"], "engine": TOML["engine"], "chip": TOML["chip"]}
SIMULATE = ("simulate", "{}", "--preset", "tiny", "--simulator", "golden", "--jobs", "1")
KINDS = {
    "npz": Kind("heads.npz", NPZ, lambda path: load_heads(path, PRESETS["tiny"])),
    "npy": Kind("q.npy", NPY, lambda path: load_heads([path, *beside(path)])),
    "safetensors": Kind("heads.safetensors", SAFETENSORS, lambda path: load_heads(path, PRESETS["tiny"].engine)),
    "toml": Kind("config.toml", TOML, lambda path: choose_chip(None, path, None)),
    "toml of an engine": Kind("config.toml", TOML, lambda path: choose_config(None, path, None)),
    "model": Kind("config.json", MODELS, read_model),
    "energies": Kind("cost.json", measurement("cost"), read_table),
    "sizes": Kind("sizes.json", measurement("sizes"), read_sizes.__wrapped__),
    "trace": Kind("trace.json", TRACES_JSON, lambda path: read_trace(str(path))),
    "trace as CSV": Kind("trace.csv", TRACES_CSV, lambda path: read_trace(str(path))),
    "results": Kind("results.jsonl", RESULTS, read_results),
    "accuracy": Kind("accuracy.json", measurement("accuracy"), measurement_tables),
    "formal": Kind("formal.json", measurement("formal"), measurement_tables),
    "GGUF as heads": Kind("model.gguf", GGUF, load_heads),
    "case of a soak": Kind("case.json", CASES, read_case),
    "liberty": Kind("cells.lib", {}, lambda path: liberty.load(path, 45)),
    "command info": Kind("config.toml", FULL, command("info", "--config", "{}")),
    "command simulate": Kind("heads.npz", NPZ, command(*SIMULATE)),
    "command simulate safetensors": Kind("heads.safetensors", SAFETENSORS, command(*SIMULATE)),
}
NOT_TAKEN = ("GGUF as heads",)
"""Kinds whose valid files are refused, too."""


def beside(path):
    """Files k.npy and v.npy as q.npy must have them beside it."""
    places = [path.with_name("k.npy"), path.with_name("v.npy")]
    for place in places:
        place.write_bytes(NPY["floats"])
    return places
