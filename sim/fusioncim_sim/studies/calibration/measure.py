"""The cases on the RTL."""

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

from fusioncim.build.workers import run_all
from fusioncim.chip.chip import Chip
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.status import Status
from fusioncim_sim.rtl import programs
from fusioncim_sim.rtl.chip_run import ChipJob, simulate_chip
from fusioncim_sim.studies.calibration.case import Case
from fusioncim_sim.studies.calibration.cases import CASES
from fusioncim_sim.studies.calibration.comparison import COUNTERS
from fusioncim_sim.studies.study import Request, Stored


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Run all cases on the RTL."""
    chips = dict.fromkeys((case.chip, case.simulator) for case in CASES.values())
    builds = {f"chip {n}": partial(build, *each) for n, each in enumerate(chips)}
    run_all(builds, jobs=request.jobs, title="build")
    work = {name: partial(simulated, case) for name, case in CASES.items()}
    yield "calibration.json", {"cases": run_all(work, jobs=request.jobs, title="simulate")}


def build(chip: ChipConfig, simulator: str) -> str:
    """Build the simulation of a chip."""
    return str(programs.build(Chip(chip), simulator=simulator)[0])


def simulated(case: Case, simulator: str | None = None) -> dict[str, Any]:
    """The jobs on the RTL: with what their tables hold, and counters; refused if an output bit differs."""
    job = ChipJob(
        groups=case.operands(),
        mask=case.mask,
        start=case.start,
        layout=case.layout,
        gap=case.gap,
        sequences=case.sequences,
        paging=case.paging,
        shared=case.shared,
        kv_bits=case.kv_bits,
        lse=case.lse,
        intervals=case.spans(),
    )
    done = simulate_chip(
        case.chip,
        [job] * case.jobs,
        latency=case.latency,
        share=case.share,
        cycles=4_000_000,
        simulator=simulator or case.simulator,
    )
    expected = job.result(case.chip)
    right = all((out == expected.out).all() for out in done.outputs)
    right &= all(lse is None or (lse == expected.lse).all() for lse in done.lse)
    if done.statuses != [Status.OK] * case.jobs or not right:
        raise AssertionError("the RTL's outputs are not the golden model's")
    return {
        "chip": case.chip.as_dict(),
        "memory": asdict(case.memory),
        "jobs": [asdict(image.work) for image in done.images],
        "counters": {name: done.counters[name] for name in COUNTERS},
    }
