"""The chip's control edge: jobs in, results, interrupts and counts out, and what an abort leaves behind."""

import itertools
import logging
from pathlib import Path

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from fusioncim.chip.counters import EVENT_BITS, Counters, counters
from fusioncim.chip.descriptor import SEQUENCE_BITS, record_layout, result_layout
from fusioncim.chip.host_interface import HostInterface
from fusioncim.chip.registers import OKAY, registers
from fusioncim_golden.chip_config import JOB_QUEUE, chip_from_dict
from fusioncim_golden.presets import preset
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.packing import pack
from fusioncim_sim.rtl.runner import run
from fusioncim_sim.rtl.stream import STALLS, reset, within

MAP = registers()
CONFIG = preset("tiny")


def launch(component, coroutine, **data):
    visible = ("counters.*", "register_file.*")
    run(component, Path(__file__).stem, coroutine, data, path=Path(__file__).parent, visible=visible)


# Counters.


def test_counters():
    launch(Counters(), "counts_exactly")


@cocotb.test()
async def counts_exactly(dut):
    rng = np.random.default_rng(1)
    dut.events.value = dut.clear.value = 0
    await reset(dut)
    await RisingEdge(dut.clk)
    counts = dict.fromkeys(counters(), 0)
    most = (1 << EVENT_BITS) - 1
    for n in range(120):
        if n in (40, 80):  # near the carry into bit 32, then near the end
            for name in counts:
                low, high = int(rng.integers(1 << 16)), 0x2FFFF if n == 40 else (1 << 48) - 1
                getattr(dut, f"{name}_low").value, getattr(dut, f"{name}_high").value = low, high
                counts[name] = high << 16 | low
            await RisingEdge(dut.clk)
        events = rng.choice([0, 1, most, int(rng.integers(most))], len(counts)).tolist()
        clear = n == 20
        dut.events.value, dut.clear.value = packed(events, EVENT_BITS), int(clear)
        await RisingEdge(dut.clk)
        assert {name: int(getattr(dut, name).value) for name in counts} == counts, n
        added = zip(counts.items(), events, strict=True)
        counts = {name: 0 if clear else (count + event) % (1 << 64) for (name, count), event in added}
        dut.events.value = dut.clear.value = 0


def packed(values, bits):
    return sum(value << bits * n for n, value in enumerate(values))


# The whole edge.


@pytest.mark.parametrize(("stall", "bits"), [("never", 32), ("randomly", 40), ("never", 64)])
def test_jobs(stall, bits):
    config = CONFIG.override(address_bits=bits)
    launch(HostInterface(config), "accounts_for_every_job", stall=stall, chip=config.as_dict())


def test_queue_and_interrupts():
    launch(HostInterface(CONFIG), "refuses_what_it_cannot_hold")


def test_a_bus_that_fails():
    launch(HostInterface(CONFIG), "ends_jobs_of_a_bus_that_fails")


def test_counts():
    launch(HostInterface(CONFIG), "reads_counts_consistently")


class Host:
    """Software: registers and fields by name."""

    def __init__(self, dut, stall="never"):
        logging.getLogger("cocotb").setLevel(logging.WARNING)
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        write, read = self.master.write_if, self.master.read_if
        channels = (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel)
        for seed, channel in enumerate(channels):
            channel.set_pause_generator(iter(STALLS[stall](seed), None))

    async def read(self, name):
        answer = await self.master.read(MAP[name].offset, 4)
        assert answer.resp == OKAY
        return int.from_bytes(answer.data, "little")

    async def field(self, name, field):
        place = MAP[name].fields[field]
        return await self.read(name) >> place.low & ((1 << place.width) - 1)

    async def write(self, name, **fields):
        word = sum(value << MAP[name].fields[field].low for field, value in fields.items())
        assert (await self.master.write(MAP[name].offset, word.to_bytes(4, "little"))).resp == OKAY

    async def stage(self, address):
        await self.write("JOB_ADDRESS_LO", value=address & 0xFFFFFFFF)
        await self.write("JOB_ADDRESS_HI", value=address >> 32)

    async def numbers(self):
        return await self.read("JOBS_SUBMITTED"), await self.read("JOBS_COMPLETED")

    async def wait(self, status, value):
        while await self.field("STATUS", status) != value:
            pass


