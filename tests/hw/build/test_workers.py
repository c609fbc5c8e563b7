"""Pieces of work in processes."""

import logging
import os
from functools import partial

import pytest

from fusioncim.build.messages import PACKAGES, show
from fusioncim.build.workers import cores, run_all
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
