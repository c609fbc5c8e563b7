"""Makes a failing case small: fewer jobs, nothing wrong beside what matters, options off, smaller shapes."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from fusioncim_golden.limits import DIMENSION_STEP
from fusioncim_sim.soak.case import Case, JobCase

CALM: Mapping[str, Any] = {"stop": None, "pauses": None, "looks": False, "share": 1.0, "base": 0, "latency": 30}
"""A case without anything around its jobs."""
SHAPES = ("queries", "keys", "kv_heads", "group", "dimension", "value_dimension", "gap")
"""What of a job is a size."""
LAST = ("seed", *SHAPES)
"""Fields that do not say whether a job has something."""


def minimized(case: Case, fails: Callable[[Case], bool], *, seconds: float, tries: int = 1000) -> Case:
    """The smallest case that still fails, as far as that many tries and seconds reach; `case` itself must fail."""
    end, found = time.monotonic() + seconds, True
    while found:
        found = False
        for smaller in smaller_cases(case):
            tries -= 1
            if tries < 0 or time.monotonic() > end:
                return case
            if fails(smaller):
                case, found = smaller, True
                break
    return case


def smaller_cases(case: Case) -> Iterator[Case]:
    """Cases that are a step smaller, those with the largest steps first."""
    jobs = list(case.jobs)
    size = len(jobs) // 2
    while size:
        for first in range(0, len(jobs), size):
            yield replace(case, jobs=[*jobs[:first], *jobs[first + size :]])
        size //= 2
    for name, value in CALM.items():
        if getattr(case, name) != value:
            yield replace(case, **{name: value})
    if case.stop and case.stop[1] > 1:
        for cycles in (case.stop[1] // 2, case.stop[1] - 1):
            yield replace(case, stop=(case.stop[0], cycles))
    for n, job in enumerate(jobs):
        for smaller in smaller_jobs(job):
            yield replace(case, jobs=[*jobs[:n], smaller, *jobs[n + 1 :]])


def smaller_jobs(job: JobCase) -> Iterator[JobCase]:
    """Jobs that are a step smaller."""
    for item in fields(job):
        if item.name not in LAST and getattr(job, item.name) != item.default:
            yield _with(job, item.name, item.default)
    for name in ("changes", "sequences"):
        rows = list(getattr(job, name))
        for n in range(len(rows) if len(rows) > 1 else 0):
            yield _with(job, name, [*rows[:n], *rows[n + 1 :]])
    for n, row in enumerate(job.sequences):
        for place in range(5):  # without its mask
            for value in _less(row[place], 0):
                rows = [list(each) for each in job.sequences]
                rows[n][place] = value
                yield replace(job, sequences=rows)
    for name in SHAPES:
        value = getattr(job, name)
        if "dimension" in name:
            steps = [DIMENSION_STEP * n for n in _less(value // DIMENSION_STEP, 1)]
        else:
            steps = _less(value, 0 if name == "gap" else 1)
        for smaller in steps:
            yield _with(job, name, smaller)


def _with(job: JobCase, name: str, value: Any) -> JobCase:
    """The job with another value of a field."""
    change: Mapping[str, Any] = {name: value}
    return replace(job, **change)


def _less(value: Any, least: int) -> list[int]:
    """Smaller numbers, from the least one on."""
    return sorted({least, (value + least) // 2, value - 1} - {value}) if value > least else []
