"""The C driver: its rules against the golden ones, and what it does with the registers of a chip that is none."""

import ctypes
import re
import subprocess
from collections import Counter

import numpy as np
import pytest
from tests.hw.chip.records import descriptor, entry
from tests.hw.chip.software.compiled import COMPILERS, FREESTANDING, Handle, Outcome, compile_c, library, written

from fusioncim.chip.counters import counters
from fusioncim.chip.registers import registers
from fusioncim.chip.software.driver_files import EXAMPLE
from fusioncim_golden.descriptor import statuses
from fusioncim_golden.limits import JOB_BYTES, SEQUENCE_BYTES
from fusioncim_golden.mask import EVERY
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.record import JOB_FIELDS, MASK, SEQUENCE_FIELDS, TENSORS, job_record, packed
from fusioncim_golden.status import Status

TINY = PRESETS["tiny"]
CHIPS = {
    "tiny": TINY,
    "64 bits of address": TINY.override(columns=128, bus_bits=1024, buffer_bytes=1 << 14, address_bits=64),
    "token scales, slopes": TINY.override(
        update_rank=4, columns=32, buffer_bytes=1 << 14, token_scale_bits=1, alibi=True, operand_bits=8
    ),
    "4 bits": TINY.override(operand_bits=4, softmax_lanes=2, output_bits=8),
}
READ = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_size_t, ctypes.c_uint32)
WRITE = ctypes.CFUNCTYPE(None, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_uint32)
RESULTS = 8
BASE = 0x40000000
DONE, NO_CHIP, OTHER_VERSION, OTHER_CONFIGURATION, REFUSED, TOO_MANY_UNREAD, NOT_PENDING = range(7)
JOB_FAILED, TIMEOUT, BUS_STALLED = range(7, 10)


@pytest.fixture(scope="module", params=CHIPS)
def judge(request, tmp_path_factory):
    """A chip and the driver that was generated for it."""
    return CHIPS[request.param], library(tmp_path_factory.mktemp("driver"), CHIPS[request.param])


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", CHIPS)
def test_the_driver_and_the_example_compile_without_a_warning(compiler, name, tmp_path):
    sources = [*written(tmp_path, CHIPS[name]), EXAMPLE.name]
    compile_c(compiler, *FREESTANDING, "-O2", "-nostdlib", "-r", "-o", "all.o", *sources, place=tmp_path)
    if compiler == "gcc":
        left = subprocess.run(["nm", "-u", "all.o"], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True)
        needed = set(left.stdout.replace("U", "").split())
        assert needed <= {"memcpy", "memset", "_GLOBAL_OFFSET_TABLE_"}


@pytest.mark.parametrize("level", ["-Os", "-O2"])
@pytest.mark.parametrize("compiler", [name for name in COMPILERS if "RISC-V" in name])
def test_registers_are_accessed_in_whole_words(compiler, level, tmp_path):
    """The one file that accesses registers has no other load and no other store."""
    written(tmp_path, TINY)
    options = (*FREESTANDING, level, "-g0", "-S", "-o", "driver.s", "fusioncim.c")
    compile_c(compiler, *options, place=tmp_path)
    text = (tmp_path / "driver.s").read_text(encoding="utf-8")
    accesses = {name.removeprefix("c.") for name in re.findall(r"^\s+((?:c\.)?[ls][bhwd]u?)\s", text, re.MULTILINE)}
    assert accesses == {"lw", "sw"}


def good(chip):
    """The values of a job that the chip takes."""
    vector, row = max(chip.vector_bytes, 16), max(chip.output_bytes, 16)
    pitches = {}
    for name, count in zip(TENSORS, (4, 8, 8, 4), strict=True):
        size = row if name == "o" else vector
        pitches |= {f"{name}_pitch": size, f"{name}_head_pitch": size * count}
    sizes = {"queries": 4, "keys": 8, "heads": 6, "kv_heads": 2, "dimension": chip.engine.columns}
    places = {"q_address": 0x20000, "k_address": 0x30000, "v_address": 0x40000, "o_address": 0x4000, "scales": 0x50000}
    return pitches | sizes | places | {"window": EVERY, "output_bits": chip.engine.output_bits}


