"""Where unknown values get: a bench passes on the plain Verilog and fails on the one that watches them."""

from pathlib import Path

import cocotb
import pytest
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from cocotb.triggers import ClockCycles

from fusioncim.lib.bank import Bank
from fusioncim.verilog.emit import once
from fusioncim_golden.errors import InputError
from fusioncim_sim.rtl.power_up import POWER_UP, WATCHED, power_up, seed
from fusioncim_sim.rtl.runner import KEEP_RUNS, run
from fusioncim_sim.rtl.simulators import SimulationError
from fusioncim_sim.rtl.stream import reset
from fusioncim_sim.rtl.watched_verilog import FOUND

HERE = Path(__file__)


class Unit(wiring.Component):
    """A counter and a register that nothing sets, which gets to the place of that name."""

    def __init__(self, place):
        self.place = place
        self.parameters = (place,)
        super().__init__({"i": In(4), "o": Out(4), "valid": Out(1)})

    def elaborate(self, platform):
        m = Module()
        count = Signal(4)
        kept = Signal(4, reset_less=True)
        unset = kept[0]

        def at(place):
            return unset if self.place == place else count[3]

        with m.If(at("decision")):
            m.d.sync += count.eq(self.i)
        with m.If(self.i[3]):
            m.d.sync += kept.eq(self.i)
        bank = Bank(depth=8, width=4)
        m.submodules.bank = once(platform, bank)
        m.submodules.memory = memory = Memory(shape=4, depth=8, init=[])
        write, read = memory.write_port(), memory.read_port(domain="sync")
        inner = Inner()
        m.submodules.inner = once(platform, inner)
        m.d.comb += [
            *(inner.enable.eq(at("port")), self.valid.eq(Mux(at("equal"), count[0], count[0]))),
            *(bank.write_enable.eq(at("bank")), bank.write_address.eq(at("bank_address")), bank.write_data.eq(kept)),
            *(bank.read_enable[0].eq(at("bank_read")), self.o.eq(bank.read_data[0] & kept & read.data)),
            *(write.en.eq(at("memory")), write.addr.eq(at("address")), read.en.eq(at("read"))),
        ]
        if self.place.endswith("address"):
            m.d.comb += [write.en.eq(self.i[0]), bank.write_enable.eq(self.i[0])]
        return m


class Inner(wiring.Component):
    """A register with an enable."""

    def __init__(self):
        super().__init__({"enable": In(1), "o_enable": Out(1)})

    def elaborate(self, platform):
        m = Module()
        count = Signal(4)
        m.d.sync += count.eq(count + 1)
        m.d.comb += self.o_enable.eq(self.enable & count[0])
        return m


@cocotb.test()
async def passes(dut):
    dut.i.value = 5
    await reset(dut)
    await ClockCycles(dut.clk, 10)


TOLD = {
    "decision": "unit_decision: register",
    "bank": r"unit_bank.\S*: write enable",
    "bank_address": r"unit_bank_address.\S*: write address",
    "memory": r"unit_memory: write enable",
    "address": r"unit_address: write address",
    "read": r"unit_read: read enable",
    "port": r"unit_port.\S+: output o_enable",
}


def launch(place):
    run(Unit(place), HERE.stem, "passes", {}, path=HERE.parent, simulator="icarus")


@pytest.fixture(autouse=True)
def each_runs(monkeypatch):
    monkeypatch.delenv(KEEP_RUNS)
    monkeypatch.setenv(POWER_UP, WATCHED)


@pytest.mark.parametrize("place", TOLD)
def test_an_unknown_that_gets_to_control_is_told_of(place, monkeypatch):
    with pytest.raises(SimulationError, match=f"\n{FOUND} {TOLD[place]}"):
        launch(place)
    monkeypatch.delenv(POWER_UP)
    launch(place)


@pytest.mark.parametrize("place", ["nowhere", "bank_read", "equal"])
def test_an_unknown_that_only_data_has_is_not(place):
    launch(place)


@pytest.mark.parametrize("value", ["unknown", "0", "-1", "1.5", str(1 << 31), "\u0661"])
def test_another_power_up_is_refused(value, monkeypatch):
    monkeypatch.setenv(POWER_UP, value)
    with pytest.raises(
        InputError, match=rf"^{POWER_UP} must be watched or a number from 1 to 2147483647, not {value}$"
    ):
        power_up()


def test_the_seed_of_random_values(monkeypatch):
    assert seed() == 1
    monkeypatch.setenv(POWER_UP, "7")
    assert (power_up(), seed()) == ("7", 7)
