"""Runs jobs on the whole chip: the RTL on a third-party memory, compared bit for bit with the golden model."""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from fusioncim.build.cache import build_root
from fusioncim.chip.chip import Chip
from fusioncim_golden import job as golden
from fusioncim_golden.arith import Int
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.descriptor import Descriptor
from fusioncim_golden.engine import Result
from fusioncim_golden.quantize import Heads
from fusioncim_golden.status import Status
from fusioncim_sim.coverage import record
from fusioncim_sim.rtl.axi_memory import PAGE_BYTES, Fault
from fusioncim_sim.rtl.job_places import JobOptions
from fusioncim_sim.rtl.memory_image import Image, place_job
from fusioncim_sim.rtl.runner import Program, run
from fusioncim_sim.rtl.sparse_file import contents, copy, create, differences
from fusioncim_sim.rtl.tensor_bytes import Bytes

MEMORY_BYTES = 1 << 28
"""More than the jobs of a run take from the base of the last one on; what no job touches costs nothing."""


@dataclass(frozen=True, kw_only=True)
class ChipJob(JobOptions):
    """A job to be run, see `memory_image.place_job`.

    Members:
        groups: operands, one `Heads` per key and value head.
    """

    groups: Sequence[Heads]

    def place(self, chip: ChipConfig, memory: Bytes, behind: int) -> Image:
        """Write it into the memory, from its base or from the end of the jobs before."""
        return place_job(chip, memory, self.groups, replace(self, base=max(self.base, behind)))

    def result(self, chip: ChipConfig) -> Result:
        """What the chip must give."""
        if not self.sequences:
            return golden.run(chip, self.groups, start=self.start, mask=self.mask, intervals=self.intervals)
        tokens = self.paging.tokens if self.paging else 1
        return golden.run_batch(chip, self.groups, self.sequences, intervals=self.intervals, tokens=tokens)

    def golden(self, chip: ChipConfig) -> Int:
        """The outputs that the chip must give."""
        return self.result(chip).out


@dataclass(frozen=True)
class ChipRun:
    """What the chip did.

    Members:
        images: by job, where it lies in memory.
        statuses: by job.
        sequences: by job, the first of its sequences that failed.
        outputs: by job, [heads, queries, dimension of v].
        lse: by job, the log-sum-exp words [heads, queries], or None.
        counters: event counters by name.
        stray: bytes that changed in memory outside of all outputs.
    """

    images: list[Image]
    statuses: list[Status]
    sequences: list[int]
    outputs: list[Int]
    lse: list[Int | None]
    counters: dict[str, int]
    stray: int


def prepare(chip: ChipConfig, jobs: Sequence[ChipJob], file: Path) -> list[Image]:
    """Write a memory with all jobs, one behind the other, to a file; where they are."""
    memory = create(file, MEMORY_BYTES + max(job.base for job in jobs))
    images: list[Image] = []
    for job in jobs:
        images.append(job.place(chip, memory, images[-1].end if images else 0))
    del memory
    os.truncate(file, -(-images[-1].end // PAGE_BYTES) * PAGE_BYTES)
    return images


@dataclass(frozen=True)
class PlacedJobs:
    """Jobs in a memory that a chip runs on.

    Members:
        chip, jobs: as they were placed.
        images: by job, where it lies.
        descriptors: by job, what its record says.
        before: file of the memory as it was.
        after: file of the memory that the chip works on.
    """

    chip: ChipConfig
    jobs: Sequence[ChipJob]
    images: list[Image]
    descriptors: list[Descriptor]
    before: Path
    after: Path

    def found(
        self,
        statuses: Sequence[Status],
        sequences: Sequence[int],
        counters: Mapping[str, int],
        **how: str | float,
    ) -> ChipRun:
        """What the chip did, which is recorded with how it ran; it leaves the memory without outputs."""
        done = [n for n in range(len(self.jobs)) if not statuses or statuses[n] == Status.OK]
        works = (replace(self.images[n].work, job=self.descriptors[n]) for n in done)
        told = [record.chip_job(work, self.jobs[n], self.jobs[n].groups) for n, work in zip(done, works, strict=True)]
        record.keep("chip", config=self.chip.as_dict(), jobs=told, **how)
        memory = contents(self.after)
        outputs = [image.outputs(memory) for image in self.images]
        lse = [image.lse(memory) for image in self.images]
        for image in self.images:
            image.clear_outputs(memory)
        stray = differences(self.before, self.after)
        return ChipRun(self.images, list(statuses), list(sequences), outputs, lse, dict(counters), stray)


Change: TypeAlias = Callable[[int, Descriptor], Descriptor]
"""Another descriptor for job n."""


def unchanged(_: int, descriptor: Descriptor) -> Descriptor:
    """The job as it is."""
    return descriptor


@contextlib.contextmanager
def placed_jobs(chip: ChipConfig, jobs: Sequence[ChipJob], change: Change = unchanged) -> Iterator[PlacedJobs]:
    """The jobs in a memory of their own, as long as the block runs."""
    with tempfile.TemporaryDirectory(dir=build_root()) as scratch:
        before, after = Path(scratch) / "before.bin", Path(scratch) / "memory.bin"
        images = prepare(chip, jobs, before)
        descriptors = [change(n, image.descriptor) for n, image in enumerate(images)]
        for image, job in zip(images, descriptors, strict=True):
            image.write_record(contents(before), job)
        copy(before, after)
        yield PlacedJobs(chip, jobs, images, descriptors, before, after)


def simulate_chip(
    chip: ChipConfig,
    jobs: Sequence[ChipJob],
    *,
    stall: str = "never",
    seed: int = 1,
    latency: int = 30,
    share: float = 1.0,
    faults: Callable[[Sequence[Descriptor]], Sequence[Fault]] = lambda _: (),
    change: Change = unchanged,
    cycles: int = 1_000_000,
    bench: tuple[str, str] = ("fusioncim_sim.rtl.chip_bench", "runs_jobs"),
    path: Path | None = None,
    extra: Mapping[str, Any] | None = None,
    simulator: str | None = None,
    program: Program | None = None,
) -> ChipRun:
    """Push the jobs one after the other.

    stall: pauses of every AXI channel. latency, share: of the memory (`axi_memory.AxiMemory`). faults: beats that fail,
    from the descriptors. change: another descriptor for job n. cycles: limit of the run. bench, path, extra: another
    bench, where its module is, and what it finds in its case besides. simulator: of `SIMULATORS`. program: instead of
    the chip's own.
    """
    with placed_jobs(chip, jobs, change) as placed:
        case = {
            "chip": chip.as_dict(),
            "images": [
                replace(image, work=replace(image.work, job=job)).as_dict()
                for image, job in zip(placed.images, placed.descriptors, strict=True)
            ],
            "memory": placed.after.name,
            "out": "out.json",
            "stall": stall,
            "seed": seed,
            "latency": latency,
            "share": share,
            "faults": [asdict(fault) | {"response": fault.response.name} for fault in faults(placed.descriptors)],
            "cycles": cycles,
            **(extra or {}),
        }
        folder = placed.after.parent
        run(Chip(chip), *bench, case, results=folder, path=path, simulator=simulator, program=program)
        outcome = json.loads((folder / "out.json").read_text(encoding="utf-8"))
        statuses = [Status(code) for code in outcome["statuses"]]
        how: dict[str, str | float] = {"stall": stall, "latency": latency, "share": share}
        return placed.found(statuses, outcome.get("sequences", []), outcome["counters"], **how)
