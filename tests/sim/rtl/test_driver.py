"""The host driver against a small chip in Python, which knows the register map and nothing of the driver."""

import asyncio
import functools
from collections import deque
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusioncim.chip import host_interface
from fusioncim.chip.counters import counters
from fusioncim.chip.registers import registers
from fusioncim_golden.chip_config import JOB_QUEUE
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.driver import RESULTS, ChipTimeoutError, Driver, JobError, MappedRegisters

TINY = PRESETS["tiny"]
CAPABILITIES = {
    "engines": 2,
    "rows": 8,
    "columns": 16,
    "words": 2,
    "operand_bits": 8,
    "output_bits": 16,
    "update_rank": 2,
    "bus_bytes": 8,
    "buffer_bytes": 2048,
    "address_bits": 32,
    "token_scale_bits": 0,
    "alibi": 0,
}
JOB = 0xFFFF_F000
"""Address of a record, of which this driver knows nothing."""
NAMES = {register.offset: name for name, register in registers().items()}
PUSH, ABORT, CLEAR = 1, 2, 4


class FakeChip:
    """Takes jobs by the register map and ends one after the other, each after a number of accesses and pauses.

    delays, results: of the jobs, then 5 and OK; a result is a status and a sequence. pushed: jobs before this driver
    came. endless: this job does not end. stops: accesses and pauses that an abort takes.
    """

    def __init__(self, *, delays=(), results=(), pushed=0, endless=None, stops=4):
        self.words = {"ID": 0x4D494346, "VERSION": 2 << 16}
        self.words |= {f"CAPABILITY_{name.upper()}": value for name, value in CAPABILITIES.items()}
        self.delays, self.ends = chain(delays, repeat(5)), chain(results, repeat((Status.OK, 0)))
        self.pushed = self.completed = self.started = pushed
        self.endless, self.stops, self.stopping = endless, stops, 0
        self.stalled = False
        self.left = 0  # of the delay of the running job
        self.results = [15] * 8
        self.jobs = []
        self.counts = dict.fromkeys(counters(), 0)
        self.grows = 0  # counts per access to a counter
        self.latched = 0
        self.reads, self.writes, self.pauses = [], [], 0

    async def pause(self):
        self.pauses += 1
        self.pass_time()

    async def read(self, at):
        self.pass_time()
        name = NAMES[at]
        self.reads.append(name)
        if name == "STATUS":
            flags = (self.pushed != self.completed) | (self.stopping > 0) << 1 | 1 << 2 | self.stalled << 3
            return flags | self.free() << 8
        if name.startswith("JOBS_"):
            return (self.pushed if name == "JOBS_SUBMITTED" else self.completed) & 0xFFFF
        if name.startswith("RESULT"):
            return self.results[int(name[-2])]
        if name.startswith("COUNTERS_"):
            return self.count(*name.removeprefix("COUNTERS_").lower().rsplit("_", 1))
        return self.words[name]

    def count(self, counter, half):
        """LO latches HI, and the counters go on."""
        self.counts = {name: value + self.grows for name, value in self.counts.items()}
        if half == "hi":
            return self.latched
        self.latched = self.counts[counter] >> 32
        return self.counts[counter] & 0xFFFFFFFF

    async def write(self, at, word):
        assert 0 <= word < 1 << 32
        self.pass_time()
        name = NAMES[at]
        self.writes.append((name, word))
        if name != "CONTROL":
            assert name in ("JOB_ADDRESS_LO", "JOB_ADDRESS_HI", "STALL_LIMIT", "IRQ_ENABLE")
            self.words[name] = word
            return
        if word & PUSH:
            assert self.free() > 0, "the push was refused"
            self.jobs.append(self.words["JOB_ADDRESS_LO"] | self.words["JOB_ADDRESS_HI"] << 32)
            self.pushed += 1
        if word & ABORT:
            self.stopping = self.stops
        if word & CLEAR:
            self.counts = dict.fromkeys(self.counts, 0)

    def free(self):
        return 0 if self.stopping else JOB_QUEUE - (self.pushed - self.started)

    def pass_time(self):
        if self.stopping:
            while self.completed != self.pushed:
                self.end(Status.ABORTED)
            self.started = self.completed
            self.stopping -= 1
        elif self.started == self.completed != self.pushed:
            self.started += 1
            self.left = next(self.delays)
        elif self.started != self.completed and self.completed != self.endless:
            self.left -= 1
            if self.left <= 0:
                self.end(*next(self.ends))

    def end(self, status, sequence=0):
        self.results[self.completed % 8] = int(status) | sequence << 16
        self.completed += 1


