"""The register map against what it must agree with, and its hardware on the bus."""

import itertools
import logging
from pathlib import Path

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ClockCycles, RisingEdge, gather
from cocotbext.axi import AxiLiteBus, AxiLiteMaster
from systemrdl.compiler import RDLCompiler
from systemrdl.node import AddressableNode, FieldNode

from fusioncim.chip.counters import counters
from fusioncim.chip.descriptor import result_layout
from fusioncim.chip.registers import OKAY, SLVERR, RegisterFile, model, read, registers
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.runner import run
from fusioncim_sim.rtl.stream import STALLS, reset, within

MAP = registers()
FIELDS = [(register, name, field) for register in MAP.values() for name, field in register.fields.items()]


# The map.


def test_every_register_has_a_place_and_every_node_a_description():
    offsets = [register.offset for register in MAP.values()]
    assert offsets == sorted(set(offsets))
    assert all(offset % 4 == 0 and offset < 1 << 12 for offset in offsets)
    for node in [model(), *model().descendants()]:
        if isinstance(node, AddressableNode | FieldNode):
            assert len(node.get_property("desc") or "") > 3, node.get_path()
    assert MAP["RESULT[3]"].member("status") == "result_3_status"


def test_status_codes_are_those_of_the_golden_descriptor():
    encoding = model().find_by_path("RESULT[0].status").get_property("encode")
    shown = {member.name: (member.value, member.rdl_desc) for member in encoding}
    assert shown == {status.name: (int(status), status.words) for status in Status}


def test_a_result_has_what_the_chip_says_of_a_job():
    shown = {name: field.width for name, field in MAP["RESULT[0]"].fields.items()}
    assert shown == {name: field.width for name, field in result_layout()}


def test_counters_are_registers():
    assert list(counters()) == [
        *("cycles", "mac_cycles", "idle_load", "idle_rescale", "idle_memory", "idle_drain", "idle_imbalance"),
        *("rescales", "halvings", "row_updates", "zero_row_updates", "slots", "zero_slots"),
        *("bytes_query", "bytes_key", "bytes_value", "bytes_scale", "bytes_output"),
        *("buffer_writes", "buffer_reads", "deliveries"),
    ]
    for name in counters():
        low, high = (MAP[f"COUNTERS_{name.upper()}_{half}"] for half in ("LO", "HI"))
        assert (low.latches, high.offset) == (high.name, low.offset + 4)


def test_a_field_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "other.rdl"
    path.write_text("addrmap other { reg { field { sw = rw; hw = r; onwrite = woset; } x[1]; } X; };", encoding="utf-8")
    compiler = RDLCompiler()
    compiler.compile_file(str(path))
    with pytest.raises(ValueError, match=r"of a kind that registers.rdl lists, not other\.X\.x"):
        read(compiler.elaborate().top)


# Its hardware.


def launch(coroutine, **data):
    run(RegisterFile(), Path(__file__).stem, coroutine, data, path=Path(__file__).parent)


@pytest.mark.parametrize("stall", ["never", "mostly"])
def test_accesses(stall):
    launch("does_what_the_map_declares", stall=stall)


def test_channels():
    launch("takes_channels_in_any_order")


def test_actions():
    launch("acts_once")


def test_reset():
    launch("survives_a_reset_in_a_transfer")


