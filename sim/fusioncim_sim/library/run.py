"""Runs jobs on the library of a chip, as `chip_run.simulate_chip` does on a simulator, and many times as fast."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.status import Status
from fusioncim_sim.library.binding import ChipModel, Registers
from fusioncim_sim.library.build import build_library
from fusioncim_sim.rtl.chip_run import Change, ChipJob, ChipRun, placed_jobs, unchanged
from fusioncim_sim.rtl.driver import Driver
from fusioncim_sim.rtl.job_queue import run_all
from fusioncim_sim.rtl.sparse_file import contents


def run_jobs(
    chip: ChipConfig,
    jobs: Sequence[ChipJob],
    *,
    library: Path | None = None,
    latency: int = 30,
    share: float = 1.0,
    change: Change = unchanged,
    cycles: int = 100_000_000,
    trace: Path | None = None,
) -> ChipRun:
    """Push the jobs one after the other.

    library: of this chip; without it, it is built. latency, share: of the memory (`axi_memory.AxiMemory`). change:
    another descriptor for job n. cycles: limit of the run. trace: file of an FST to write.
    """
    library = library or build_library(chip)
    with placed_jobs(chip, jobs, change) as placed, ChipModel(library, chip, trace=trace) as model:
        model.map(contents(placed.after))
        model.memory(latency=latency, share=share)
        driver = Driver(Registers(model, limit=cycles), chip, polls=cycles)

        async def work() -> tuple[list[tuple[Status, int]], dict[str, int]]:
            endings = await run_all(driver, [image.address for image in placed.images])
            return endings, await driver.counters()

        endings, counters = asyncio.run(work())
        return placed.found([status for status, _ in endings], [sequence for _, sequence in endings], counters)
