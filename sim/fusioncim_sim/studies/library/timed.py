"""One measurement in a process of its own, as its memory counts: `python -m fusioncim_sim.studies.library.timed`.

build CHIP THREADS      the library of a chip, built
library CHIP FILE       heads on that library
bench CHIP              the same heads under the bench
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fusioncim_golden import job as golden
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.status import Status
from fusioncim_sim.library.build import build_library
from fusioncim_sim.library.run import run_jobs
from fusioncim_sim.rtl.chip_run import ChipJob, ChipRun, simulate_chip
from fusioncim_sim.studies.chip.workloads import SQUARE, Workload, operands

BENCH, PAPER = "4 engines of 64 x 64", "`paper`, 16 engines"
CHIPS: Mapping[str, Workload] = {
    BENCH: Workload(chip=SQUARE, kv_heads=2, group=3, queries=256, keys=256, captured=True),
    PAPER: Workload(chip=PRESETS["paper"], kv_heads=2, group=4, queries=256, keys=256, captured=True),
}
"""What runs on each chip."""
REPEATS = 2
"""Runs of which the fastest counts."""


def build(name: str, threads: str) -> dict[str, Any]:
    """Build a library where there is none yet."""
    begin = time.monotonic()
    library = build_library(CHIPS[name].chip, threads=int(threads))
    seconds = time.monotonic() - begin
    return {
        "library": str(library),
        "seconds": round(seconds, 1),
        "memory_mb": memory(resource.RUSAGE_CHILDREN),
        "bytes": library.stat().st_size,
    }


def library(name: str, file: str) -> dict[str, Any]:
    """Speed of a library."""
    workload = CHIPS[name]
    runs = [run_jobs(workload.chip, jobs_of(workload), library=Path(file)) for _ in range(REPEATS)]
    used = memory(resource.RUSAGE_SELF)
    return {
        "bit_exact": all(exact(workload, run) for run in runs),
        "cycles": runs[0].cycles,
        "cycles_per_second": max(run.cycles_per_second for run in runs),
        "cycles_per_processor_second": round(max(run.cycles / run.processor_seconds for run in runs)),
        "memory_mb": used,
    }


def bench(name: str) -> dict[str, Any]:
    """Speed of the bench under Verilator: what a long job takes beyond a short one."""
    workload = CHIPS[name]
    short = replace(workload, kv_heads=1, group=1, queries=1, keys=1)
    rates, found = [], []
    for _ in range(REPEATS):
        (first, *started), (run, *took) = (_bench(each) for each in (short, workload))
        cycles = run.counters["cycles"] - first.counters["cycles"]
        rates.append([cycles / (end - begin) for end, begin in zip(took, started, strict=True)])
        found.append(run)
    return {
        "bit_exact": all(exact(workload, run) for run in found),
        "cycles": found[0].counters["cycles"],
        "cycles_per_second": round(max(rate for rate, _ in rates)),
        "cycles_per_processor_second": round(max(rate for _, rate in rates)),
        "memory_mb": memory(resource.RUSAGE_CHILDREN),
    }


def _bench(workload: Workload) -> tuple[ChipRun, float, float]:
    """What the bench found, in how many seconds, and of a processor."""
    begin, before = time.monotonic(), os.times()
    run = simulate_chip(workload.chip, jobs_of(workload), cycles=4_000_000, simulator="verilator")
    after = os.times()
    children = after.children_user + after.children_system - before.children_user - before.children_system
    return run, time.monotonic() - begin, children


def jobs_of(workload: Workload) -> Sequence[ChipJob]:
    """The jobs of a workload."""
    return [ChipJob(groups=operands(workload), mask=workload.mask)]


def exact(workload: Workload, run: ChipRun) -> bool:
    """Every bit is the golden model's."""
    (job,) = jobs_of(workload)
    expected = golden.run(workload.chip, job.groups, mask=job.mask).out
    return run.statuses == [Status.OK] and not run.stray and bool(np.array_equal(expected, run.outputs[0]))


def memory(who: int) -> int:
    """The most memory of this process, or of the largest of its children, in MB."""
    return round(resource.getrusage(who).ru_maxrss / 1024)


KINDS: Mapping[str, Callable[..., dict[str, Any]]] = {"build": build, "library": library, "bench": bench}

if __name__ == "__main__":
    print(json.dumps(KINDS[sys.argv[1]](*sys.argv[2:])))
