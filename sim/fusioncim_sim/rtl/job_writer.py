"""Writes jobs into the memory of a chip: the record, the table of sequences and the page list, checked before.

The operands, the scales and the intervals are the caller's. `Driver.submit` then pushes the address of the record.
"""

from typing import Protocol

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.descriptor import Work
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import JOB_BYTES, PAGE_BYTES
from fusioncim_golden.record import job_record, packed, sequence_table
from fusioncim_golden.status import Status


class Memory(Protocol):
    """Access to the memory that a chip reads."""

    async def write(self, address: int, data: bytes) -> None:
        """Write bytes. When this is done, the chip reads them: no cache or write buffer holds them back."""


def address_status(chip: ChipConfig, address: int) -> Status:
    """The first rule that the address of a record breaks, or OK."""
    if address % JOB_BYTES:
        return Status.ALIGNMENT
    return Status.OK if 0 <= address <= (1 << chip.address_bits) - JOB_BYTES else Status.ADDRESS


def check_address(chip: ChipConfig, address: int) -> None:
    """Refuse the address of a record that the chip would refuse."""
    status = address_status(chip, address)
    if status != Status.OK:
        raise InputError(f"{status.words}, in a job at {address:#x}")


def check_work(chip: ChipConfig, work: Work) -> None:
    """Refuse a job or a sequence that the chip would refuse, and tables of another length than the job says.

    A page number is not judged: that of keys which no query sees may be any.
    """
    work.job.check(chip)
    if len(work.sequences) != work.job.sequences:
        raise InputError(
            f"the table must have the {work.job.sequences} sequences of the job, not {len(work.sequences)}"
        )
    if work.page_list:
        pages = -(-work.job.keys // work.job.pages.tokens) if work.job.pages else 0
        if len(work.page_list) != pages:
            raise InputError(f"the page list must have the {pages} pages of the job, not {len(work.page_list)}")
    for n, (part, status) in enumerate(zip(work.parts, work.statuses(), strict=True)):
        if status != Status.OK:
            raise InputError(f"{status.words}, in sequence {n}, {part}")


def placed(work: Work, address: int) -> dict[int, bytes]:
    """What a job at this address consists of, by address: the tables that it has, then the record."""
    job = work.job
    parts = {}
    if work.sequences:
        parts[job.table] = sequence_table(work.sequences)
    if job.pages and work.page_list:
        parts[job.pages.list] = b"".join(packed({"page": 32}, {"page": page}, PAGE_BYTES) for page in work.page_list)
    return {**parts, address: job_record(job)}


async def write_job(memory: Memory, chip: ChipConfig, work: Work, address: int, *, check: bool = True) -> None:
    """Write a job: its record to `address`, its tables to where the descriptor says.

    Without a `page_list` in `work` the list is what lies in memory. check: refuse what the chip would refuse.
    """
    if check:
        check_address(chip, address)
        check_work(chip, work)
    for place, data in placed(work, address).items():
        await memory.write(place, data)
