"""Bad inputs of all commands: one line that says what is wrong, exit status 2, and nothing left over.

A part of the table is run with all tests, the whole of it by `make test-inputs`.
"""

import os
import stat
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.sim.cli.bad_inputs import PIPES, ROWS, files
from typer.testing import CliRunner

from fusioncim_sim.cli.app import app

ALL = os.environ.get("FUSIONCIM_ALL_INPUTS") == "1"
HERE = ROWS if ALL else ROWS[::10]
AS_A_PROGRAM = ROWS[5::20] if ALL else ROWS[5::130]
LIMIT_S = 30
START = (sys.executable, "-c", "from fusioncim_sim.cli.start import main\nif __name__ == '__main__': main()")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A working directory with all files of the table; `sta` is there, as it is never reached."""
    place = tmp_path_factory.mktemp("inputs")
    for name, content in files().items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    for name in PIPES:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(place / name)
    tools = tmp_path_factory.mktemp("tools")
    (tools / "sta").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (tools / "sta").chmod(0o755)
    return place, tools


@pytest.fixture
def place(inputs, tmp_path, monkeypatch):
    """The working directory, the places of builds and scratch folders; all of them are as before afterwards."""
    folder, tools = inputs
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("FUSIONCIM_BUILD", str(Path("build").resolve()))
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}{os.pathsep}{tools}")
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(folder)
    before = listing(folder)
    yield folder
    assert listing(folder) == before
    assert list(scratch.iterdir()) == []
    assert not children()


def listing(folder):
    """Size and time of every file, by name."""
    found = {str(path): path.lstat() for path in folder.rglob("*")}
    return {name: (x.st_size, x.st_mtime_ns) for name, x in found.items() if not stat.S_ISDIR(x.st_mode)} | {
        name: None for name, x in found.items() if stat.S_ISDIR(x.st_mode)
    }


def children():
    """Command lines of the processes that this one has started, without the one that multiprocessing keeps."""
    numbers = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="utf-8").split()
    lines = [Path(f"/proc/{number}/cmdline").read_bytes() for number in numbers]
    return [line for line in lines if b"resource_tracker" not in line]


def refused(row, status, output, error):
    assert status == 2, error
    assert output == ""
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert error.endswith("\n")
    assert row.said in error


def needs(row):
    if row.needs and find_spec(row.needs) is None:
        pytest.skip(f"{row.needs} is not there")


def test_every_row_is_another_one():
    assert len(ROWS) >= 400
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert len({(row.arguments, tuple(row.environment.items())) for row in ROWS}) == len(ROWS)


@pytest.mark.timeout(LIMIT_S)
@pytest.mark.parametrize("row", HERE, ids=lambda row: row.name)
def test_a_bad_input_is_one_line(row, place):
    needs(row)
    done = CliRunner(env={"COLUMNS": None, **row.environment}).invoke(app, row.arguments, prog_name="fusioncim")
    assert isinstance(done.exception, SystemExit), done.exception
    refused(row, done.exit_code, done.stdout, done.stderr)


@pytest.mark.timeout(2 * LIMIT_S)
@pytest.mark.parametrize("row", AS_A_PROGRAM, ids=lambda row: row.name)
def test_a_bad_input_of_the_program_is_one_line(row, place):
    needs(row)
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", **row.environment}
    command = [*START, *(os.fsencode(argument) for argument in row.arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=LIMIT_S)
    refused(row, done.returncode, done.stdout, done.stderr)
