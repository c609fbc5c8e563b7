"""Records in memory: every field at its place, as C's struct would have them, and nothing behind the last one."""

import struct
from dataclasses import replace

import pytest

from fusioncim_golden.descriptor import Descriptor, HeadTensor, Pages, Sequence, Tensor
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import JOB_BYTES, SEQUENCE_BYTES
from fusioncim_golden.mask import Mask
from fusioncim_golden.record import JOB_FIELDS, SEQUENCE_FIELDS, job_record, packed, sequence_table

JOB_FORMAT = "<12Q22I4H2B"
SEQUENCE_FORMAT = "<9I"
JOB = Descriptor(
    q=Tensor(address=0x1122334455667788, pitch=1, head_pitch=2),
    k=Tensor(address=0x2000, pitch=3, head_pitch=4),
    v=Tensor(address=0x3000, pitch=5, head_pitch=6),
    o=Tensor(address=0x4000, pitch=7, head_pitch=(1 << 32) - 1),
    scales=0x5000,
    queries=100,
    keys=101,
    heads=12,
    kv_heads=4,
    dimension=128,
    value_dimension=64,
    start=102,
    mask=Mask(window=103, ahead=104, chunk=8, prefix=105),
    output_bits=8,
    table=0x6000,
    sequences=1024,
    pages=Pages(list=0x8000, tokens=16, count=106, k_pitch=107, v_pitch=108),
    intervals=0x7000,
    sinks=0x9000,
    slopes=0xA000,
    token_scales=HeadTensor(address=0xB000, pitch=109),
    lse=HeadTensor(address=0xC000, pitch=110),
    kv_bits=4,
)
ADDRESSES = (0x1122334455667788, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000, 0x7000)
BESIDES = (0x9000, 0xA000, 0xB000, 0xC000)


def test_a_job_is_its_fields_one_after_the_other():
    record = job_record(JOB)
    assert len(record) == JOB_BYTES == 256
    size = struct.calcsize(JOB_FORMAT)
    assert struct.unpack(JOB_FORMAT, record[:size]) == (
        *(*ADDRESSES, 0x8000, *BESIDES),
        *(100, 101, 102, 103, 104, 8, 105, 1024),
        *(1, 2, 3, 4, 5, 6, 7, (1 << 32) - 1),
        *(16, 106, 107, 108, 109, 110),
        *(12, 4, 128, 64, 8, 4),
    )
    assert not any(record[size:])
    assert sum(JOB_FIELDS.values()) == 8 * size


def test_a_job_without_pages_has_no_page_fields():
    fields = struct.unpack_from(JOB_FORMAT, job_record(replace(JOB, pages=None)))
    assert fields[:12] == (*ADDRESSES, 0, *BESIDES)
    assert fields[28:34] == (0, 0, 0, 0, 109, 110)
    none = struct.unpack_from(JOB_FORMAT, job_record(replace(JOB, token_scales=None, lse=None)))
    assert (*none[10:12], *none[32:34]) == (0, 0, 0, 0)


def test_sequences_are_64_bytes_each():
    first = Sequence(
        queries=1, keys=2, first_row=8, first_key=9, start=3, mask=Mask(window=4, ahead=5, chunk=6, prefix=7)
    )
    table = sequence_table([first, Sequence(queries=20, keys=30)])
    assert len(table) == 2 * SEQUENCE_BYTES == 128
    assert struct.unpack_from(SEQUENCE_FORMAT, table) == tuple(range(1, 10))
    every = (1 << 20) - 1
    assert struct.unpack_from(SEQUENCE_FORMAT, table, 64) == (20, 30, 0, every, 0, 0, 0, 0, 0)
    size = struct.calcsize(SEQUENCE_FORMAT)
    assert not any(table[size:64] + table[64 + size :])
    assert sum(SEQUENCE_FIELDS.values()) == 8 * size
    assert sequence_table([]) == b""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": -1}, "start must be from 0 to 4294967295, not -1"),
        ({"queries": 1 << 32}, "queries must be from 0 to 4294967295, not 4294967296"),
        ({"heads": 1 << 16}, "heads must be from 0 to 65535, not 65536"),
        ({"output_bits": 256}, "output_bits must be from 0 to 255, not 256"),
        ({"scales": 1 << 64}, f"scales must be from 0 to {(1 << 64) - 1}, not {1 << 64}"),
        ({"q": Tensor(address=0, pitch=1 << 32, head_pitch=0)}, "q_pitch must be from 0 to 4294967295, not 4294967296"),
    ],
)
def test_a_value_that_its_field_cannot_hold_is_refused(changes, message):
    with pytest.raises(InputError) as error:
        job_record(replace(JOB, **changes))
    assert str(error.value) == message


def test_a_field_without_a_value_is_zero():
    assert packed({"low": 4, "high": 12}, {"high": 0xABC}, 4) == bytes.fromhex("c0 ab 00 00")
