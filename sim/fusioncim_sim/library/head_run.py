"""Runs heads on the library of a whole chip, grouped and batched as its jobs are, and judges every output bit."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fusioncim.build.workers import run_all
from fusioncim_golden.arith import Int
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.descriptor import Sequence as JobSequence
from fusioncim_golden.mask import Mask
from fusioncim_golden.status import Status
from fusioncim_sim.files import replacing
from fusioncim_sim.heads.grouping import Group, jobs_of, sequence_jobs
from fusioncim_sim.heads.judge import HeadErrors, judge_outputs, mask_of, plain
from fusioncim_sim.heads.read import Head
from fusioncim_sim.library.build import require_compiler
from fusioncim_sim.library.run import LibraryRun, run_jobs
from fusioncim_sim.library.trace import check_trace
from fusioncim_sim.rtl.chip_run import ChipJob


@dataclass(frozen=True)
class ChipHead(HeadErrors):
    """A head that the chip computed.

    Members:
        job: number of its job.
    """

    job: int


@dataclass(frozen=True)
class HeadRun:
    """What the chip did with heads.

    Members:
        heads: in the order in which they were given.
        jobs: names of the heads, group by group.
        run: of all jobs.
    """

    heads: Sequence[ChipHead]
    jobs: Sequence[Sequence[Sequence[str]]]
    run: LibraryRun

    @property
    def good(self) -> bool:
        """Every job ended well, every bit is the golden model's, and nothing else was written."""
        ended = all(status == Status.OK for status in self.run.statuses)
        return ended and all(head.bit_exact for head in self.heads) and not self.run.stray

    def report(self, chip: ChipConfig) -> Mapping[str, Any]:
        """What `fusioncim simulate --chip --json` writes."""
        jobs = [
            {
                "groups": groups,
                "queries": image.descriptor.queries,
                "keys": image.descriptor.keys,
                "sequences": len(image.work.parts),
                "status": status.name,
            }
            for groups, image, status in zip(self.jobs, self.run.images, self.run.statuses, strict=True)
        ]
        return {
            "config": chip.as_dict(),
            "simulator": "library",
            "heads": [plain(head) for head in self.heads],
            "jobs": jobs,
            "stray_bytes": self.run.stray,
            "counters": self.run.counters,
            "cycles": self.run.cycles,
            "seconds": round(self.run.seconds, 3),
            "cycles_per_second": self.run.cycles_per_second,
        }


def run_heads(
    chip: ChipConfig,
    heads: Sequence[Head],
    *,
    causal: bool = True,
    jobs: int = 1,
    library: Path | None = None,
    trace: Path | None = None,
) -> HeadRun:
    """Run heads, and judge them, `jobs` at a time.

    library, trace: as of `run_jobs`; a trace appears whole or not at all.
    """
    if trace:
        check_trace(trace)
    if library is None:
        require_compiler(trace=trace is not None)
    mask = mask_of(causal)
    groups = jobs_of(chip.engine, heads)
    chip_jobs = [chip_job(job, mask) for job in groups]
    with replacing(trace) if trace else nullcontext() as scratch:
        start = partial(run_jobs, chip, chip_jobs, library=library, trace=scratch)
        run: LibraryRun = run_all({"chip": start}, jobs=1, title="simulate")["chip"]
    work = {
        f"job {n}": partial(judge_job, chip, job, mask, n, found)
        for n, (job, found) in enumerate(zip(groups, run.outputs, strict=True))
    }
    judged = run_all(work, jobs=jobs, title="golden model")
    by_name = {head.name: head for each in judged.values() for head in each}
    names = [[[head.name for head in group.heads] for group in job] for job in groups]
    return HeadRun([by_name[head.name] for head in heads], names, run)


def chip_job(groups: Sequence[Group], mask: Mask) -> ChipJob:
    """The job of some groups."""
    operands, (head, *_) = [group.operands for group in groups], groups[0].heads
    if not head.sequences:
        return ChipJob(groups=operands, mask=mask)
    sequences = [
        JobSequence(
            queries=job.queries,
            keys=job.keys,
            first_row=rows.start,
            first_key=keys.start,
            start=job.first_position(),
            mask=mask,
        )
        for (rows, keys), job in zip(head.parts(), sequence_jobs(head, mask), strict=True)
    ]
    return ChipJob(groups=operands, sequences=sequences)


def judge_job(chip: ChipConfig, groups: Sequence[Group], mask: Mask, number: int, found: Int) -> list[ChipHead]:
    """Compare the outputs [heads, queries, dimension] of a job with the golden model and with float attention."""
    expected = chip_job(groups, mask).golden(chip)
    heads = [(head, operands) for group in groups for head, operands in zip(group.heads, group.each, strict=True)]
    return [
        ChipHead(
            **asdict(judge_outputs(chip.engine, head, operands, sequence_jobs(head, mask), *outputs)),
            job=number,
        )
        for (head, operands), *outputs in zip(heads, expected, found, strict=True)
    ]
