"""A case as it lies in memory: its jobs, what is spoilt of them, and what the golden model says of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fusioncim_golden.arith import Bool
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.descriptor import Descriptor, Work
from fusioncim_golden.engine import Result
from fusioncim_golden.limits import INTERVAL_BYTES, JOB_BYTES, LSE_BYTES, PAGE_BYTES, SCALE_BYTES
from fusioncim_golden.record import JOB_FIELDS, TENSORS, job_of, job_values, packed
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.chip_run import ChipJob
from fusioncim_sim.rtl.memory_image import Image
from fusioncim_sim.rtl.tensor_bytes import Bytes, pack_integers, view
from fusioncim_sim.soak.case import WRITTEN, Case, JobCase
from fusioncim_sim.soak.operands import chip_job

ROUND = 4096
"""The memory that a chip has ends at a multiple of it, of a beat and more."""
ADDRESSES = (
    *(f"{name}_address" for name in TENSORS),
    *("scales", "table", "intervals", "list", "sinks", "slopes", "token_scales", "lse"),
)
BAD = {
    "scales": (SCALE_BYTES, 0, Status.SCALE),
    "sinks": (SCALE_BYTES, 1 << 18, Status.SCALE),
    "slopes": (SCALE_BYTES, 0x7F, Status.SCALE),
    "intervals": (INTERVAL_BYTES, 5 | 3 << 32, Status.INTERVAL),
    "list": (PAGE_BYTES, (1 << 32) - 1, Status.PAGE),
}
"""Bytes of an entry, a bad one, and how a job ends that meets it."""


@dataclass(frozen=True, kw_only=True)
class PlacedJob:
    """A job in memory.

    Members:
        job: what it is.
        source: its operands.
        image: where it lies, counted from the base of the memory.
        values: of its record, as it stands in memory.
        status: of the changed record, or OK.
    """

    job: JobCase
    source: ChipJob
    image: Image
    values: Mapping[str, int]
    status: Status

    @cached_property
    def result(self) -> Result:
        """What the golden model gives; the rows of no legal sequence are not of it."""
        return self.source.result(self.image.chip)

    @property
    def first(self) -> tuple[Status, int]:
        """How it ends where no entry and no beat is bad: the first of its sequences that fails."""
        if self.status != Status.OK:
            return self.status, 0
        found = [(status, n) for n, status in enumerate(self.image.work.statuses()) if status != Status.OK]
        return found[0] if found else (Status.OK, 0)

    @property
    def bad_entry(self) -> bool:
        """A table that it has has a bad entry."""
        return self.job.entry is not None and bool(self.values[self.job.entry[0]])

    @property
    def exact(self) -> bool:
        """The golden model says all of it."""
        return self.status != Status.OK or not (self.bad_entry or self.job.fault)

    def outcomes(self, *more: Status) -> set[Status]:
        """How it may end."""
        found = {self.first[0], *more}
        if self.status == Status.OK and self.bad_entry and self.job.entry:
            found.add(BAD[self.job.entry[0]][2])
        if self.job.fault:
            found.add(Status.WRITE_ERROR if self.job.fault[0] in WRITTEN else Status.READ_ERROR)
        return found

    def rows(self) -> Bool:
        """The rows of O that legal sequences have."""
        if not self.job.sequences:
            return np.ones(self.job.queries, np.bool_)
        written = np.zeros(self.job.queries, np.bool_)
        for each, status in zip(self.image.work.parts, self.image.work.statuses(), strict=True):
            if status == Status.OK:
                written[each.first_row : each.first_row + each.queries] = True
        return written

    def put(self, memory: Bytes, *, mark: int | None = None) -> None:
        """Write the outputs of the golden model, or a mark instead of each of their bytes."""
        if self.status != Status.OK:
            return
        job, chip, rows = self.image.descriptor, self.image.chip, self.rows()
        out = view(memory, job.o, job.queries, job.heads, job.row_bytes(chip))
        if mark is None:
            out[rows] = pack_integers(self.result.out, job.output_bits).transpose(1, 0, 2)[rows]
        else:
            out[rows] = mark
        group = job.heads // job.kv_heads
        for head, place in enumerate(_lse_places(job)):
            words = memory[place].reshape(job.queries, -1)
            if mark is None:
                lse = self.result.lse[head * group : (head + 1) * group].T
                words[rows] = np.ascontiguousarray(lse.astype("<u4")).view(np.uint8)[rows]
            else:
                words[rows] = mark


@dataclass(frozen=True, kw_only=True)
class PlacedCase:
    """Jobs in a memory.

    Members:
        case: what it is.
        chip: its chip.
        before: the memory; what is in it beside the jobs is random, and so is what lies where outputs will be.
        jobs: one behind the other.
    """

    case: Case
    chip: ChipConfig
    before: Bytes
    jobs: list[PlacedJob]

    @property
    def addresses(self) -> list[int]:
        """Of the records, as the chip sees them."""
        return [self.case.base + job.image.address for job in self.jobs]

    @property
    def works(self) -> list[Work]:
        """The jobs before anything of their records is changed."""
        return [job.image.work for job in self.jobs]

    def faults(self) -> list[tuple[int, int, int, int]]:
        """Beats that fail: first byte, bytes, response, directions."""
        found = []
        for each in self.jobs:
            if not each.job.fault:
                continue
            part, first, size, response = each.job.fault
            begin, end = _range(each, part)
            if begin < end:
                first = begin + first % (end - begin)
                directions = 2 if part in WRITTEN else 1
                found.append((self.case.base + first, min(size, end - first), response, directions))
        return found


def place(case: Case, size: int) -> PlacedCase:
    """The jobs in a memory of at most so many bytes. Errors: a job that cannot be placed."""
    chip = case.config()
    memory = np.random.default_rng(1).integers(0, 256, size, np.uint8)
    jobs: list[PlacedJob] = []
    for job in case.jobs:
        source = chip_job(chip, job)
        before = memory.copy()
        image = source.place(chip, memory, jobs[-1].image.end if jobs else 0)
        values = _moved(job_values(image.descriptor), case.base)
        changed = _changed(values, job)
        status = job_of(changed).status(chip)
        if status == Status.OK:  # a change that breaks no rule may let the chip write anywhere
            changed = values
        placed = PlacedJob(job=job, source=source, image=image, values=changed, status=status)
        _keep(memory, before, placed)
        record = packed(JOB_FIELDS, changed, JOB_BYTES)
        memory[image.address : image.address + JOB_BYTES] = np.frombuffer(record, np.uint8)
        if placed.bad_entry and job.entry:
            _spoil(memory, image, *job.entry)
        jobs.append(placed)
    end = -(-jobs[-1].image.end // ROUND) * ROUND
    return PlacedCase(case=case, chip=chip, before=memory[:end].copy(), jobs=jobs)


def _moved(values: Mapping[str, int], base: int) -> dict[str, int]:
    """The record's values as the chip sees them, of all fields; a table that is not there stays at 0."""
    tensors = [f"{name}_address" for name in TENSORS]
    moved = {name: x + base if name in tensors or (name in ADDRESSES and x) else x for name, x in values.items()}
    return dict.fromkeys(JOB_FIELDS, 0) | moved