class Chip:
    """Takes jobs, two at a time, and ends them in order, at random times and with random outcomes."""

    def __init__(self, dut, *stalls):
        self.dut = dut
        self.rng = np.random.default_rng(5)
        self.stalls = stalls
        self.taken, self.jobs, self.results = 0, [], []
        self.stopping, self.late = 0, 0  # cycles for which no job may be offered, the first ones without `aborting`
        self.seen = {"results in a row": 0, "dropped by stop": 0}
        idle(dut)

    async def work(self, first):
        dut, ended = self.dut, False
        while True:
            ready, ends = self.taken < 2 and not self.stalls[0](), bool(self.taken and not self.stalls[1]())
            status = self.rng.choice([Status.OK, Status.READ_ERROR, Status.SIZE])
            sequence = int(self.rng.integers(1 << SEQUENCE_BITS)) if status != Status.OK else 0
            dut.o_job__ready.value, dut.i_result__valid.value = ready, ends
            dut.i_result__payload.value = ended_as(status, sequence)
            await RisingEdge(dut.clk)
            stop = bool(dut.stop.value)
            assert dut.i_result__ready.value == 1
            assert not ((stop or self.stopping) and dut.o_job__valid.value)
            if ends:
                self.taken -= 1
                self.results.append((int(status), sequence))
            if ready and dut.o_job__valid.value:
                self.taken += 1
                self.jobs.append(int(dut.o_job__payload.value))
            self.seen["results in a row"] += ended and ends
            self.stopping, self.late = max(self.stopping - 1, 0), 0
            if stop:
                self.taken, self.stopping, self.late = 0, int(self.rng.choice([1, 2, 3, 80])), int(self.rng.integers(2))
                left = (int(dut.submitted.value) - first - len(self.results)) % (1 << 16)
                self.results += [(int(Status.ABORTED), 0)] * left
                self.seen["dropped by stop"] += left
            dut.aborting.value = int(self.stopping > 1 and not self.late)
            ended = ends


def seldom(seed):
    """A few cycles without a pause after many with one."""
    rng = np.random.default_rng(seed)
    states = (
        paused
        for _ in itertools.count()
        for paused in [True] * int(rng.integers(500)) + [False] * int(rng.integers(1, 6))
    )
    return lambda: next(states)


def idle(dut):
    for name in ("o_job__ready", "i_result__valid", "i_result__payload", "aborting", "broken", "stalled", "events"):
        getattr(dut, name).value = 0


def ended_as(status, sequence=0):
    """A result of the chip."""
    return pack(result_layout(), {"status": int(status), "sequence": sequence})


@cocotb.test()
async def accounts_for_every_job(dut):
    stall = case()["stall"]
    config = chip_from_dict(case()["chip"])
    rng = np.random.default_rng(3)
    host, chip = Host(dut, stall), Chip(dut, STALLS[stall](11), seldom(12))
    await reset(dut)
    first = 0xFFF0  # the numbers of jobs wrap
    dut.submitted.value = dut.completed.value = first
    pushed, refused, aborts, shown = [], 0, 0, 0
    bits = config.address_bits

    async def push(address):
        nonlocal refused
        free, before = await host.field("STATUS", "queue_free"), await host.numbers()
        await host.write("CONTROL", push=1)
        if (await host.numbers())[0] != before[0]:
            record = {"address": address % (1 << bits), "wide": address >> bits != 0}
            pushed.append(pack(record_layout(config), record))
            assert not await host.field("STATUS", "queue_full_error")
        else:
            assert free == 0
            refused += 1
            assert await host.field("STATUS", "queue_full_error")
            await host.write("STATUS", queue_full_error=1)

    async def abort(address):
        nonlocal aborts
        aborts += 1
        for _ in range(int(rng.integers(1, 3))):
            await host.write("CONTROL", abort=1)
        if rng.random() < 0.5:
            free = await host.field("STATUS", "queue_free")
            if not free:
                await push(address)
        await host.wait("aborting", 0)
        await host.wait("busy", 0)  # of a push that came just behind the abort

    async def check():
        """Nothing runs: every job has its outcome."""
        nonlocal shown
        submitted, completed = await host.numbers()
        results = chip.results
        assert submitted == completed == (first + len(results)) % (1 << 16)
        for number in range(max(len(results) - 8, 0), len(results)):
            status, sequence = results[number]
            assert await host.read(f"RESULT[{(first + number) % 8}]") == status | sequence << 16, number
        new, shown = results[shown:], len(results)
        causes = int(bool(new)) | int(any(status for status, _ in new)) << 1
        enabled = int(rng.integers(4))
        assert await host.read("IRQ_STATUS") == causes
        await host.write("IRQ_ENABLE", done=enabled & 1, error=enabled >> 1)
        assert dut.irq.value == bool(causes & enabled)
        await host.write("IRQ_STATUS", done=1, error=1)
        assert dut.irq.value == 0

    async def bench():
        for _ in range(20):
            address = int(rng.integers(1 << 64, dtype=np.uint64)) >> int(rng.choice([0, 64 - bits, 65 - bits, 44]))
            await host.stage(address)
            for _ in range(int(rng.integers(1, 12))):
                await push(address)
            if rng.random() < 0.5:
                await abort(address)
                # What was not taken is lost; what was, was taken in order.
                del pushed[len(chip.jobs) :]
            else:
                await host.wait("busy", 0)
            assert chip.jobs == pushed
            await check()

    cocotb.start_soon(chip.work(first))
    await within(dut, 60000, bench())
    assert len(chip.results) > 20
    assert refused
    assert aborts > 2
    assert chip.seen["dropped by stop"]
    assert chip.seen["results in a row"]