class Bus:
    """An AXI4-Lite manager by hand: every channel can be late."""

    def __init__(self, dut):
        self.dut = dut
        for name in ("awvalid", "wvalid", "bready", "arvalid", "rready", "awaddr", "awprot", "wdata", "wstrb"):
            self.set(**{name: 0})
        self.set(araddr=0, arprot=0)

    def get(self, name):
        return getattr(self.dut, f"s_axil_{name}").value

    def set(self, **values):
        for name, value in values.items():
            getattr(self.dut, f"s_axil_{name}").value = value

    async def give(self, channel, late, **payload):
        await ClockCycles(self.dut.clk, late)
        self.set(**{f"{channel}valid": 1}, **payload)
        await RisingEdge(self.dut.clk)
        while not self.get(f"{channel}ready"):
            await RisingEdge(self.dut.clk)
        self.set(**{f"{channel}valid": 0}, **dict.fromkeys(payload, 0))

    async def take(self, channel, late, *payload):
        """The answer, which must come without being waited for, and stay until it is taken."""
        await RisingEdge(self.dut.clk)
        while not self.get(f"{channel}valid"):
            await RisingEdge(self.dut.clk)
        first = [int(self.get(name)) for name in payload]
        for _ in range(late):
            await RisingEdge(self.dut.clk)
            assert self.get(f"{channel}valid")
            assert [int(self.get(name)) for name in payload] == first
        self.set(**{f"{channel}ready": 1})
        await RisingEdge(self.dut.clk)
        self.set(**{f"{channel}ready": 0})
        return first

    async def write(self, address, data, strobe=0xF, late=(0, 0, 0)):
        addressed = self.give("aw", late[0], awaddr=address)
        given = self.give("w", late[1], wdata=data, wstrb=strobe)
        return (await gather(addressed, given, self.take("b", late[2], "bresp")))[2][0]

    async def read(self, address, late=(0, 0)):
        given = self.give("ar", late[0], araddr=address)
        return (await gather(given, self.take("r", late[1], "rdata", "rresp")))[1]


@cocotb.test()
async def takes_channels_in_any_order(dut):
    bus = Bus(dut)
    quiet(dut)
    await reset(dut)
    rng = np.random.default_rng(1)

    async def bench():
        register = MAP["JOB_ADDRESS_LO"]
        held = 0
        assert await bus.write(register.offset, held) == OKAY
        for lates in itertools.product((0, 1, 4), (0, 1, 4), (0, 3)):
            data, strobe = int(rng.integers(1 << 32)), int(rng.integers(16))
            mask = sum(0xFF << 8 * n for n in range(4) if strobe >> n & 1)
            held = held & ~mask | data & mask
            assert await bus.write(register.offset, data, strobe, lates) == OKAY
            assert dut.job_address_lo_value.value == held
            assert await bus.read(register.offset, lates[1:]) == [held, OKAY]
        # A strobe that leaves the bytes of a field out.
        for strobe, value in ((0xF, 3), (0xE, 3), (0x1, 0)):
            data = 3 if strobe == 0xF else 0
            assert await bus.write(MAP["IRQ_ENABLE"].offset, data, strobe) == OKAY
            assert await bus.read(MAP["IRQ_ENABLE"].offset) == [value, OKAY]
        # Two at once: the second answer comes behind the first one.
        for offsets, responses in (((4, register.offset), [SLVERR, OKAY]), ((register.offset, 4), [OKAY, SLVERR])):
            held = int(rng.integers(1 << 32))

            async def addresses(offsets=offsets):
                for offset in offsets:
                    await bus.give("aw", 0, awaddr=offset)

            async def words(word=held):
                await ClockCycles(dut.clk, 4)
                for _ in range(2):
                    await bus.give("w", 0, wdata=word, wstrb=0xF)

            await gather(addresses(), words())
            await ClockCycles(dut.clk, 4)
            assert [(await bus.take("b", 2, "bresp"))[0] for _ in range(2)] == responses
        for offset in (register.offset, 0):
            await bus.give("ar", 0, araddr=offset)
        await ClockCycles(dut.clk, 4)
        assert [(await bus.take("r", 2, "rdata"))[0] for _ in range(2)] == [held, MAP["ID"].fields["value"].reset]
        # An address may wait for ever for its data: reads pass.
        await bus.give("aw", 0, awaddr=register.offset)
        assert await bus.read(register.offset) == [held, OKAY]
        await bus.give("w", 0, wdata=5, wstrb=0xF)
        assert await bus.take("b", 0, "bresp") == [OKAY]
        assert await bus.read(register.offset) == [5, OKAY]

    await within(dut, 3000, bench())


