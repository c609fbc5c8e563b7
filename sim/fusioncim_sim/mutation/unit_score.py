"""Which faults of a unit its tests miss.

The tests run a unit in several configurations, each a design of its own. The faults are in the one that is run most,
and its runs have to find them, the short ones first. A fault is found if a bench fails or takes too long. What no run
finds is compared with the design without a fault.
"""

import os
import resource
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cocotb_tools.check_results import get_results

from fusioncim.build.cache import build_root
from fusioncim.build.sources import DESIGN, code_hash, file_of
from fusioncim_sim.coverage.rtl import component_files, unit_of
from fusioncim_sim.mutation.equivalence import compare
from fusioncim_sim.mutation.netlist import FAULTS, Fault, make_mutants
from fusioncim_sim.mutation.recorded import Run, runs_of, texts_of
from fusioncim_sim.rtl.runner import Program, run_bench

FORKS = "fusioncim_sim.mutation.forks"
LEAST_S, TIMES = 20, 5
"""What a fault may take: so many seconds, or so many times what the run takes without one."""
LONGEST_S = 30.0
"""Runs that take longer without a fault are left out."""
COMPARE_S = 12
"""Limit of a formal comparison."""


def key(test: Path, *, count: int, seed: int) -> str:
    """Hash of all that the score of a unit depends on."""
    roots = (test, Path(__file__), file_of(FORKS))
    return f"{code_hash(roots, (*DESIGN, 'fusioncim_sim'))[:16]}-{count}-{seed}"


def score(test: Path, top: str, others: Collection[str], *, count: int, seed: int) -> dict[str, Any]:
    """Put faults into a unit, one at a time.

    test: the file whose runs have to find them. top: the component. others: units whose modules have no faults here.
    """
    with tempfile.TemporaryDirectory(dir=build_root()) as scratch:
        folder, place = Path(scratch) / "runs", Path(scratch) / "mutants"
        folder.mkdir()
        place.mkdir()
        files = component_files()
        runs = [run for run in runs_of(test, folder) if unit_of(run.top, files) == top]
        if not runs:
            raise RuntimeError(f"no test of {test.name} runs {top}")
        design = Counter(run.design for run in runs).most_common(1)[0][0]
        runs = [run for run in runs if run.design == design]
        name, texts = runs[0].top, texts_of(runs[0], folder)
        mutated = [module for module in texts if unit_of(module, files) not in others]
        faults = make_mutants(place, texts, name, mutated, count=count, seed=seed)
        used = _timed(place, runs)
        alive, finders = set(range(1, len(faults) + 1)), []
        for run, seconds in used:
            found = alive - simulate(place, run, sorted(alive), limit_s=max(LEAST_S, int(TIMES * seconds) + 1))
            finders.append(len(found))
            alive -= found
            if not alive:
                break
        same = {number: compare(place, name, number, limit_s=COMPARE_S) for number in sorted(alive)}
    return {
        "file": files.get(top, f"tests/hw/{test.parent.name}/{test.name}"),
        "design": name,
        "runs": len(used),
        "longer_runs": len(runs) - len(used),
        "faults": len(faults),
        "killed": sum(finders),
        "killed_by_run": finders,
        "equivalent": [_told(faults, n) for n, verdict in same.items() if verdict == "equivalent"],
        "survivors": [_told(faults, n) | {"compared": same[n]} for n in same if same[n] != "equivalent"],
    }


def simulate(place: Path, run: Run, numbers: Iterable[int], *, limit_s: int) -> set[int]:
    """The faults of a program with which a run passes. SimulationError: it fails without a fault."""
    environment = {
        "COCOTB_TEST_MODULES": f"{run.module},{FORKS}",
        "COCOTB_REWRITE_ASSERTION_FILES": "",
        "PYTHONPATH": os.pathsep.join([*filter(None, [run.path]), *run.search]),
        FAULTS: " ".join(map(str, (limit_s, *numbers))),
    }
    program = Program(place, run.top, environment=environment)
    path = Path(run.path) if run.path else None
    with tempfile.TemporaryDirectory(dir=build_root()) as scratch:
        run_bench(program, run.module, run.coroutine, run.case, path=path, results=Path(scratch))
        # A process that was ended leaves none.
        results = {int(xml.stem): get_results(xml) for xml in Path(scratch).glob("[0-9]*.xml")}
    return {number for number, counts in results.items() if counts == (1, 0)}


def _timed(place: Path, runs: Sequence[Run]) -> list[tuple[Run, float]]:
    """The runs with their seconds of a processor, sorted by these; without those that take too long."""
    timed = []
    for run in runs:
        begin = _seconds()
        simulate(place, run, (), limit_s=LEAST_S)
        timed.append((run, _seconds() - begin))
    return sorted(((run, s) for run, s in timed if s <= LONGEST_S), key=lambda each: each[1])


def _seconds() -> float:
    """Of a processor, that ended programs took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _told(faults: Sequence[Fault], number: int) -> dict[str, Any]:
    return {"number": number, **asdict(faults[number - 1])}