@cocotb.test()
async def refuses_what_it_cannot_hold(dut):
    host = Host(dut)
    idle(dut)
    await reset(dut)

    async def push(accepted=True, **also):
        submitted, _ = await host.numbers()
        await host.write("CONTROL", push=1, **also)
        assert (await host.numbers())[0] == submitted + accepted
        assert await host.field("STATUS", "queue_full_error") == (not accepted)
        await host.write("STATUS", queue_full_error=1)

    async def finish(*statuses):
        """Take jobs and end them, each in one cycle."""
        dut.o_job__ready.value = 1
        for _ in statuses:
            await RisingEdge(dut.clk)
            assert dut.o_job__valid.value == 1
        dut.o_job__ready.value = 0
        for status in statuses:
            dut.i_result__valid.value, dut.i_result__payload.value = 1, ended_as(status)
            await RisingEdge(dut.clk)
        dut.i_result__valid.value = 0

    async def until_stop():
        """Cycles from the start of an abort to its pulse."""
        cycles = 0
        await RisingEdge(dut.clk)
        while dut.stop.value == 0:
            await RisingEdge(dut.clk)
            cycles += 1
        return cycles

    async def parameters():
        engine = CONFIG.engine
        shown = {name.removeprefix("CAPABILITY_").lower() for name in MAP if name.startswith("CAPABILITY_")}
        own = {name: getattr(CONFIG, name) for name in ("engines", "bus_bytes", "buffer_bytes", "address_bits")}
        own["job_queue"] = JOB_QUEUE
        for name in shown:
            value = own[name] if name in own else getattr(engine, name)
            assert await host.read(f"CAPABILITY_{name.upper()}") == value
        assert await host.read("ID") == int.from_bytes(b"FCIM", "little")

    async def full():
        await host.stage(0x4711_0000)
        for free in range(JOB_QUEUE, 0, -1):
            assert await host.field("STATUS", "queue_free") == free
            await push()
        assert await host.field("STATUS", "queue_free") == 0
        await push(accepted=False)
        assert await host.field("STATUS", "busy") == 1
        assert await host.numbers() == (JOB_QUEUE, 0)

    async def interrupts():
        await host.write("IRQ_ENABLE", error=1)
        await finish(Status.OK)
        await ClockCycles(dut.clk, 2)
        assert dut.irq.value == 0
        assert await host.read("IRQ_STATUS") == 1
        await finish(Status.OVERLAP)
        assert dut.irq.value == 0
        await RisingEdge(dut.clk)
        assert dut.irq.value == 1
        await host.write("IRQ_STATUS", error=1)
        assert dut.irq.value == 0
        assert await host.read("IRQ_STATUS") == 1
        await host.write("IRQ_ENABLE", done=1)
        assert dut.irq.value == 1
        await host.write("IRQ_STATUS", done=1)
        assert dut.irq.value == 0
        assert await host.field("STATUS", "busy") == 1
        await finish(Status.WRITE_ERROR, Status.OK)
        assert await host.read("IRQ_STATUS") == 3
        assert await host.field("STATUS", "busy") == 0
        assert [await host.read(f"RESULT[{n}]") for n in range(4)] == [0, Status.OVERLAP, Status.WRITE_ERROR, 0]

    async def aborts():
        submitted = JOB_QUEUE
        # A result in the cycle before the pulse and in that of it counts; behind it, it does not.
        cycles = 0
        for shift, status in ((None, 0), (-1, Status.READ_ERROR), (0, Status.SIZE), (1, Status.ABORTED)):
            for _ in range(JOB_QUEUE):
                await push()
            submitted += JOB_QUEUE
            dut.o_job__ready.value = 1
            await ClockCycles(dut.clk, 2)
            dut.o_job__ready.value = 0
            abort = cocotb.start_soon(host.write("CONTROL", abort=1))
            if shift is None:
                cycles, status = await until_stop(), Status.ABORTED
            else:
                await ClockCycles(dut.clk, cycles + shift)
                result = ended_as(status if shift <= 0 else Status.SIZE)
                dut.i_result__valid.value, dut.i_result__payload.value = 1, result
                await RisingEdge(dut.clk)
                assert dut.stop.value == (shift == 0)
                dut.i_result__valid.value = 0
            await abort
            await host.wait("aborting", 0)
            assert await host.numbers() == (submitted, submitted)
            first = (submitted - JOB_QUEUE) % 8
            assert [await host.read(f"RESULT[{first + n}]") for n in range(4)] == [status, *[Status.ABORTED] * 3]

        # One per cycle.
        for _ in range(JOB_QUEUE):
            await push()
        submitted += JOB_QUEUE
        abort = cocotb.start_soon(host.write("CONTROL", abort=1))
        await until_stop()
        for n in range(JOB_QUEUE + 1):
            await RisingEdge(dut.clk)
            assert int(dut.completed.value) == submitted - JOB_QUEUE + n
        await abort

        # A push with the abort or under it is refused; nothing is offered until the chip has stopped.
        dut.aborting.value = 1
        await push(accepted=False, abort=1)
        assert await host.field("STATUS", "aborting") == 1
        assert await host.field("STATUS", "queue_free") == 0
        assert await host.numbers() == (submitted, submitted)
        await push(accepted=False)
        await host.write("CONTROL", abort=1)
        dut.i_result__valid.value = 1
        await ClockCycles(dut.clk, 3)
        dut.i_result__valid.value = 0
        assert await host.numbers() == (submitted, submitted)
        dut.aborting.value = 0
        await host.wait("aborting", 0)
        assert await host.field("STATUS", "queue_free") == JOB_QUEUE
        assert dut.o_job__valid.value == 0

        # A chip may say that it stops 2 cycles after the pulse, also when no job was there.
        abort = cocotb.start_soon(host.write("CONTROL", abort=1))
        await until_stop()
        await RisingEdge(dut.clk)
        dut.aborting.value = 1
        await abort
        await push(accepted=False)
        dut.aborting.value = 0
        await host.wait("aborting", 0)

        # Normal use: a job is offered 2 cycles after the push acts.
        write = cocotb.start_soon(push())
        while not dut.registers.control_push.value:
            await RisingEdge(dut.clk)
        assert dut.o_job__valid.value == 0
        await RisingEdge(dut.clk)
        assert dut.o_job__valid.value == 0
        await RisingEdge(dut.clk)
        assert dut.o_job__valid.value == 1
        await write
        await finish(Status.OK)
        assert await host.numbers() == (submitted + 1, submitted + 1)

    async def bench():
        for part in (parameters, full, interrupts, aborts):
            await part()

    await within(dut, 8000, bench())


