"""Pieces of work in processes."""

import logging
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from fusioncim.build.messages import PACKAGES, show
from fusioncim.build.workers import Workers, cores, run_all
from fusioncim_golden.errors import InputError


def square(n):
    return n * n, os.getpid()


def refuse():
    raise InputError("no such piece")


@pytest.fixture
def messages():
    """Shows messages of a level; afterwards none."""
    yield show
    for package in PACKAGES:
        logger = logging.getLogger(package)
        logger.setLevel(logging.NOTSET)
        logger.handlers.clear()


def wait_long(place):
    (place / str(os.getpid())).touch()
    time.sleep(60)


def die():
    os._exit(1)


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_have_the_order_of_the_work(jobs, capfd, messages):
    messages(logging.INFO)
    done = run_all({name: partial(square, n) for n, name in enumerate("cab")}, jobs=jobs, title="squares")
    assert [(name, result[0]) for name, result in done.items()] == [("c", 0), ("a", 1), ("b", 4)]
    assert all((process == os.getpid()) == (jobs == 1) for _, process in done.values())
    shown = capfd.readouterr()
    assert shown.out == ""
    assert sorted(line.partition(",")[0] for line in shown.err.splitlines()) == [
        "squares: a",
        "squares: b",
        "squares: c",
    ]


def log_step():
    logging.getLogger("fusioncim_sim.anything").debug("a step")


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("level", [logging.WARNING, logging.INFO, logging.DEBUG])
def test_the_level_decides_what_is_said_in_every_process(jobs, level, capfd, messages):
    messages(level)
    run_all({"a": log_step, "b": log_step}, jobs=jobs, title="log")
    said = capfd.readouterr().err
    assert ("log: a" in said) == (level <= logging.INFO)
    assert said.count("a step") == (2 if level == logging.DEBUG else 0)


@pytest.mark.parametrize("jobs", [1, 2])
def test_errors_come_through(jobs):
    with pytest.raises(InputError, match="no such piece"):
        run_all({"good": partial(square, 1), "bad": refuse}, jobs=jobs, title="work")


def test_no_work_is_no_error():
    assert run_all({}, jobs=2, title="nothing") == {}
    assert cores() >= 1


def test_a_worker_that_died_is_an_error_of_one_line():
    with pytest.raises(InputError, match=r"^a worker died; what was finished is kept, run the same command again$"):
        run_all({"dies": die, "good": partial(square, 1)}, jobs=2, title="work")


def test_workers_take_one_batch_after_another():
    with Workers(2) as workers:
        for batch in ((1, 2), (3, 4)):
            done = dict(workers.finished({str(n): partial(square, n) for n in batch}))
            assert [done[str(n)][0] for n in batch] == [n * n for n in batch]


PARENT = """
import sys
from functools import partial
from pathlib import Path
from test_workers import wait_long
from fusioncim.build.workers import run_all
if __name__ == "__main__":
    run_all({name: partial(wait_long, Path(sys.argv[1])) for name in "ab"}, jobs=2, title="wait")
"""


def alive(process):
    """The process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT, encoding="utf-8")
    (tmp_path / "begun").mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, str(tmp_path / "parent.py"), str(tmp_path / "begun")]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as parent:
        until(lambda: len(list((tmp_path / "begun").iterdir())) == 2)
        parent.send_signal(signal.SIGKILL)
    children = [int(path.name) for path in (tmp_path / "begun").iterdir()]
    until(lambda: not any(map(alive, children)))
