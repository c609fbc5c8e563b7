"""A library that a command wrote: a program in C and other commands use it."""

import ctypes
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fusioncim.chip.registers import registers
from fusioncim_sim.cli.app import app

pytestmark = pytest.mark.timeout(1200)  # it may compile a chip

TINY = ("--preset", "tiny")
PAGE = Path(__file__).parents[3] / "docs" / "library.md"


def fusioncim(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments], prog_name="fusioncim")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with the library of the preset tiny, its header, and heads."""
    place = tmp_path_factory.mktemp("library")
    result = fusioncim("build-model", *TINY, "-o", place / "chip.so")
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        str(place / "chip.so"),
        str(place / "fusioncim_model.h"),
    ]
    rng = np.random.default_rng(1)
    arrays = {f"{name}_{part}": rng.normal(size=(12, 16)) for name in ("one", "two") for part in "qkv"}
    np.savez(place / "heads.npz", **arrays, two_sequences=np.array([[5, 4], [7, 8]]))
    return place


def test_the_program_of_the_page_uses_it(place):
    (program,) = re.findall(r"^```c\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (place / "main.c").write_text(program, encoding="utf-8")
    options = ["-std=c99", "-pedantic", "-Wall", "-Werror", "-I", place, "-o", place / "main"]
    subprocess.run(["gcc", *options, place / "main.c", place / "chip.so", f"-Wl,-rpath,{place}"], check=True)
    shown = subprocess.run([place / "main"], check=True, capture_output=True, encoding="utf-8").stdout
    loaded = ctypes.CDLL(str(place / "chip.so"))
    loaded.fusioncim_model_config.restype = ctypes.c_char_p
    assert b"engines = 2\n" in loaded.fusioncim_model_config()
    assert shown == f"ID {next(iter(registers()['ID'].fields.values())).reset:08x}, interrupt 0\n"


def test_it_is_written_again_and_nothing_else_is_lost(place):
    before = (place / "chip.so").read_bytes()
    assert fusioncim("build-model", *TINY, "-o", place / "chip.so").exit_code == 0
    assert (place / "chip.so").read_bytes() == before


def test_heads_run_on_it(place, monkeypatch):
    monkeypatch.setenv("PATH", "none")  # nothing is compiled
    options = ("--chip", "--library", place / "chip.so", "--json", place / "out.json", "--jobs", "1")
    result = fusioncim("simulate", place / "heads.npz", *TINY, *options)
    assert result.exit_code == 0, result.output
    assert "cycles per second" in result.stdout
    report = json.loads((place / "out.json").read_text(encoding="utf-8"))
    assert [(head["name"], head["bit_exact"], head["job"]) for head in report["heads"]] == [
        ("one", True, 0),
        ("two", True, 1),
    ]
    assert [(job["sequences"], job["status"]) for job in report["jobs"]] == [(1, "OK"), (2, "OK")]
    assert report["counters"]["cycles"] > 0


REFUSED = {
    "another chip": (("--preset", "small"), "the library must be built for engines = 4, not for 2: "),
    "another number": ((*TINY, "--set", "slack=3"), "the library must be built for slack = 3, not for 4: "),
    "no trace in it": ((*TINY, "--trace", "new.fst"), "a trace needs a library built with --trace, not this one: "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_library_that_does_not_fit_is_refused(case, place, tmp_path, monkeypatch):
    options, said = REFUSED[case]
    monkeypatch.setenv("FUSIONCIM_BUILD", str(Path("build").resolve()))
    monkeypatch.chdir(tmp_path)
    result = fusioncim("simulate", place / "heads.npz", *options, "--chip", "--library", place / "chip.so")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {said}")
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
