"""Commands that are asked to end: one line, the shell's exit status, and nothing left over."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cases import part

from fusioncim_sim.heads.read import fixture

START = """
from fusioncim_sim.cli.start import main
if __name__ == '__main__':
    open('tmp/begun', 'w').close()
    main()
"""
SIMULATE = ("simulate", str(fixture()), "--tokens", "512", "--json", "out.json", "-q")


def processes(place):
    """Command lines of the processes whose environment names a place, without zombies."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                state = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
                if state != "Z" and str(place).encode() in (process / "environ").read_bytes():
                    yield (process / "cmdline").read_bytes()
            except OSError:
                continue


def simulators(place):
    """How many of them run a simulation."""
    return sum(each.startswith(b"vvp") for each in processes(place))


def compiles(place):
    """Whether one of them compiles C++."""
    return any(b"/zig\0c++" in each for each in processes(place))


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def build(tmp_path_factory):
    """A build directory of its own, with what others have built: no other command puts scratch folders into it."""
    place = tmp_path_factory.mktemp("build")
    Path("build").mkdir(exist_ok=True)
    for name in ("designs", "runs", "verilog"):
        Path("build", name).mkdir(exist_ok=True)
        (place / name).symlink_to(Path("build", name).resolve())
    return place


def heeds_signals():
    """Heed what the tests themselves may have been told to ignore, by nohup or in the background of a shell."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def start(place, build, *command):
    """A command in a process group of its own; its scratch folders go to the place and to the build directory."""
    (place / "tmp").mkdir()
    environment = {**os.environ, "TMPDIR": str(place / "tmp"), "FUSIONCIM_BUILD": str(build)}
    return subprocess.Popen(
        [sys.executable, "-c", START, *command],
        cwd=place, env=environment, stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True,
        preexec_fn=heeds_signals,
    )  # fmt: skip


def in_build(build):
    return set(build.glob("tmp*"))


@pytest.mark.parametrize(
    ("number", "jobs"), [(signal.SIGINT, "1"), (signal.SIGINT, "2"), (signal.SIGTERM, "2"), (signal.SIGHUP, "1")]
)
def test_simulators_workers_and_scratch_folders_end_with_the_command(number, jobs, tmp_path, build):
    process = start(tmp_path, build, *SIMULATE, "--jobs", jobs)
    until(lambda: simulators(tmp_path) == int(jobs))
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (128 + number, f"ended by {number.name}\n")
    until(lambda: not list(processes(tmp_path)))
    assert {path.name for path in tmp_path.rglob("*")} == {"tmp", "begun"}
    assert not in_build(build)


@pytest.mark.parametrize("name", part(("SIGINT", "SIGTERM"), "SIGINT"))
def test_compilers_and_half_libraries_end_with_the_command(name, tmp_path, build):
    number = signal.Signals[name]
    process = start(tmp_path, build, "build-model", "--preset", "tiny", "-o", "new.so", "-q")
    until(lambda: compiles(tmp_path))
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (128 + number, f"ended by {name}\n")
    assert not list(processes(tmp_path))
    assert {path.name for path in tmp_path.rglob("*")} == {"tmp", "begun"}
    assert all(path.suffix == ".lock" for path in (build / "libraries").iterdir())


def test_a_killed_command_takes_simulators_and_workers_along(tmp_path, build):
    process = start(tmp_path, build, *SIMULATE, "--jobs", "2")
    until(lambda: simulators(tmp_path) == 2)
    before = in_build(build)
    process.kill()
    process.communicate(timeout=20)
    until(lambda: not list(processes(tmp_path)))
    until(lambda: not in_build(build) & before)


@pytest.mark.parametrize("delay", [0.05, 0.3, 0.6, 1.2])
def test_an_interrupt_at_any_time_is_no_traceback(delay, tmp_path, build):
    process = start(tmp_path, build, "explore", "--jobs", "2", "-q")
    until((tmp_path / "tmp" / "begun").exists)  # before that Python itself starts
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode in (130, -signal.SIGINT)
    assert said in ("", "ended by SIGINT\n")
