"""Soaks: one random chip after the other, with random cases, as long as asked; what each chip did is kept.

Every chip has a number, and the random numbers of its case n are those of the seeds [number, n]. What a chip did lies
in a folder under its number, with a hash of what it was made from: a soak that is run again goes on behind it.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fusioncim.build.cache import short_hash
from fusioncim.build.workers import run_all
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.errors import InputError
from fusioncim_sim.files import check_json, make_directory, write_json
from fusioncim_sim.library.build import build_library
from fusioncim_sim.soak.case import Case, differing
from fusioncim_sim.soak.features import features
from fusioncim_sim.soak.minimize import minimized
from fusioncim_sim.soak.random_chip import random_chip
from fusioncim_sim.soak.random_job import random_case
from fusioncim_sim.soak.run import WrongError, run_case
from fusioncim_sim.soak.stored import ABOUT

MINIMIZE_S = 180.0
"""Seconds that making a case small may take."""
MOST_FAILURES = 3
"""Of a chip: its other cases are left out."""
KEYS = ("seed", "made_from", "jobs", "failures")
"""Of the file of a chip."""
SOURCES = ("case", "operands", "place", "random_chip", "random_job", "run")
"""What draws cases and judges them."""


def chip_of(number: int) -> ChipConfig:
    """The chip of a number."""
    return random_chip(np.random.default_rng([number]))


def cases_of(number: int, chip: ChipConfig) -> Iterator[Case]:
    """Its cases, without end."""
    n = 0
    while True:
        n += 1
        yield random_case(np.random.default_rng([number, n]), chip)


def soak_chip(number: int, *, jobs: int, folder: Path, end: float | None = None) -> Mapping[str, Any] | None:
    """What the chip of that number did with so many jobs, from the folder or by running them.

    end: time of `time.monotonic` from which on nothing is begun, None: never. What was cut by it is not kept. None
    where nothing was begun.
    """
    if end is not None and time.monotonic() > end:
        return None
    file, chip = folder / f"chip-{number}.json", chip_of(number)
    check_json(file, KEYS)
    begin = time.monotonic()
    library = build_library(chip)
    built = time.monotonic() - begin
    made_from = short_hash(library.parent.name, sources(), str(jobs))
    if kept := _kept(file, made_from):
        return kept
    begin = time.monotonic()
    done: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    options: Counter[str] = Counter()
    events: Counter[str] = Counter()
    failures: list[Mapping[str, Any]] = []
    for n, case in enumerate(cases_of(number, chip), 1):
        if done["jobs"] >= jobs or len(failures) >= MOST_FAILURES or (end is not None and time.monotonic() > end):
            break
        try:
            found = run_case(case, library)
        except InputError:
            done["not_placed"] += 1
            continue
        except WrongError as wrong:
            failures.append(_failure(wrong, case, library, [number, n], folder))
            done["cases"] += 1
            continue
        done.update(cases=1, jobs=found.jobs, cycles=found.cycles, compared=found.exact)
        statuses += found.statuses
        events.update(asdict(found.events))
        options.update(features(case))
    result = {
        "seed": number,
        "made_from": made_from,
        "chip": differing(chip),
        **{name: done[name] for name in ("cases", "jobs", "compared", "cycles", "not_placed")},
        "seconds": round(time.monotonic() - begin, 1),
        "build_seconds": round(built, 1),
        "statuses": dict(statuses),
        "options": dict(options),
        "events": dict(events),
        "failures": failures,
    }
    if end is None or time.monotonic() <= end or failures:
        write_json(file, result, KEYS)
    return result


def run_soak(
    *, seed: int, chips: int, jobs: int, folder: Path, processes: int, minutes: float | None = None
) -> list[Mapping[str, Any]]:
    """What so many chips did, from the number `seed` on, each with so many jobs.

    processes: at a time: one chip runs while another is compiled. minutes: after which nothing is begun.
    """
    make_directory(folder)
    end = None if minutes is None else time.monotonic() + 60 * minutes
    work = {
        f"chip {number}": partial(soak_chip, number, jobs=jobs, folder=folder, end=end)
        for number in range(seed, seed + chips)
    }
    return [each for each in run_all(work, jobs=processes, title="soak").values() if each]


def sources() -> str:
    """Hash of what draws cases and judges them."""
    files = (Path(__file__).with_name(f"{name}.py") for name in SOURCES)
    return short_hash(*(path.read_text(encoding="utf-8") for path in files))


def _failure(wrong: WrongError, case: Case, library: Path, seeds: list[int], folder: Path) -> Mapping[str, Any]:
    """A failure, made small and written to a file."""

    def fails(smaller: Case) -> bool:
        try:
            run_case(smaller, library)
        except WrongError as error:
            return error.kind == wrong.kind
        except (InputError, ValueError, IndexError):
            return False
        return False

    small = minimized(case, fails, seconds=MINIMIZE_S)
    file = folder / f"case-{'-'.join(map(str, seeds))}.json"
    write_json(file, {"kind": wrong.kind, "seeds": seeds, **small.as_dict()}, ABOUT[:2])
    return {"seeds": seeds, "kind": wrong.kind, "text": wrong.text, "file": file.name, "jobs": len(small.jobs)}


def _kept(file: Path, made_from: str) -> Mapping[str, Any] | None:
    """What a file of the folder says, if it was made from the same."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return found if found["made_from"] == made_from else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