def _changed(values: Mapping[str, int], job: JobCase) -> dict[str, int]:
    """The record's values with what the job changes of them."""
    found = dict(values)
    for field, how, operand in job.changes:
        value = {"set": operand, "copy": found.get(operand, 0)}.get(how)
        if how == "add":
            value = found[field] + operand
        assert value is not None
        found[field] = value & ((1 << JOB_FIELDS[field]) - 1)
    return found


def _keep(memory: Bytes, before: Bytes, placed: PlacedJob) -> None:
    """Take back that outputs were set to 0: what a chip does not write must be seen."""
    job, chip = placed.image.descriptor, placed.image.chip
    shape = (job.queries, job.heads, job.row_bytes(chip))
    view(memory, job.o, *shape)[:] = view(before, job.o, *shape)
    for words in _lse_places(job):
        memory[words] = before[words]


def _lse_places(job: Descriptor) -> list[slice]:
    """The bytes of the log-sum-exp of each key and value head, if the job has it."""
    if not job.lse:
        return []
    size = LSE_BYTES * job.queries * (job.heads // job.kv_heads)
    return [slice(begin, begin + size) for begin in (job.lse.address + n * job.lse.pitch for n in range(job.kv_heads))]


def _spoil(memory: Bytes, image: Image, table: str, index: int) -> None:
    """Write a bad entry."""
    size, word, _ = BAD[table]
    job = image.descriptor
    counts = {"intervals": job.queries, "list": len(image.work.page_list)}
    begin = job_values(job)[table] + index % counts.get(table, job.heads) * size
    memory[begin : begin + size] = np.frombuffer(word.to_bytes(size, "little"), np.uint8)


def _range(placed: PlacedJob, part: str) -> tuple[int, int]:
    """First byte of a part of a job and the first behind it; the same where it is not there."""
    image, job = placed.image, placed.image.descriptor
    if part == "record":
        return image.address, image.address + JOB_BYTES
    if part == "o":
        return job.results(image.chip)[0]
    if part == "lse":
        return job.results(image.chip)[1] if job.lse else (0, 0)
    begin = job_values(job).get(f"{part}_address", job_values(job).get(part, 0))
    ends = [end for start, end in job.operands(image.chip) if start == begin]
    return (begin, ends[0]) if ends and (begin or part in TENSORS) else (0, 0)
