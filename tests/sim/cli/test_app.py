"""The command line: what it writes, what it refuses, and how it ends."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
from typer.testing import CliRunner

from fusioncim.package import to_toml
from fusioncim_golden.config import Config
from fusioncim_golden.presets import PRESETS, read_toml
from fusioncim_sim.cli.app import app
from fusioncim_sim.cli.options import choose_config, parse_value
from fusioncim_sim.files import hash_of
from fusioncim_sim.heads import judge as judge_module
from fusioncim_sim.rtl import head_run
from fusioncim_sim.rtl.simulators import choose

TINY = ("--preset", "tiny")
GOLDEN = (*TINY, "--simulator", "golden", "--jobs", "1")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working directory; builds stay shared."""
    monkeypatch.setenv("FUSIONCIM_BUILD", str(Path("build").resolve()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fusioncim(*arguments):
    # No COLUMNS: parallel test processes have one of their own.
    return CliRunner(env={"COLUMNS": None}).invoke(
        app, [str(argument) for argument in arguments], prog_name="fusioncim"
    )


def arrays(tokens=12, columns=16, name="head", seed=0):
    generator = np.random.default_rng(seed)
    return {f"{name}_{part}": generator.normal(size=(tokens, columns)).astype(np.float32) for part in "qkv"}


def save(path, **changed):
    np.savez(path, **{name: x for name, x in (arrays() | changed).items() if x is not None})
    return path


def integers(high=127):
    return {name: np.clip(np.rint(x * 40), -127, high).astype(np.int16) for name, x in arrays().items()}


# Bad input.


def change(name, place, value):
    x = arrays()[name]
    x[place] = value
    return {name: x}


BAD_HEADS = {
    "missing array": ({"head_k": None}, "missing is head_k"),
    "no heads": ({f"head_{part}": None for part in "qkv"} | {"other": np.zeros(3)}, "not other"),
    "three dimensions": ({"head_q": np.zeros((2, 3, 16))}, "not (2, 3, 16), (12, 16), (12, 16)"),
    "no tokens": ({"head_q": np.zeros((0, 16))}, "not of shape (0, 16)"),
    "wrong head dimension": ({f"head_{part}": np.zeros((12, 32)) for part in "qkv"}, "try --set columns=32"),
    "dimensions that differ": ({"head_v": np.zeros((12, 32))}, "the same dimension, not 16, 16, 32"),
    "keys and values differ": ({"head_v": np.zeros((11, 16))}, "the same shape"),
    "nan": (change("head_k", (3, 4), np.nan), "head_k must be finite"),
    "infinity": (change("head_v", (0, 0), -np.inf), "head_v must be finite"),
    "complex": ({"head_q": np.zeros((12, 16), dtype=complex)}, "not of type complex128"),
    "text": ({"head_q": np.full((12, 16), "1")}, "must be float or integer"),
    "float and integer": ({"head_q": np.zeros((12, 16), dtype=np.int8)}, "all float or all integer"),
    "integer too large": (integers() | {"head_v": np.full((12, 16), 128, dtype=np.int16)}, "from -128 to 127"),
    "integer too small": (integers() | {"head_q": np.full((12, 16), -129, dtype=np.int16)}, "not -129"),
    "scale": (integers() | {"head_scale": np.array([1.0, -1.0, 1.0])}, "three positive scales"),
}


def ends_with_one_line(result, text):
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert text in result.stderr


@pytest.mark.parametrize("case", BAD_HEADS)
def test_bad_heads_are_refused(case, place):
    changed, text = BAD_HEADS[case]
    heads = save(place / "heads.npz", **changed)
    ends_with_one_line(fusioncim("simulate", heads, *GOLDEN, "--json", "out.json"), text)
    assert list(place.iterdir()) == [heads]


BAD_ARGUMENTS = {
    "unknown command": (("paint",), "paint"),
    "unknown option": (("info", "--colour"), "--colour"),
    "missing argument": (("simulate",), "Missing argument"),
    "no number": (("simulate", "heads.npz", "--tokens", "many"), "--tokens"),
    "no tokens": (("simulate", "heads.npz", "--tokens", "0"), "--tokens"),
    "unknown simulator": (("simulate", "heads.npz", "--simulator", "spice"), "spice"),
    "unknown preset": (("info", "--preset", "huge"), "preset must be one of tiny, small, paper, not huge"),
    "unknown key": (("generate", "--set", "colour=3"), "not colour"),
    "wrong type": (("generate", "--set", "rows=many"), "rows must be of type int, not 'many'"),
    "impossible chip": (("info", "--set", "engines=3"), "engines must be one of 1, 2, 4, 8, 16, not 3"),
    "chip of a wrong type": (("info", "--set", "bus_bits=wide"), "bus_bits must be of type int, not 'wide'"),
    "an engine as a parameter": (("info", "--set", "engine=3"), "unknown configuration key (did you mean engines?)"),
    "no value": (("info", "--set", "rows"), "--set must be KEY=VALUE, not rows"),
    "impossible": (("generate", "--set", "columns=65"), "not 65"),
    "preset and file": (("info", "--preset", "tiny", "--config", "good.toml"), "only one of"),
    "no configuration": (("info", "--config", "none.toml"), "none.toml"),
    "no toml": (("info", "--config", "bad.toml"), "no valid TOML"),
    "no heads file": (("simulate", "none.npz", *GOLDEN), "none.npz"),
    "no npz": (("simulate", "bad.toml", *GOLDEN), "bad.toml"),
    "heads are a directory": (("simulate", "full", *GOLDEN), "full"),
    "unknown head": (("simulate", "heads.npz", *GOLDEN, "--head", "tail"), "the heads of the file are head, not tail"),
    "json into nothing": (("simulate", "heads.npz", *GOLDEN, "--json", "none/out.json"), "none/out.json"),
    "json onto a directory": (("simulate", "heads.npz", *GOLDEN, "--json", "full"), "full"),
    "json onto another file": (("simulate", "heads.npz", *GOLDEN, "--json", "good.toml"), "good.toml"),
    "json onto other json": (("simulate", "heads.npz", *GOLDEN, "--json", "full/other.json"), "other.json"),
    "verilog onto a file": (("generate", *TINY, "--output", "good.toml"), "good.toml"),
    "verilog below a file": (("generate", *TINY, "--output", "good.toml/below"), "good.toml"),
    "verilog into another directory": (
        ("generate", *TINY, "--output", "full"),
        "not written by fusioncim; name another (--force writes all the same)",
    ),
    "demo into another directory": (("demo", "--output", "full"), "not written by fusioncim; name another: full"),
    "demo of an unknown head": (("demo", "--head", "tail"), "not tail"),
    "measurements onto a file": (("measure", "accuracy", "--output", "good.toml"), "good.toml"),
    "measuring something unknown": (("measure", "weather"), "not weather"),
    "a source for what reads none": (("measure", "timing", "--source", "full"), "not of timing"),
    "a part of what has none": (("measure", "accuracy", "--part", "a"), "not of accuracy"),
    "capture onto another file": (("capture", "other.npz"), "other.npz"),
    "capture without .npz": (("capture", "heads.txt"), "heads.txt"),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_arguments_are_refused(case, place):
    save(place / "heads.npz")
    np.savez(place / "other.npz", x=np.zeros(3))
    (place / "good.toml").write_text("rows = 16\n", encoding="utf-8")
    (place / "bad.toml").write_text("rows = \n", encoding="utf-8")
    (place / "full").mkdir()
    (place / "full" / "other.json").write_text('{"heads": 1}', encoding="utf-8")
    before = {path: path.is_file() and path.read_bytes() for path in place.rglob("*")}
    arguments, text = BAD_ARGUMENTS[case]
    ends_with_one_line(fusioncim(*arguments), text)
    assert {path: path.is_file() and path.read_bytes() for path in place.rglob("*")} == before


SIMULATE = ("simulate", "heads.npz", *TINY, "--json", "out.json")
MISSING = {
    "icarus": ((*SIMULATE, "--simulator", "icarus"), "Icarus Verilog is missing"),
    "verilator": ((*SIMULATE, "--simulator", "verilator"), "Verilator needs g++"),
    "demo": (("demo",), "Icarus Verilog is missing"),
    "measure": (("measure",), "Icarus Verilog is missing"),
}


@pytest.mark.parametrize(("command", "text"), MISSING.values(), ids=MISSING)
def test_a_missing_simulator_is_named_before_anything_is_written(command, text, place, monkeypatch):
    heads = save(place / "heads.npz")
    monkeypatch.setenv("PATH", str(place / "none"))
    ends_with_one_line(fusioncim(*command), text)
    assert list(place.iterdir()) == [heads]


def test_missing_packages_are_named(place, monkeypatch):
    monkeypatch.setattr("fusioncim_sim.llm.language_model.find_spec", lambda name: None)
    ends_with_one_line(fusioncim("capture", "new.npz"), "pip install 'fusioncim[llm]'")
    assert list(place.iterdir()) == []

    def load(*_, **__):
        raise ModuleNotFoundError("No module named 'cocotb'", name="cocotb")

    monkeypatch.setattr("fusioncim_sim.heads.read.load_heads", load)
    ends_with_one_line(fusioncim("simulate", "heads.npz", *GOLDEN), "pip install 'fusioncim[sim]'")


def test_a_bug_keeps_its_traceback(place, monkeypatch):
    def load(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr("fusioncim_sim.heads.read.load_heads", load)
    result = fusioncim("simulate", "heads.npz", *GOLDEN)
    assert isinstance(result.exception, RuntimeError)


# Information.


def test_info_shows_every_parameter():
    options = ("--preset", "paper", "--set", "seed=true", "--set", "engines=8")
    shown = json.loads(fusioncim("info", *options, "--json", "-").stdout)
    chip = PRESETS["paper"].override(seed=True, engines=8)
    assert shown["parameters"] == chip.as_dict()
    assert (shown["parameters"]["engines"], shown["parameters"]["rows"]) == (8, 128)
    assert shown["derived"]["units"] == chip.engine.units
    assert shown["derived"]["buffer_blocks"] == chip.buffer_blocks
    assert shown["derived"]["lut"] == list(chip.engine.lut)
    assert shown["presets"] == {name: each.as_dict() for name, each in PRESETS.items()}
    text = fusioncim("info").stdout
    assert all(name in text for name in (*shown["parameters"], *shown["derived"], *PRESETS))


def test_info_of_an_engine_alone(place):
    (place / "engine.toml").write_text("columns = 80\nupdate_rank = 2\n", encoding="utf-8")
    expected = PRESETS["small"].alone().override(columns=80, update_rank=2)
    shown = json.loads(fusioncim("info", "--engine", "--config", "engine.toml", "--json", "-").stdout)
    assert shown["parameters"] == expected.as_dict()
    assert shown["derived"]["units"] == expected.units
    assert "buffer_blocks" not in shown["derived"]
    assert shown["presets"]["tiny"] == PRESETS["tiny"].alone().as_dict()
    refused = fusioncim("info", "--config", "engine.toml")
    assert refused.exit_code == 2
    assert "an engine alone may be so: --engine" in refused.output
    assert "--engine" not in fusioncim("info", "--config", "engine.toml", "--set", "engines=2").output


def test_a_file_starts_from_its_preset_and_options_change_it(place):
    (place / "chip.toml").write_text('preset = "tiny"\nengines = 4\nwords = 3\nbus_bits = 64\n', encoding="utf-8")
    result = fusioncim("info", "--config", "chip.toml", "--set", "words=4", "--set", "buffer_bytes=256", "--json", "-")
    expected = PRESETS["tiny"].override(engines=4, words=4, buffer_bytes=256)
    assert json.loads(result.stdout)["parameters"] == expected.as_dict()


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        (None, [], PRESETS["small"].engine.override(schedule="sink_first")),
        ("paper", ["engines=2", "slack=4"], PRESETS["paper"].engine.override(schedule="sink_first", slack=4)),
        ("paper", ["schedule=folded"], PRESETS["paper"].engine),
    ],
)
def test_a_command_of_one_engine_takes_the_preset_alone(name, changes, expected):
    assert choose_config(name, None, changes) == expected


def test_help_and_version():
    assert "simulate" in fusioncim().stdout
    assert "--json" in fusioncim("simulate", "--help").stdout
    assert fusioncim("--version").stdout.count(".") == 2


def test_values_are_toml_or_text():
    texts = ("3", "true", "'a b'", "in_order", "1 = 2", "1\nrows = 2")
    assert [parse_value(text) for text in texts] == [3, True, "a b", "in_order", "1 = 2", "1\nrows = 2"]


# Generation.


def contents(path):
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


STREAMS = ("i_tile", "i_q", "i_block", "i_kv", "o")


def test_names_and_reset_are_chosen(place):
    result = fusioncim("generate", "--engine", *TINY, "--prefix", "npu_", "--reset", "active-low-sync", "-o", "out")
    assert result.exit_code == 0, result.output
    files = contents(place / "out")
    assert {"npu_engine.v", "npu_sram.v", "npu_engine.core", "npu_engine_tb.sv", "npu_engine.sdc"} <= set(files)
    assert b"module npu_engine(\n  input wire clk,\n  input wire aresetn,\n" in files["npu_engine.v"]
    assert b"module npu_fusioncim_sram #(" in files["npu_sram.v"]
    parameters = json.loads(files["manifest.json"])["parameters"]
    assert (parameters["prefix"], parameters["reset"]) == ("npu_", "active-low-sync")


def test_generated_files_describe_themselves(place):
    result = fusioncim("generate", "--engine", *TINY, "--set", "schedule=sink_first", "--output", "out")
    assert result.exit_code == 0, result.output
    files = contents(place / "out")
    names = {"engine.v", "sram.v", "engine.f", "engine.core", "engine.sdc", "ports.md", "config.toml", "README.md"}
    names |= {"component.xml", "engine_synth.tcl", "engine_tb.sv", *(f"engine_tb_{port}.hex" for port in STREAMS)}
    assert set(files) == names | {"manifest.json"}
    assert b"\nmodule engine(" in b"\n" + files["engine.v"]
    assert Config(**read_toml(place / "out/config.toml")) == PRESETS["tiny"].alone().override(schedule="sink_first")
    manifest = json.loads(files["manifest.json"])
    assert manifest["parameters"]["schedule"] == "sink_first"
    assert {name: entry["sha256"] for name, entry in manifest["files"].items()} == {
        name: hash_of(content) for name, content in files.items() if name != "manifest.json"
    }
    assert str(place).encode() not in b"".join(files.values())


def test_a_generated_directory_is_replaced_but_not_when_it_was_changed(place, monkeypatch):
    def files(chip, **_):
        return {"chip.v": f"// {chip}\n".encode(), "map/a.h": b"a", "config.toml": to_toml(chip.as_dict()).encode()}

    monkeypatch.setattr("fusioncim.package.chip_files", files)
    (place / "out").mkdir()
    assert fusioncim("generate", *TINY, "--output", "out").exit_code == 0
    first = contents(place / "out")
    (place / "out/notes.txt").write_text("mine", encoding="utf-8")
    assert fusioncim("generate", *TINY, "--set", "seed=true", "--output", "out").exit_code == 0
    second = contents(place / "out")
    assert second.pop("notes.txt") == b"mine"
    assert second["config.toml"] != first["config.toml"]

    (place / "out/chip.v").write_text("// mine\n", encoding="utf-8")
    ends_with_one_line(
        fusioncim("generate", *TINY, "--output", "out"), "since it was written (--force writes all the same)"
    )
    assert (place / "out/chip.v").read_text(encoding="utf-8") == "// mine\n"
    assert fusioncim("generate", *TINY, "--output", "out", "--force").exit_code == 0
    assert {name: x for name, x in contents(place / "out").items() if name != "notes.txt"} == first


def test_generation_does_not_depend_on_hash_order(place):
    made = []
    for seed in ("1", "2"):
        command = [
            sys.executable,
            "-c",
            "from fusioncim_sim.cli.app import app; app()",
            "generate",
            *TINY,
            "--output",
            seed,
        ]
        subprocess.run(command, check=True, env={"PYTHONHASHSEED": seed, "PATH": ""}, capture_output=True)
        made.append(contents(place / seed))
    assert made[0] == made[1]


# Numbers: every option that takes one, and values that are none for it.

NUMBERS = {
    "simulate heads.npz --simulator golden": ("--tokens", "--jobs"),
    "build-model": ("--threads",),
    "soc": ("--tokens", "--cycles"),
    "evaluate": (
        "--tokens",
        "--chunk",
        "--new-tokens",
        "--sequences",
        "--page-tokens",
        "--layers",
        "--heads",
        "--kv-heads",
        "--head-dimension",
    ),
    "evaluate --tokens 64": ("--clock-mhz",),
    "evaluate --batch azure-conv": ("--slots", "--requests", "--jobs"),
    "explore --axis rows=64": ("--tokens", "--limit", "--jobs"),
    "synth": ("--jobs", "--node"),
    "timing": ("--jobs", "--node", "--clock-mhz"),
    "timing --engine --wires": ("--wire-ff-um",),
    "power": ("--jobs", "--node", "--clock-mhz", "--tokens"),
    "power --wires": ("--wire-ff-um",),
    "fpga": ("--clock-mhz", "--tokens"),
    "demo": ("--tokens", "--jobs"),
    "quality": ("--window", "--tokens", "--jobs"),
    "chat hello": ("--tokens", "--cache-tokens", "--clock-mhz"),
    "measure accuracy": ("--jobs",),
    "soak": ("--seed", "--chips", "--chip-jobs", "--minutes", "--jobs"),
}


def test_every_option_with_a_number_is_tried():
    for command in app.registered_commands:
        hints = get_type_hints(command.callback)
        numbers = {
            "--" + name.replace("_", "-") for name, hint in hints.items() if {int, float} & {hint, *get_args(hint)}
        }
        name = command.callback.__name__.replace("_", "-")
        tried = {each for line, options in NUMBERS.items() if line.split()[0] == name for each in options}
        assert numbers == tried, name


@pytest.mark.parametrize("value", ["0", "-1", "1e-9", "1e30", "nan", "inf", "many", ""])
@pytest.mark.parametrize("line", NUMBERS)
def test_a_number_that_is_none_is_refused(line, value, place):
    save(place / "heads.npz")
    for option in NUMBERS[line]:
        ends_with_one_line(fusioncim(*line.split(), f"{option}={value}"), "")


# Output.

SHOWN = {
    "info": (("info",), "global buffer; one half holds keys, the other values."),
    "simulate": (("simulate", "heads.npz", *GOLDEN), "integers, LSB of V"),
    "evaluate": (("evaluate", "--tokens", 64), "multiply-accumulates"),
}


@pytest.mark.parametrize("case", SHOWN)
def test_nothing_is_cut_in_a_pipe(case, place):
    arguments, text = SHOWN[case]
    save(place / "heads.npz", **arrays(name="a_head_of_a_long_name" * 8))
    command = [str(argument) for argument in arguments]
    result = CliRunner(env={"COLUMNS": "30"}).invoke(app, command, prog_name="fusioncim")
    assert result.exit_code == 0, result.output
    assert text in result.stdout
    assert "\N{HORIZONTAL ELLIPSIS}" not in result.stdout
    if case == "simulate":
        assert "a_head_of_a_long_name" * 8 in result.stdout


# Simulation.


def test_results_as_json(place):
    save(place / "heads.npz", **arrays(9, name="other", seed=1))
    for _ in range(2):  # the second run replaces the first one's file
        result = fusioncim("simulate", "heads.npz", *GOLDEN, "--json", "out.json")
        assert result.exit_code == 0, result.output
    data = json.loads((place / "out.json").read_text(encoding="utf-8"))
    assert data["simulator"] == "golden"
    assert data["config"] == PRESETS["tiny"].alone().as_dict()
    assert [head["name"] for head in data["heads"]] == ["head", "other"]
    head = data["heads"][0]
    assert head["bit_exact"] is None
    assert head["cycles"] is None
    assert head["queries"] == head["keys"] == 12
    assert head["scores"] == 12 * 13 // 2
    assert head["sqnr_integers_db"] > head["sqnr_floats_db"] > 25
    assert 2 > head["max_error_floats_lsb"] > head["max_error_integers_lsb"]
    assert "head" in result.stdout
    assert "other" in result.stdout


def test_a_large_channel_shows_in_the_error_against_the_floats(place):
    heads = arrays(64)
    heads["head_q"][:, 3] *= 50
    heads["head_k"][:, 3] *= 50
    save(place / "heads.npz", **heads)
    result = fusioncim("simulate", "heads.npz", *GOLDEN, "--json", "out.json")
    (head,) = json.loads((place / "out.json").read_text(encoding="utf-8"))["heads"]
    assert head["sqnr_floats_db"] < 25 < 40 < head["sqnr_integers_db"]
    row = result.stdout.splitlines()[4].split()
    assert row[3:] == [
        *(f"{head['sqnr_floats_db']:.1f}", f"{head['max_error_floats_lsb']:.2f}"),
        *(f"{head['sqnr_integers_db']:.1f}", f"{head['max_error_integers_lsb']:.2f}"),
    ]
    assert "against float64 attention on the floats of the file" in result.stdout


def test_options_choose_heads_tokens_and_mask(place):
    save(place / "heads.npz", **arrays(9, name="other", seed=1))
    fusioncim("simulate", "heads.npz", *GOLDEN, "--head", "other", "--tokens", 5, "--full", "--json", "out.json")
    (head,) = json.loads((place / "out.json").read_text(encoding="utf-8"))["heads"]
    assert (head["name"], head["queries"], head["scores"]) == ("other", 5, 25)


def test_processes_give_the_same_results(place):
    save(place / "heads.npz", **arrays(9, name="other", seed=1))
    for jobs in ("1", "2"):
        result = fusioncim("simulate", "heads.npz", *GOLDEN, "--jobs", jobs, "--json", f"{jobs}.json")
        assert result.exit_code == 0, result.output
    assert (place / "1.json").read_bytes() == (place / "2.json").read_bytes()


def test_rtl_is_compared_bit_by_bit(place, monkeypatch):
    save(place / "heads.npz", **integers())
    command = ("simulate", "heads.npz", *TINY, "--jobs", "1", "--json", "out.json")
    result = fusioncim(*command)
    assert result.exit_code == 0, result.output
    (head,) = json.loads((place / "out.json").read_text(encoding="utf-8"))["heads"]
    assert head["bit_exact"] is True
    assert head["cycles"] > 0
    assert 0 < head["utilization"] < 1
    assert head["sqnr_floats_db"] is None
    assert head["max_error_floats_lsb"] is None
    assert "To floats: none, the heads of the file are integers" in result.stdout

    right = head_run.simulate_jobs

    def wrong(config, jobs):
        run = right(config, jobs)
        run.outputs[0][0, 3, 5] ^= 1
        return run

    monkeypatch.setattr(head_run, "simulate_jobs", wrong)
    result = fusioncim(*command)
    assert result.exit_code == 1
    assert "NO, 1 of 192 differ" in result.stdout
    (head,) = json.loads((place / "out.json").read_text(encoding="utf-8"))["heads"]
    assert (head["bit_exact"], head["mismatches"]) == (False, 1)


def test_the_simulator_is_an_option_or_comes_from_the_environment(place, monkeypatch):
    chosen = []

    def on_rtl(config, heads, **options):
        chosen.append(choose())
        return {}

    def on_the_golden_model(config, heads, **options):
        chosen.append("golden")
        return {}

    monkeypatch.setattr(head_run, "evaluate_all", on_rtl)
    monkeypatch.setattr(judge_module, "judge_all", on_the_golden_model)
    monkeypatch.setenv("FUSIONCIM_SIMULATOR", "verilator")  # and what it was afterwards
    save(place / "heads.npz")
    for arguments in ((), ("--simulator", "icarus"), ("--simulator", "verilator"), ("--simulator", "golden")):
        result = fusioncim("simulate", "heads.npz", *TINY, *arguments)
        assert result.exit_code == 0, result.output
    assert chosen == ["verilator", "icarus", "verilator", "golden"]
    monkeypatch.setenv("FUSIONCIM_SIMULATOR", "spice")
    ends_with_one_line(fusioncim("simulate", "heads.npz", *TINY), "spice")


def test_json_has_no_infinity():
    heads = judge_module.Head("head", *(np.zeros((3, 16), dtype=np.int8) for _ in "qkv"))
    result, _ = head_run.evaluate(PRESETS["tiny"].alone(), heads, rtl=False)
    data = judge_module.plain(replace(result, sqnr_integers_db=float("inf")))
    assert data["sqnr_integers_db"] is None
    json.dumps(data, allow_nan=False)