@cocotb.test()
async def ends_jobs_of_a_bus_that_fails(dut):
    host = Host(dut)
    idle(dut)
    await reset(dut)
    await host.stage(0x4711_0000)

    async def push(count=1):
        for _ in range(count):
            await host.write("CONTROL", push=1)
        assert not await host.field("STATUS", "queue_full_error")
        return (await host.numbers())[0]

    async def take():
        """Take a job as soon as one is offered."""
        dut.o_job__ready.value = 1
        await RisingEdge(dut.clk)
        while not dut.o_job__valid.value:
            await RisingEdge(dut.clk)
        dut.o_job__ready.value = 0

    async def finish():
        dut.i_result__valid.value, dut.i_result__payload.value = 1, ended_as(Status.OK)
        await RisingEdge(dut.clk)
        dut.i_result__valid.value = 0

    async def pulse(name):
        getattr(dut, name).value = 1
        await RisingEdge(dut.clk)
        getattr(dut, name).value = 0

    async def ended(submitted, *statuses):
        while (await host.numbers())[1] != submitted:
            pass
        first = submitted - len(statuses)
        assert [await host.read(f"RESULT[{(first + n) % 8}]") for n in range(len(statuses))] == list(statuses)
        assert await host.field("STATUS", "busy") == 0
        assert await host.field("STATUS", "aborting") == 0
        assert await host.field("STATUS", "queue_free") == JOB_QUEUE

    async def an_answer_that_was_not_asked():
        """All jobs end; the one that is pushed while the chip stops waits and is run."""
        submitted = await push(3)
        await take()
        await pulse("broken")
        await RisingEdge(dut.clk)
        assert dut.stop.value == 1
        dut.aborting.value = 1
        await ended(submitted, *[Status.PROTOCOL] * 3)
        await finish()  # of the core, which is not clear yet
        await pulse("broken")  # while the bus gives the rest
        submitted = await push()
        await ClockCycles(dut.clk, 20)
        assert dut.o_job__valid.value == 0
        assert (await host.numbers())[1] == submitted - 1
        dut.aborting.value = 0
        await take()
        await finish()
        await ended(submitted, Status.OK)

    async def an_answer_without_a_job():
        await pulse("broken")
        await ClockCycles(dut.clk, 20)
        assert dut.stop.value == 0
        await ended(await push(), Status.PROTOCOL)
        submitted = await push()
        await take()
        await finish()
        await ended(submitted, Status.OK)

    async def a_push_at_every_moment_of_a_stop():
        """No push is lost: the driver counts it."""
        for wait in range(16):
            submitted = await push()
            write = cocotb.start_soon(host.write("CONTROL", push=1))
            await ClockCycles(dut.clk, wait)
            await pulse("broken")
            await write
            assert (await host.numbers())[0] == submitted + 1
            await ClockCycles(dut.clk, 8)
            if dut.o_job__valid.value:
                await take()
                await finish()
                await ended(submitted + 1, Status.PROTOCOL, Status.OK)
            else:
                await ended(submitted + 1, Status.PROTOCOL, Status.PROTOCOL)

    async def a_bus_that_stands_still():
        await host.write("STALL_LIMIT", value=0xFEDCBA98)
        assert int(dut.stall_limit.value) == 0xFEDCBA98
        submitted = await push(2)
        await take()
        dut.stalled.value = dut.aborting.value = 1
        assert await host.field("STATUS", "stalled") == 1
        await ended(submitted, *[Status.STALLED] * 2)
        for _ in range(3):
            await ended(await push(), Status.STALLED)
        dut.stalled.value = dut.aborting.value = 0
        submitted = await push()
        await take()
        # An abort, and then the bus stands still.
        await host.write("CONTROL", abort=1)
        dut.aborting.value = 1
        await ClockCycles(dut.clk, 30)
        assert await host.field("STATUS", "aborting") == 1
        dut.stalled.value = 1
        await ended(submitted, Status.ABORTED)
        await ended(await push(), Status.STALLED)
        dut.stalled.value = dut.aborting.value = 0
        submitted = await push()
        await take()
        await finish()
        await ended(submitted, Status.OK)

    async def bench():
        await an_answer_that_was_not_asked()
        await an_answer_without_a_job()
        await a_push_at_every_moment_of_a_stop()
        await a_bus_that_stands_still()

    await within(dut, 10000, bench())


