"""Jobs written into a memory: which bytes go where, and what is refused before any of them is written."""

import asyncio
import re
from dataclasses import replace

import pytest

from fusioncim_golden.descriptor import Descriptor, Pages, Sequence, Tensor, Work
from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import FULL, Mask
from fusioncim_golden.presets import preset
from fusioncim_golden.record import job_record, sequence_table
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.job_writer import write_job

CHIP = preset("tiny")
JOB = Descriptor(
    q=Tensor(address=0x1000, pitch=0x10, head_pitch=0x40),
    k=Tensor(address=0x2000, pitch=0x18, head_pitch=0x200),
    v=Tensor(address=0x3000, pitch=0x20, head_pitch=0x208),
    o=Tensor(address=0xFFFF0000, pitch=0x28, head_pitch=0xC8),
    scales=0x4008,
    queries=4,
    keys=7,
    heads=6,
    kv_heads=2,
    dimension=16,
)
PAGES = Pages(list=0x6000, tokens=4, count=5, k_pitch=0x800, v_pitch=0x800)
TABLE = (Sequence(queries=3, keys=4, start=1), Sequence(queries=1, keys=3, first_row=3, first_key=4, mask=FULL))
BATCH = replace(JOB, table=0x5000, sequences=2, pages=PAGES)
WORK = Work(job=BATCH, sequences=TABLE, page_list=(4, 0))
PLACE = 0x700


class Memory:
    """What was written, by address."""

    def __init__(self):
        self.pieces = {}

    async def write(self, address, data):
        assert address not in self.pieces
        self.pieces[address] = data


def written(work, address=PLACE, chip=CHIP, **options):
    memory = Memory()
    asyncio.run(write_job(memory, chip, work, address, **options))
    return memory.pieces


def refused(work, address=PLACE, **options):
    """What is said, with nothing written."""
    memory = Memory()
    with pytest.raises(InputError) as error:
        asyncio.run(write_job(memory, CHIP, work, address, **options))
    assert memory.pieces == {}
    return str(error.value)


def test_a_job_that_is_one_sequence_is_its_record():
    assert written(Work(job=JOB)) == {PLACE: job_record(JOB)}


def test_a_batch_in_pages_has_its_tables_before_its_record():
    pieces = written(WORK)
    assert pieces == {0x5000: sequence_table(TABLE), 0x6000: bytes([4, 0, 0, 0, 0, 0, 0, 0]), PLACE: job_record(BATCH)}
    assert list(pieces)[-1] == PLACE


def test_a_page_list_may_lie_in_memory_already():
    assert set(written(replace(WORK, page_list=()))) == {0x5000, PLACE}


@pytest.mark.parametrize(
    ("address", "status"),
    [(0x710, Status.ALIGNMENT), (1 << 32, Status.ADDRESS), (-0x100, Status.ADDRESS)],
)
def test_a_bad_address_of_the_record_is_refused(address, status):
    assert refused(Work(job=JOB), address) == f"{status.words}, in a job at {address:#x}"
    if address >= 0:
        assert written(Work(job=JOB), address, check=False) == {address: job_record(JOB)}


def test_the_last_place_of_a_larger_space_is_taken():
    chip = CHIP.override(address_bits=40)
    assert set(written(Work(job=JOB), (1 << 40) - 0x100, chip)) == {(1 << 40) - 0x100}


BROKEN = {
    Status.SIZE: {"queries": 0},
    Status.HEADS: {"heads": 7},
    Status.DIMENSION: {"dimension": 24},
    Status.FORMAT: {"output_bits": 8},
    Status.MASK: {"mask": Mask(window=0)},
    Status.POSITION: {"start": (1 << 20) - 4},
    Status.BATCH: {"sequences": 1, "start": 1},
    Status.PAGING: {"pages": replace(PAGES, tokens=3)},
    Status.ALIGNMENT: {"scales": 0x4004},
    Status.ADDRESS: {"o": replace(JOB.o, address=0xFFFFFFF8)},
    Status.OVERLAP: {"o": JOB.q},
}


@pytest.mark.parametrize("status", BROKEN)
def test_a_bad_job_is_refused(status):
    work = Work(job=replace(JOB, **BROKEN[status]))
    assert refused(work) == f"{status.words}, in {work.job}"
    assert written(work, check=False) == {PLACE: job_record(work.job)}


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        (replace(TABLE[1], mask=Mask(chunk=3)), Status.MASK),
        (replace(TABLE[1], start=(1 << 20) - 1), Status.POSITION),
        (replace(TABLE[1], first_row=2), Status.SEQUENCE),
        (replace(TABLE[1], first_key=2), Status.SEQUENCE),
        (replace(TABLE[1], keys=4), Status.SEQUENCE),
    ],
)
def test_a_bad_sequence_is_refused_by_its_number(entry, status):
    work = replace(WORK, sequences=(TABLE[0], entry))
    assert refused(work) == f"{status.words}, in sequence 1, {entry}"
    assert written(work, check=False)[0x5000] == sequence_table(work.sequences)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (replace(WORK, sequences=TABLE[:1]), "the table must have the 2 sequences of the job, not 1"),
        (Work(job=JOB, sequences=TABLE), "the table must have the 0 sequences of the job, not 2"),
        (replace(WORK, page_list=(0,)), "the page list must have the 2 pages of the job, not 1"),
        (Work(job=JOB, page_list=(0,)), "the page list must have the 0 pages of the job, not 1"),
    ],
)
def test_tables_of_another_length_are_refused(work, message):
    assert refused(work) == message


@pytest.mark.parametrize("page", [-1, 1 << 32])
def test_what_does_not_fit_is_not_written(page):
    assert refused(replace(WORK, page_list=(0, page))) == f"page must be from 0 to 4294967295, not {page}"
    with pytest.raises(InputError, match=re.escape("queries must be from 0 to 4294967295, not -1")):
        written(Work(job=replace(JOB, queries=-1)), check=False)
