"""Runs jobs on the library of a chip, as `chip_run.simulate_chip` does on a simulator, and many times as fast."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.descriptor import Work
from fusioncim_golden.job import traffic
from fusioncim_golden.status import Status
from fusioncim_sim.library.binding import ChipModel, Registers
from fusioncim_sim.library.build import build_library
from fusioncim_sim.rtl.chip_run import Change, ChipJob, ChipRun, placed_jobs, unchanged
from fusioncim_sim.rtl.driver import Driver
from fusioncim_sim.rtl.job_queue import run_all
from fusioncim_sim.rtl.sparse_file import contents


@dataclass(frozen=True)
class LibraryRun(ChipRun):
    """The same on a library.

    Members:
        cycles: from the reset to the last counter that was read.
        seconds: that they took.
        processor_seconds: of all threads in them.
    """

    cycles: int
    seconds: float
    processor_seconds: float

    @property
    def cycles_per_second(self) -> int:
        """How fast the chip was computed."""
        return round(self.cycles / self.seconds)


def run_jobs(
    chip: ChipConfig,
    jobs: Sequence[ChipJob],
    *,
    library: Path | None = None,
    latency: int = 30,
    share: float = 1.0,
    change: Change = unchanged,
    cycles: int | None = None,
    trace: Path | None = None,
) -> LibraryRun:
    """Push the jobs one after the other.

    library: of this chip; without it, it is built. latency, share: of the memory (`axi_memory.AxiMemory`). change:
    another descriptor for job n. cycles: limit of the run; None: `most_cycles`. trace: file of an FST to write.
    """
    with placed_jobs(chip, jobs, change) as placed:
        library = library or build_library(chip, trace=trace is not None)
        works = [image.work for image in placed.images]
        limit = most_cycles(chip, works, latency=latency, share=share) if cycles is None else cycles
        with ChipModel(library, chip, trace=trace) as model:
            model.map(contents(placed.after))
            model.memory(latency=latency, share=share)
            driver = Driver(Registers(model, limit=limit), chip, polls=limit)

            async def work() -> tuple[list[tuple[Status, int]], dict[str, int]]:
                endings = await run_all(driver, [image.address for image in placed.images])
                return endings, await driver.counters()

            begin = time.monotonic(), time.process_time()
            endings, counters = asyncio.run(work())
            seconds, processor = time.monotonic() - begin[0], time.process_time() - begin[1]
            ran = model.cycles
        how: dict[str, str | float] = {"stall": "never", "latency": latency, "share": share}
        found = placed.found([status for status, _ in endings], [sequence for _, sequence in endings], counters, **how)
        return LibraryRun(**vars(found), cycles=ran, seconds=seconds, processor_seconds=processor)


def most_cycles(chip: ChipConfig, works: Iterable[Work], *, latency: int = 30, share: float = 1.0) -> int:
    """Cycles that no run of these jobs takes.

    As if one engine had all blocks, each of them in every word, no byte moved meanwhile, and every beat waited for the
    memory; twice as many, and some for each sequence.
    """
    config, cycles = chip.engine, 0
    for work in works:
        moved = traffic(chip, work)
        computing = moved.deliveries * config.words * config.update_rank * config.operand_bits
        moving = sum(value for name, value in vars(moved).items() if name.startswith("bytes_"))
        cycles += computing + 4 * moving + round(moving / chip.bus_bytes * (latency + 10) / share)
        cycles += 10_000 * (1 + len(work.parts))
    return 2 * cycles