def steps(test):
    """Run a coroutine as a test."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        asyncio.run(test(*args, **kwargs))

    return run


async def connected(**options):
    chip = FakeChip(**options)
    driver = Driver(chip, TINY, polls=200)
    await driver.connect()
    return chip, driver


async def outcome(driver, number):
    try:
        await driver.wait(number)
    except JobError as error:
        return error.status
    return Status.OK


# Connecting.


@steps
async def test_connect_reads_what_the_chip_is():
    chip, _ = await connected()
    assert chip.writes == []
    # Of the parameters in the map, only the depth of the queue may be any.
    parameters = {name for name in registers() if name.startswith("CAPABILITY_")} - {"CAPABILITY_JOB_QUEUE"}
    assert parameters == {f"CAPABILITY_{name.upper()}" for name in CAPABILITIES}
    assert parameters < set(chip.reads)


@pytest.mark.parametrize("word", [0, 0x4643494D, 0xFFFFFFFF])
@steps
async def test_another_id_is_refused(word):
    chip = FakeChip()
    chip.words["ID"] = word
    with pytest.raises(InputError) as error:
        await Driver(chip, TINY).connect()
    assert str(error.value) == f"ID must be 0x4d494346 (no chip answers here), not {word:#x}"


@steps
async def test_registers_of_another_major_version_are_refused():
    chip = FakeChip()
    chip.words["VERSION"] = 1 << 16 | 1
    with pytest.raises(InputError) as error:
        await Driver(chip, TINY).connect()
    assert str(error.value) == "VERSION.major must be 2 (the registers that this driver knows), not 1"
    chip.words["VERSION"] = 2 << 16 | 7
    await Driver(chip, TINY).connect()


@pytest.mark.parametrize("name", CAPABILITIES)
@steps
async def test_a_chip_of_another_configuration_is_refused_by_name(name):
    chip = FakeChip()
    chip.words[f"CAPABILITY_{name.upper()}"] += 1
    right = CAPABILITIES[name]
    with pytest.raises(InputError) as error:
        await Driver(chip, TINY).connect()
    assert str(error.value) == f"{name} of the chip must be {right}, as configured, not {right + 1}"
    assert chip.writes == []


# Pushing.


@steps
async def test_a_job_is_pushed_by_its_address():
    chip, driver = await connected()
    assert await driver.submit(JOB) == 0
    assert chip.writes == [("JOB_ADDRESS_LO", JOB), ("JOB_ADDRESS_HI", 0), ("CONTROL", PUSH)]
    assert await driver.submit(0x100) == 1
    assert chip.jobs == [JOB, 0x100]


@steps
async def test_an_address_has_as_many_bits_as_the_chip_says():
    chip = FakeChip()
    chip.words["CAPABILITY_ADDRESS_BITS"] = 40
    driver = Driver(chip, TINY.override(address_bits=40))
    await driver.connect()
    await driver.submit(0xAB_CDEF_0100)
    assert chip.jobs == [0xAB_CDEF_0100]


BROKEN = {
    0x1080: Status.ALIGNMENT,
    0x1: Status.ALIGNMENT,
    1 << 32: Status.ADDRESS,
    -0x100: Status.ADDRESS,
}


@pytest.mark.parametrize("address", BROKEN)
@steps
async def test_a_bad_address_is_refused_before_the_chip_hears_of_it(address):
    chip, driver = await connected()
    with pytest.raises(InputError) as error:
        await driver.submit(address)
    assert str(error.value) == f"{BROKEN[address].words}, in a job at {address:#x}"
    assert chip.writes == []
    assert await driver.submit(JOB) == 0


@steps
async def test_a_bad_address_can_be_pushed_unchecked():
    chip, driver = await connected(results=[(Status.ALIGNMENT, 0)])
    number = await driver.submit(0x12_0000_0040, check=False)
    assert chip.jobs == [0x12_0000_0040]
    with pytest.raises(JobError) as error:
        await driver.wait(number)
    assert error.value.status == Status.ALIGNMENT
    with pytest.raises(InputError, match=r"^JOB_ADDRESS_HI.value must be from 0 to 4294967295, not 4294967296$"):
        await driver.submit(1 << 64, check=False)
    assert len(chip.jobs) == 1


@pytest.mark.parametrize(
    ("register", "field", "low", "largest"),
    [
        ("JOB_ADDRESS_LO", "value", 0, 0xFFFFFFFF),
        ("JOB_ADDRESS_HI", "value", 0, 0xFFFFFFFF),
        ("IRQ_ENABLE", "done", 0, 1),
        ("IRQ_ENABLE", "error", 1, 1),
    ],
)
@steps
async def test_a_field_takes_what_fits(register, field, low, largest):
    chip, driver = await connected()
    for value in (-1, largest + 1, largest << 1 | 1 << 32):
        with pytest.raises(InputError) as error:
            await driver.put(register, **{field: value})
        assert str(error.value) == f"{register}.{field} must be from 0 to {largest}, not {value}"
    assert chip.writes == []
    await driver.put(register, **{field: largest})
    assert chip.writes == [(register, largest << low)]
    assert await driver.get(register, field) == largest


@steps
async def test_a_push_waits_for_room_in_the_queue():
    chip, driver = await connected(delays=repeat(60))
    for n in range(RESULTS):  # FakeChip asserts that there is room
        assert await driver.submit(n << 8) == n
    assert chip.pauses > 0
    assert chip.jobs == [n << 8 for n in range(RESULTS)]
    assert chip.completed < RESULTS


@steps
async def test_a_queue_that_stays_full_ends_the_wait():
    chip, driver = await connected(endless=0)
    for _ in range(JOB_QUEUE + 1):
        await driver.submit(JOB)
    chip.reads.clear()
    with pytest.raises(ChipTimeoutError, match=r"^no room in the job queue within 200 polls$"):
        await driver.submit(JOB)
    assert len(chip.jobs) == JOB_QUEUE + 1
    assert chip.reads == ["STATUS"] * 200
    # The job was not pushed, and its number belongs to the next one.
    chip.endless = None
    assert await driver.submit(JOB) == JOB_QUEUE + 1
    assert await outcome(driver, JOB_QUEUE + 1) == Status.OK


@steps
async def test_as_many_jobs_may_be_unread_as_the_chip_keeps_results():
    ends = [Status.OK, Status.READ_ERROR, Status.OK, Status.WRITE_ERROR, *[Status.OK] * 5]
    assert host_interface.RESULTS == RESULTS == sum(name.startswith("RESULT[") for name in registers())
    chip, driver = await connected(pushed=3, results=[(status, 0) for status in ends])
    numbers = [await driver.submit(JOB) for _ in range(RESULTS)]
    assert numbers == list(range(3, 3 + RESULTS))
    before = list(chip.writes)
    with pytest.raises(InputError, match=r"^at most 8 jobs may be unread: wait for job 3 first$"):
        await driver.submit(JOB)
    assert chip.writes == before
    assert await outcome(driver, 3) == Status.OK
    assert await driver.submit(JOB) == 11
    with pytest.raises(InputError, match=r"^at most 8 jobs may be unread: wait for job 4 first$"):
        await driver.submit(JOB)
    assert [await outcome(driver, number) for number in range(4, 12)] == ends[1:]


# Waiting.


@pytest.mark.parametrize("status", [status for status in Status if status != Status.OK])
@steps
async def test_a_failed_job_raises_its_status_in_words(status):
    _, driver = await connected(results=[(Status.OK, 0), (status, 0), (status, 1023)])
    await driver.run(JOB)
    with pytest.raises(JobError) as error:
        await driver.run(JOB)
    assert (error.value.number, error.value.status, error.value.sequence) == (1, status, 0)
    assert str(error.value) == f"job 1: {status.words}"
    with pytest.raises(JobError) as error:
        await driver.run(JOB)
    assert (error.value.number, error.value.status, error.value.sequence) == (2, status, 1023)
    assert str(error.value) == f"job 2, sequence 1023: {status.words}"
    await driver.run(JOB)


@steps
async def test_wait_returns_when_the_job_is_done_and_not_before():
    chip, driver = await connected(delays=[40, 1, 70, 3])
    numbers = [await driver.submit(JOB) for _ in range(4)]
    for number in numbers:
        await driver.wait(number)
        assert chip.completed > number
    chip, driver = await connected(delays=[40, 90, 90])
    numbers = [await driver.submit(JOB) for _ in range(3)]
    await driver.wait(0)
    assert chip.completed == 1


@steps
async def test_jobs_are_waited_for_in_their_order():
    _, driver = await connected()
    for number in (-1, 0):
        with pytest.raises(InputError, match="must be one that was pushed and not waited for"):
            await driver.wait(number)
    for _ in range(4):
        await driver.submit(JOB)
    await driver.wait(0)
    await driver.wait(2)  # and 1 is not of interest
    for number in (-1, 0, 1, 2, 4):
        with pytest.raises(InputError) as error:
            await driver.wait(number)
        assert str(error.value) == f"job must be one that was pushed and not waited for, not {number}"
    await driver.wait(3)


@steps
async def test_a_job_that_does_not_end_ends_the_wait_and_can_be_waited_for_again():
    chip, driver = await connected(endless=0)
    number = await driver.submit(JOB)
    chip.reads.clear()
    with pytest.raises(ChipTimeoutError, match=r"^job 0 did not end within 200 polls$"):
        await driver.wait(number)
    assert chip.reads == ["JOBS_COMPLETED"] * 200
    assert chip.pauses == 200
    chip.endless = None
    assert await outcome(driver, number) == Status.OK


@pytest.mark.parametrize("pushed", [32764, 65524, 65535, 65536 * 3 - 10])
@steps
async def test_job_numbers_wrap_in_the_chip(pushed):
    """The chip counts modulo 2^16: a driver goes on from there, with eight jobs under way."""
    ends = [Status(n % 12) for n in range(40)]
    chip, driver = await connected(
        pushed=pushed, results=[(end, 0) for end in ends], delays=[n % 7 * 9 for n in range(40)]
    )
    first = pushed & 0xFFFF
    pending, seen = deque(), []
    for n in range(40):
        if len(pending) == RESULTS:
            seen.append(await outcome(driver, pending.popleft()))
            assert chip.completed - pushed >= len(seen)
        assert await driver.submit(JOB) == first + n
        pending.append(first + n)
    seen += [await outcome(driver, number) for number in pending]
    assert seen == ends
    assert chip.pushed == pushed + 40


@given(
    st.lists(st.tuples(st.integers(0, 120), st.sampled_from(list(Status))), min_size=1, max_size=30),
    st.lists(st.booleans(), max_size=60),
    st.integers(0, 1 << 17),
)
@steps
async def test_every_job_gets_its_own_status_in_any_mixture_of_pushes_and_waits(jobs, wait_next, pushed):
    delays, ends = zip(*jobs, strict=True)
    chip, driver = await connected(delays=delays, results=[(end, 0) for end in ends], pushed=pushed)
    driver.polls = 2000
    seen, given_ = [], 0
    choices = chain(wait_next, repeat(False))
    first = pushed & 0xFFFF
    while len(seen) < len(jobs):
        wait = next(choices) and len(seen) < given_
        if wait or given_ == len(jobs) or given_ - len(seen) == RESULTS:
            seen.append(await outcome(driver, first + len(seen)))
            assert chip.completed - pushed >= len(seen)
        else:
            assert await driver.submit(JOB) == first + given_
            given_ += 1
    assert seen == list(ends)


# Aborts and counters.


@steps
async def test_an_abort_waits_until_the_chip_has_stopped():
    chip, driver = await connected(delays=[3, 1000], stops=30)
    numbers = [await driver.submit(JOB) for _ in range(4)]
    await driver.wait(0)
    written = len(chip.writes)
    await driver.abort()
    assert chip.writes[written:] == [("CONTROL", ABORT)]
    assert chip.stopping == 0
    assert [await outcome(driver, number) for number in numbers[1:]] == [Status.ABORTED] * 3
    await driver.run(JOB)


@steps
async def test_an_abort_under_a_bus_that_stands_still_says_so():
    chip, driver = await connected()
    await driver.limit_stalls(5000)
    assert chip.writes == [("STALL_LIMIT", 5000)]
    number = await driver.submit(JOB)
    chip.stalled = True
    with pytest.raises(ChipTimeoutError) as error:
        await driver.abort()
    assert str(error.value) == Status.STALLED.words
    assert await outcome(driver, number) == Status.ABORTED


@steps
async def test_a_chip_that_does_not_stop_ends_the_abort():
    chip, driver = await connected(stops=1_000_000)
    chip.reads.clear()
    with pytest.raises(ChipTimeoutError, match=r"^the chip did not stop within 200 polls$"):
        await driver.abort()
    assert chip.reads == ["STATUS"] * 200
    # Until it has, a job waits for its turn and is not lost.
    with pytest.raises(ChipTimeoutError, match=r"^no room in the job queue within 200 polls$"):
        await driver.submit(JOB)
    chip.stopping = 50
    await driver.run(JOB)


@steps
async def test_counters_have_64_bits():
    chip, driver = await connected()
    chip.counts = {name: (n << 40) + 3 * n + (1 << 31) for n, name in enumerate(counters())}
    assert await driver.counters() == chip.counts
    assert max(chip.counts.values()) >= 1 << 44


@pytest.mark.parametrize("grows", [1, (1 << 32) - 1, 1 << 32, 1 << 31])
@steps
async def test_both_halves_of_a_counter_are_of_one_moment(grows):
    chip, driver = await connected()
    begin = (7 << 32) - 3
    chip.counts = dict.fromkeys(chip.counts, begin)
    chip.grows = grows
    values = await driver.counters()
    assert list(values) == list(counters())
    # Two accesses per counter; the value is that of the first one.
    assert list(values.values()) == [begin + (2 * n + 1) * grows for n in range(len(values))]


@steps
async def test_counters_are_cleared_by_a_command_of_their_own():
    chip, driver = await connected()
    chip.counts = dict.fromkeys(chip.counts, 5)
    await driver.clear_counters()
    assert chip.writes == [("CONTROL", CLEAR)]
    assert set((await driver.counters()).values()) == {0}


# Memory-mapped registers.


def test_registers_in_a_file(tmp_path):
    file = tmp_path / "registers"
    page = 4096
    words = bytearray(2 * page)
    constants = {"ID": registers()["ID"].fields["value"].reset, "CAPABILITY_ENGINES": 7}
    for name, value in constants.items():
        place = page + registers()[name].offset
        words[place : place + 4] = value.to_bytes(4, "little")
    file.write_bytes(words)

    async def use():
        mapped = MappedRegisters(file, base=page)
        driver = Driver(mapped, TINY)
        await mapped.pause()
        await driver.put("IRQ_ENABLE", done=1, error=1)
        return await driver.get("ID", "value"), await driver.get("CAPABILITY_ENGINES", "value")

    assert asyncio.run(use()) == tuple(constants.values())
    place = page + registers()["IRQ_ENABLE"].offset
    assert file.read_bytes()[place : place + 4] == (3).to_bytes(4, "little")
    assert file.read_bytes()[:page] == bytes(page)