def spoil(generator, chip, values):
    """The values with what a job may have besides, and a few changes at limits and anywhere."""
    extras = [
        {"sinks": 0x61000},
        {"intervals": 0x62000},
        {"table": 0x63000, "sequences": 3},
        {"list": 0x64000, "page_tokens": 8, "pages": 5, "k_page_pitch": 4096, "v_page_pitch": 4096},
        {"lse": 0x66000, "lse_pitch": 48},
        {"slopes": 0x68000},
        {"token_scales": 0x69000, "token_scales_pitch": 32},
        {"kv_bits": 4},
    ]
    values = dict.fromkeys(JOB_FIELDS, 0) | values
    for extra in extras:
        if generator.random() < 0.3:
            values |= extra
    if not chip.engine.alibi and generator.random() < 0.9:
        values["slopes"] = 0
    if not chip.engine.token_scale_bits and generator.random() < 0.9:
        values["token_scales"] = 0
    for name in generator.choice(list(JOB_FIELDS), generator.integers(0, 3), replace=False):
        most = (1 << JOB_FIELDS[name]) - 1
        near = (0, 1, 8, 16, 64, 256, 257, 1025, 1 << 17, (1 << 17) - 1, EVERY, EVERY + 1, 0x4000, 0x20000, most)
        end = (1 << chip.address_bits) - 16 * int(generator.integers(1, 64))
        choices = (*near, values[name] + 8, values[name] + 16, end)
        values[name] = choices[generator.integers(len(choices))] & most
    return values


def present(values):
    """The values without those of parts that the job has not: the golden descriptor does not keep them."""
    pages = ("list", "pages", "k_page_pitch", "v_page_pitch")
    parts = {"page_tokens": pages, "lse": ("lse_pitch",), "token_scales": ("token_scales_pitch",)}
    absent = {name for part, names in parts.items() if not values[part] for name in names}
    return {name: value for name, value in values.items() if name not in absent}


def test_statuses_and_records_are_the_golden_ones(judge):
    chip, driver = judge
    generator = np.random.default_rng(20)
    seen = Counter()
    for _ in range(2000):
        values = spoil(generator, chip, good(chip))
        job = descriptor(values)
        status = Status(driver.fusioncim_check_job(packed(JOB_FIELDS, values, JOB_BYTES)))
        assert status == job.status(chip), values
        seen[status] += 1
        record = (ctypes.c_uint8 * JOB_BYTES)(*[0xAA] * JOB_BYTES)
        driver.fusioncim_write_job(record, packed(JOB_FIELDS, present(values), JOB_BYTES))
        assert bytes(record) == job_record(job)
    judged = [each for each in Status if each <= Status.OVERLAP]
    assert seen.keys() == {*judged, Status.MASK, Status.BATCH, Status.PAGING}, seen
    assert seen[Status.OK] > 200