def quiet(dut):
    """Every input of the hardware's side 0."""
    for register, name, field in FIELDS:
        if field.kind == "input":
            getattr(dut, register.member(name)).value = 0
        elif field.kind == "sticky":
            getattr(dut, f"{register.member(name)}_set").value = 0


@cocotb.test()
async def acts_once(dut):
    bus = Bus(dut)
    quiet(dut)
    await reset(dut)
    pulses = [register.member(name) for register, name, field in FIELDS if field.kind == "pulse"]
    high = dict.fromkeys(pulses, 0)

    async def count():
        while True:
            await RisingEdge(dut.clk)
            for name in pulses:
                high[name] += int(getattr(dut, name).value)

    cocotb.start_soon(count())

    async def bench():
        control, sticky = MAP["CONTROL"].offset, MAP["IRQ_STATUS"].offset
        for bits in (1, 2, 4, 5, 0, 0xFFFFFFFF):
            assert await bus.write(control, bits, late=(0, 0, 3)) == OKAY
            assert await bus.read(control) == [0, OKAY]
        assert await bus.write(control, 7, strobe=0xE) == OKAY
        assert list(high.values()) == [3, 2, 3]

        for bit, name in enumerate(("done", "error")):
            getattr(dut, f"irq_status_{name}_set").value = 1
            await RisingEdge(dut.clk)
            getattr(dut, f"irq_status_{name}_set").value = 0
            await ClockCycles(dut.clk, 2)
            assert await bus.read(sticky) == [(2 << bit) - 1, OKAY]
        assert await bus.write(sticky, 3, strobe=0xE) == OKAY
        assert await bus.write(sticky, 0) == OKAY
        assert await bus.read(sticky) == [3, OKAY]
        assert await bus.write(sticky, 2) == OKAY
        assert await bus.read(sticky) == [1, OKAY]
        assert (dut.irq_status_done.value, dut.irq_status_error.value) == (1, 0)
        # Set before, as and after it is cleared: only what came before is gone.
        left = []
        for wait in range(6):
            write = cocotb.start_soon(bus.write(sticky, 1))
            await ClockCycles(dut.clk, wait)
            dut.irq_status_done_set.value = 1
            await RisingEdge(dut.clk)
            clears = dut.irq_status_write.value == 1
            dut.irq_status_done_set.value = 0
            assert await write == OKAY
            left.append((clears, (await bus.read(sticky))[0]))
            assert await bus.write(sticky, 1) == OKAY
            assert await bus.read(sticky) == [0, OKAY]
        act = left.index((True, 1))
        assert [value for _, value in left] == [int(wait >= act) for wait in range(6)]

    await within(dut, 3000, bench())


@cocotb.test()
async def survives_a_reset_in_a_transfer(dut):
    bus = Bus(dut)
    quiet(dut)
    dut.jobs_submitted_count.value = 77
    await reset(dut)
    target = MAP["JOB_ADDRESS_LO"].offset

    async def give_address():
        await bus.give("aw", 0, awaddr=MAP["JOB_ADDRESS_HI"].offset)

    async def give_data():
        await bus.give("w", 0, wdata=1, wstrb=0xF)

    async def writes_unanswered():
        for _ in range(2):
            await gather(give_address(), give_data())
        await ClockCycles(dut.clk, 3)
        assert dut.s_axil_bvalid.value == 1

    async def reads_unanswered():
        for _ in range(2):
            await bus.give("ar", 0, araddr=0)
        await ClockCycles(dut.clk, 3)
        assert dut.s_axil_rvalid.value == 1

    async def offer():
        bus.set(awvalid=1, wvalid=1, arvalid=1)
        await ClockCycles(dut.clk, 2)
        bus.set(awvalid=0, wvalid=0, arvalid=0)

    async def bench():
        for n, interrupted in enumerate((give_address, give_data, writes_unanswered, reads_unanswered, offer)):
            assert await bus.write(MAP["IRQ_ENABLE"].offset, 3) == OKAY
            assert await bus.write(target, 100 + n) == OKAY
            await interrupted()
            dut.rst.value = 1
            await ClockCycles(dut.clk, 2)
            assert (dut.s_axil_bvalid.value, dut.s_axil_rvalid.value) == (0, 0)
            dut.rst.value = 0
            await ClockCycles(dut.clk, 5)
            assert (dut.s_axil_bvalid.value, dut.s_axil_rvalid.value) == (0, 0)
            assert await bus.read(MAP["IRQ_ENABLE"].offset) == [0, OKAY]
            assert await bus.write(target, 200 + n) == OKAY
            assert await bus.read(target) == [200 + n, OKAY]
            assert await bus.read(MAP["JOBS_SUBMITTED"].offset) == [77, OKAY]

    await within(dut, 2000, bench())


