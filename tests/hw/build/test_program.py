"""Programs end when the process that started them does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fusioncim.build.program import run_program

WAIT = "echo $$ > {file}; sleep 60 & echo $! >> {file}; wait"
START = """
import sys
from fusioncim.build.program import run_program
run_program(["sh", "-c", sys.argv[1]])
"""


def alive(process):
    """The process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def started(file):
    """The processes that the shell has written down."""
    until(lambda: file.exists() and file.read_text(encoding="utf-8").count("\n") == 2)
    return [int(number) for number in file.read_text(encoding="utf-8").split()]


def test_output_goes_where_it_is_asked_for(tmp_path):
    done = run_program(["sh", "-c", "cat; echo no >&2; pwd; exit 3"], text="yes\n", directory=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, f"yes\n{tmp_path}\n", "no\n")
    with (tmp_path / "log").open("w", encoding="utf-8") as log:
        done = run_program(["sh", "-c", "cat; echo $A; echo two >&2"], log=log, environment={"A": "one", **os.environ})
    assert (done.returncode, done.stdout, done.stderr) == (0, None, None)
    assert (tmp_path / "log").read_text(encoding="utf-8") == "one\ntwo\n"


def test_a_program_that_takes_too_long_ends_with_all_that_it_started(tmp_path):
    with pytest.raises(subprocess.TimeoutExpired):
        run_program(["sh", "-c", WAIT.format(file=tmp_path / "pids")], limit_s=1)
    processes = started(tmp_path / "pids")
    until(lambda: not any(map(alive, processes)))


STARTING = """
import os, signal, subprocess, sys
from fusioncim.build.program import run_program
from fusioncim.build.signals import ended_when_asked

class Popen(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        print(self.pid, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

subprocess.Popen = Popen
with ended_when_asked():
    run_program(["sleep", "60"])
"""


def test_a_signal_while_a_program_starts_ends_it():
    done = subprocess.run([sys.executable, "-c", STARTING], timeout=20, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (143, "")
    assert not alive(int(done.stdout))


def test_a_killed_process_takes_its_program_along(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", START, WAIT.format(file=tmp_path / "pids")])
    shell, below = started(tmp_path / "pids")
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until(lambda: not alive(shell))
    os.kill(below, signal.SIGKILL)