def test_sequences_are_judged_as_by_the_golden_rules(judge):
    chip, driver = judge
    generator = np.random.default_rng(21)
    seen = Counter()
    for n in range(500):
        values = dict.fromkeys(JOB_FIELDS, 0) | good(chip) | {"queries": 40, "keys": 140_000, "sequences": 4}
        values |= {"slopes": 64 * (n % 2), "token_scales": 64 * (n % 3 == 0), "page_tokens": 8 * (n % 5 == 0)}
        table = []
        for _ in range(4):
            line = {name: int(generator.integers(0, 24)) for name in ("queries", "keys", "first_row")}
            line |= {"first_key": int(generator.integers(0, 9)) * int(generator.choice([1, 8]))}
            line |= {"window": EVERY, "start": int(generator.choice([0, 9, (1 << 17) - 12, EVERY - 12, (1 << 32) - 1]))}
            line["keys"] += int(generator.choice([0, 0, (1 << 17) - 12, 139_980]))
            if generator.random() < 0.1:
                line[generator.choice(MASK)] = int(generator.choice([0, 3, EVERY + 1]))
            table.append(dict.fromkeys(SEQUENCE_FIELDS, 0) | line)
        row, found = ctypes.c_uint32(0), []
        for line in table:
            record = packed(SEQUENCE_FIELDS, line, SEQUENCE_BYTES)
            native = packed(JOB_FIELDS, values, JOB_BYTES)
            found.append(driver.fusioncim_check_sequence(native, record, ctypes.byref(row)))
        assert found == statuses([entry(line) for line in table], descriptor(values).bounds), (values, table)
        seen.update(found)
    assert seen.keys() == {Status.OK, Status.MASK, Status.POSITION, Status.SEQUENCE}


def test_addresses_and_words(judge):
    chip, driver = judge
    space = 1 << chip.address_bits
    check = driver.fusioncim_check_address
    assert check(ctypes.c_uint64(space - 256)) == Status.OK
    assert check(ctypes.c_uint64(128)) == Status.ALIGNMENT
    if space < 1 << 64:
        assert check(ctypes.c_uint64(space)) == Status.ADDRESS
    assert [driver.fusioncim_status_words(each).decode() for each in Status] == [each.words for each in Status]
    assert driver.fusioncim_status_words(31) == b"unknown status"


class FakeChip:
    """Registers by offset, and what was read and written."""

    def __init__(self, driver, chip):
        self.driver, self.words, self.written, self.reads = driver, {}, [], Counter()
        self.at = {name: register.offset for name, register in registers().items()}
        self.set("ID", 0x4D494346)
        self.set("VERSION", 2 << 16 | 7)
        for name, value in chip.capability().items():
            self.set(f"CAPABILITY_{name.upper()}", value)
        self.set("STATUS", 4 << 8)
        self.order = []
        self.callbacks = READ(self.read), WRITE(self.write)
        ctypes.c_void_p.in_dll(driver, "test_read").value = ctypes.cast(self.callbacks[0], ctypes.c_void_p).value
        ctypes.c_void_p.in_dll(driver, "test_write").value = ctypes.cast(self.callbacks[1], ctypes.c_void_p).value
        self.handle = Handle()

    def set(self, name, word):
        self.words[self.at[name]] = word

    def read(self, base, offset):
        assert base == BASE
        assert offset in self.at.values(), hex(offset)
        self.reads[offset] += 1
        self.order.append(offset)
        return self.words.get(offset, 0)

    def write(self, base, offset, value):
        assert base == BASE
        (name,) = (name for name, place in self.at.items() if place == offset)
        assert registers()[name].writable, name
        self.written.append((name, value))

    def call(self, name, *values):
        return getattr(self.driver, f"fusioncim_{name}")(ctypes.byref(self.handle), *values)

    def connect(self, polls=5):
        return self.call("connect", ctypes.c_size_t(BASE), polls)

    def submit(self, address):
        number = ctypes.c_uint32()
        return self.call("submit", ctypes.c_uint64(address), ctypes.byref(number)), number.value

    def wait(self, number):
        outcome = Outcome()
        return self.call("wait", number, ctypes.byref(outcome)), outcome


@pytest.fixture
def fake(tmp_path):
    return FakeChip(library(tmp_path, TINY), TINY)


def test_connect_tells_what_is_wrong(fake):
    fake.set("JOBS_SUBMITTED", 65535)
    assert fake.connect() == DONE
    assert (fake.handle.next, fake.handle.read) == (65535, 65535)
    for name in TINY.capability():
        register = f"CAPABILITY_{name.upper()}"
        before = fake.words[fake.at[register]]
        fake.set(register, before + 1)
        assert fake.connect() == OTHER_CONFIGURATION, name
        fake.set(register, before)
    fake.set("VERSION", 3 << 16)
    assert fake.connect() == OTHER_VERSION
    fake.set("ID", 0xFFFFFFFF)
    assert fake.connect() == NO_CHIP
    assert fake.written == []