@cocotb.test()
async def does_what_the_map_declares(dut):
    stalls = (STALLS[case()["stall"]](seed) for seed in range(5))
    logging.getLogger("cocotb").setLevel(logging.WARNING)
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
    channels = (master.write_if.aw_channel, master.write_if.w_channel, master.write_if.b_channel)
    for channel, stall in zip((*channels, master.read_if.ar_channel, master.read_if.r_channel), stalls, strict=True):
        channel.set_pause_generator(iter(stall, None))
    quiet(dut)
    rng = np.random.default_rng(2)
    values = {}
    for register, name, field in FIELDS:
        member = register.member(name)
        values[member] = 0
        if field.kind == "constant":
            values[member] = field.reset
        elif field.kind == "input":
            values[member] = getattr(dut, member).value = int(rng.integers(1 << field.width))
    await reset(dut)

    async def get(address):
        answer = await master.read(address, 4)
        return int.from_bytes(answer.data, "little"), answer.resp

    async def put(address, data):
        return (await master.write(address, data.to_bytes(4, "little"))).resp

    async def write(register):
        data = int(rng.integers(1 << 32))
        assert await put(register.offset, data) == (OKAY if register.writable else SLVERR), register.name
        for name, field in register.fields.items():
            if field.kind == "storage":
                values[register.member(name)] = data >> field.low & ((1 << field.width) - 1)

    latched = 0

    async def check(register):
        nonlocal latched
        wanted = sum(values[register.member(name)] << field.low for name, field in register.fields.items())
        if register.name.startswith("COUNTERS_") and register.name.endswith("_HI"):
            wanted = latched
        assert await get(register.offset) == (wanted, OKAY), register.name
        if register.latches:
            latched = values[MAP[register.latches].member("value")]

    async def bench():
        for register in MAP.values():
            await write(register)
        names = list(MAP)
        await check(MAP["COUNTERS_CYCLES_LO"])
        for name in rng.permutation(names):
            await check(MAP[name])
            await write(MAP[names[rng.integers(len(names))]])
        for register, name, field in FIELDS:
            if field.kind == "storage":
                assert getattr(dut, register.member(name)).value == values[register.member(name)]
        # Refused without effect: an address without a register, or an unaligned one.
        taken = {register.offset for register in MAP.values()}
        free = [address for address in range(0, 1 << 12, 4) if address not in taken]
        edge = max(taken) + 4
        addresses = [edge, 0xFFC, *(offset + rng.integers(1, 4) for offset in rng.choice(list(taken), 12))]
        for address in (*addresses, *rng.choice(free, 20)):
            answer = await master.read(int(address), 1)
            assert (answer.data, answer.resp) == (b"\0", SLVERR), hex(address)
            assert (await master.write(int(address), bytes([255]))).resp == SLVERR, hex(address)
        for name in names:
            await check(MAP[name])

    await within(dut, 40000, bench())
