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
from tests.cases import ALL
from tests.sim.cli.bad_inputs import PIPES, ROWS, Row, files
from typer.testing import CliRunner

from fusioncim_sim.cli.app import app

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
    (place / "fusioncim").write_text(f'#!/bin/sh\nexec {sys.executable} -c "{START[2]}" "$@"\n', encoding="utf-8")
    (place / "fusioncim").chmod(0o755)
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


AROUND = {
    "closed output": ("$F info >&-", "the standard output must be open, not closed"),
    "closed output of JSON": ("$F info --json - >&-", "the standard output must be open, not closed"),
    "full disk": ("$F info >/dev/full", "No space left on device: the standard output"),
    "full disk of JSON": ("$F info --json - >/dev/full", "No space left on device: the standard output"),
    "full disk of a help": ("$F info --help >/dev/full", "No space left on device: the standard output"),
    "full disk of a report": ("$F report - >/dev/full", "No space left on device: the standard output"),
    "full disk of a file": (
        "$F info --json /dev/full >/dev/null",
        "cannot be written (No space left on device): /dev/full",
    ),
    "files of no bytes": ("ulimit -f 0; $F info --json new.json >/dev/null", "cannot be written (File too large): new"),
    "files of few bytes": (
        "ulimit -f 2; $F info --json new.json >/dev/null",
        "cannot be written (File too large): new",
    ),
    "no working directory": (
        "mkdir gone; cd gone; rmdir ../gone; $F generate --preset tiny --engine -o new",
        "No such file or directory: the working directory",
    ),
    "working directory that cannot be written": (
        "cd /proc; $F generate --preset tiny --engine",
        "cannot be written (No such file or directory): build/verilog/tiny",
    ),
    "builds nowhere": (
        "cd /proc; FUSIONCIM_BUILD= HOME=/proc XDG_CACHE_HOME= $F evaluate --tokens 64 --layers 1",
        "builds must go to a directory that can be written",
    ),
}
"""Lines of a shell, whose $F is the program, and what the refusal says."""


@pytest.mark.timeout(2 * LIMIT_S)
@pytest.mark.parametrize("case", AROUND if ALL else list(AROUND)[::6])
def test_bad_surroundings_are_one_line(case, place):
    line, said = AROUND[case]
    environment = {**os.environ, "F": str(place / "fusioncim"), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, encoding="utf-8", timeout=LIMIT_S)
    error = "".join(each for each in done.stderr.splitlines(keepends=True) if "getcwd" not in each)
    refused(Row(case, (), said), done.returncode, done.stdout, error)


SILENT = {
    "closed errors": ("$F info --preset huge 2>&-", 2),
    "full disk of errors": ("$F info --preset huge 2>/dev/full", 2),
    "reader that is gone": ("set -o pipefail; (sleep 0.3; $F info; exit $?) | true", 1),
}


@pytest.mark.timeout(2 * LIMIT_S)
@pytest.mark.parametrize("case", SILENT)
def test_where_nothing_can_be_said_nothing_is(case, place):
    line, status = SILENT[case]
    environment = {**os.environ, "F": str(place / "fusioncim")}
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, encoding="utf-8", timeout=LIMIT_S)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")