def test_jobs_are_pushed_and_waited_for_across_the_wrap_of_their_numbers(fake):
    fake.set("JOBS_SUBMITTED", 65534)
    fake.connect()
    numbers = []
    for _ in range(RESULTS):
        result, number = fake.submit(0x12345600)
        assert result == DONE
        numbers.append(number)
    assert numbers == [65534, 65535, *range(6)]
    assert fake.written[:3] == [("JOB_ADDRESS_LO", 0x12345600), ("JOB_ADDRESS_HI", 0), ("CONTROL", 1)]
    assert fake.submit(0x12345600)[0] == TOO_MANY_UNREAD
    assert len(fake.written) == 3 * RESULTS
    assert fake.wait(65533)[0] == fake.wait(6)[0] == fake.wait(65536 + 65534)[0] == NOT_PENDING
    fake.set("JOBS_COMPLETED", 65535)
    fake.set("RESULT[6]", 0)
    assert fake.wait(65534)[0] == DONE
    assert fake.wait(65534)[0] == NOT_PENDING
    assert fake.wait(65535)[0] == TIMEOUT
    fake.set("JOBS_COMPLETED", 1)
    fake.set("RESULT[0]", 17 << 16 | Status.SEQUENCE)
    result, outcome = fake.wait(0)
    assert (result, outcome.status, outcome.sequence) == (JOB_FAILED, Status.SEQUENCE, 17)
    assert fake.submit(0x12345600) == (DONE, 6)


def test_what_cannot_be_pushed_is_not(fake):
    fake.connect()
    assert fake.submit(0x80)[0] == fake.submit(1 << TINY.address_bits)[0] == REFUSED
    assert fake.written == []
    fake.set("STATUS", 0)
    before = fake.reads[fake.at["STATUS"]]
    assert fake.submit(0x100)[0] == TIMEOUT
    assert fake.reads[fake.at["STATUS"]] - before == 5
    assert ("CONTROL", 1) not in fake.written
    assert fake.handle.next == 0


def test_run_pushes_and_waits(fake):
    fake.connect()
    fake.set("JOBS_COMPLETED", 1)
    outcome = Outcome(status=9, sequence=9)
    assert fake.call("run", ctypes.c_uint64(0x100), ctypes.byref(outcome)) == DONE
    assert (outcome.status, outcome.sequence) == (0, 0)


def test_abort_ends_with_the_chip_at_rest_or_says_why_not(fake):
    fake.connect()
    assert fake.call("abort") == DONE
    assert fake.written == [("CONTROL", 2)]
    fake.set("STATUS", 2)
    assert fake.call("abort") == TIMEOUT
    fake.set("STATUS", 8)
    assert fake.call("abort") == BUS_STALLED


def test_stall_limit_interrupts_and_counters(fake):
    fake.connect()
    fake.call("limit_stalls", 1000)
    fake.call("enable_interrupts", 0xFF)
    fake.set("IRQ_STATUS", 2)
    assert fake.call("take_interrupts") == 2
    fake.call("clear_counters")
    assert fake.written == [("STALL_LIMIT", 1000), ("IRQ_ENABLE", 3), ("IRQ_STATUS", 2), ("CONTROL", 4)]
    halves = [f"COUNTERS_{name.upper()}_{half}" for name in counters() for half in ("LO", "HI")]
    for n, name in enumerate(halves):
        fake.set(name, 0xF0000000 + n)
    fake.order.clear()
    found = (ctypes.c_uint64 * len(counters()))()
    fake.call("read_counters", found)
    assert list(found) == [0xF0000001F0000000 + n * 0x200000002 for n in range(len(counters()))]
    assert fake.order == [fake.at[name] for name in halves]