@cocotb.test()
async def reads_counts_consistently(dut):
    host = Host(dut)
    idle(dut)
    await reset(dut)
    rng = np.random.default_rng(5)
    names = list(counters())
    steps = rng.integers(1, 1 << EVENT_BITS, len(names)).tolist()
    dut.events.value = packed(steps, EVENT_BITS)

    def halves(name):
        return getattr(dut.counters, f"{name}_low"), getattr(dut.counters, f"{name}_high")

    async def read(name):
        low = await host.read(f"COUNTERS_{name}_LO".upper())
        await ClockCycles(dut.clk, int(rng.integers(30)))
        return await host.read(f"COUNTERS_{name}_HI".upper()) << 32 | low

    async def bench():
        wrapped = 0
        for trial in range(63):
            # The register of the low bits wraps around the time of the read.
            n = trial % len(names)
            low, high = halves(names[n])
            start = (int(rng.integers(1, 1 << 30)) << 32) - steps[n] * int(rng.integers(2, 40))
            low.value, high.value = start & 0xFFFF, start >> 16
            await RisingEdge(dut.clk)
            value = await read(names[n])
            await RisingEdge(dut.clk)
            end = int(high.value) << 16 | int(low.value)
            assert start < value < end, trial
            assert (value - start) % steps[n] == 0, trial
            wrapped += value >> 32 != end >> 32
        assert wrapped > 5
        dut.events.value = 0
        await host.write("CONTROL", clear_counters=1)
        for name in names:
            assert await read(name) == 0

    await within(dut, 20000, bench())
