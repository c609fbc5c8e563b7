"""Builds libraries anew, and runs captured heads on them and under the bench, each in a process of its own."""

import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from fusioncim.build.cache import BUILD, build_root
from fusioncim.build.program import run_program
from fusioncim.build.workers import run_all
from fusioncim_sim.studies.chip.measure import build
from fusioncim_sim.studies.library.timed import BENCH, CHIPS, PAPER
from fusioncim_sim.studies.study import Request, Stored

LOG = logging.getLogger(__name__)

LIBRARIES: Mapping[str, Mapping[str, int]] = {
    BENCH: {"a library": 1, "a library of 2 threads": 2},
    PAPER: {"a library": 1},
}
"""Threads that compute a chip, by what it runs in."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """All chips, one after the other: time is measured alone."""
    run_all({"build": partial(build, CHIPS[BENCH].chip)}, jobs=1, title="bench")
    bench = run_all({"run": partial(timed, "bench", BENCH)}, jobs=1, title="bench")["run"]
    work = {
        f"{chip}, {name}": partial(library, chip, threads)
        for chip, each in LIBRARIES.items()
        for name, threads in each.items()
    }
    done = run_all(work, jobs=1, title="libraries")
    chips: dict[str, dict[str, Any]] = {
        chip: {name: done[f"{chip}, {name}"] for name in each} for chip, each in LIBRARIES.items()
    }
    chips[BENCH]["the bench"] = bench
    rate = "cycles_per_processor_second"
    yield "library.json", {"chips": chips, "factor": round(chips[BENCH]["a library"][rate] / bench[rate], 1)}


def library(name: str, threads: int) -> dict[str, Any]:
    """First build and speed of the library of a chip."""
    with tempfile.TemporaryDirectory(dir=build_root()) as scratch:
        built = timed("build", name, threads, environment={**os.environ, BUILD: scratch})
        place = built.pop("library")
        return {**timed("library", name, place), **{f"build_{key}": value for key, value in built.items()}}


def timed(*arguments: object, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """What a process of `timed` found."""
    command = [sys.executable, "-m", "fusioncim_sim.studies.library.timed", *map(str, arguments)]
    done = run_program(command, environment=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[2:])} failed\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout)
    LOG.debug("%s: %s", " ".join(map(str, arguments)), result)
    return result
