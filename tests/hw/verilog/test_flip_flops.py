"""Registers with and without a reset: control has one, and nothing relies on a value at power-up."""

from collections import Counter

import pytest
from amaranth.hdl import Elaboratable, Fragment, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from fusioncim.chip.chip import Chip
from fusioncim.verilog import emit
from fusioncim.verilog.flip_flops import flip_flops
from fusioncim.verilog.reset import Reset
from fusioncim_golden.presets import PRESETS

TINY = PRESETS["tiny"]
WIDE = TINY.override(read_ports=2, walks=2, streams=4, drain_rows=2, words=4, columns=32, schedule="folded")
CASES = {
    "tiny": (TINY, Reset.ACTIVE_HIGH_SYNC),
    "tiny, asynchronous": (TINY, Reset.ACTIVE_LOW_ASYNC),
    "two ports": (WIDE, Reset.ACTIVE_LOW_SYNC),
}
CONTROL = ("valid", "ready", "enable", "busy", "state")
"""Ends of names that no register without a reset may have."""


class Unit(wiring.Component):
    """Registers of every kind; the reset clears but a part of one."""

    def __init__(self):
        super().__init__({"i": In(4), "o": Out(12)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = SyncFIFOBuffered(width=4, depth=3)
        count = Signal(4, init=5)
        parts = Signal(4)
        kept = Signal(4, reset_less=True)
        word = Signal(4)
        m.d.comb += [queue.w_data.eq(self.i), queue.w_en.eq(count[0]), queue.r_en.eq(self.i[0]), word.eq(count)]
        m.d.comb += self.o.eq(kept + parts + queue.r_data)
        with m.If(self.i[1]):
            m.d.sync += [count.eq(count + 1), kept.eq(word), parts[:2].eq(self.i[:2])]
        with m.If(self.i[2]):
            m.d.sync += parts[2:].eq(self.i[2:])
        return m


def names(registers):
    return {name.strip("\\ ").rpartition(".")[2] for name in registers}


@pytest.mark.parametrize("reset", Reset)
def test_each_register_is_found_with_or_without_its_reset(reset):
    modules = emit.Modules(reset)
    modules.add_top(Unit())
    found = {module.text.name.strip("\\ "): module for module in flip_flops(modules.texts)}
    unit, queue = found["unit"], found["unit.queue"]
    assert names(unit.cleared) == {"count", "parts"}
    assert names(unit.data) == {"kept"}
    assert unit.bits(unit.cleared) == 8
    assert len(queue.cleared) == 4
    assert (len(queue.data), len(queue.writes), len(queue.reads)) == (1, 1, 1)


class Seen(Elaboratable):
    """Something to be elaborated; the fragment that it becomes is noted."""

    def __init__(self, inner, note):
        self.inner, self.note, self.signature = inner, note, inner.signature

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def elaborate(self, platform):
        fragment = Fragment.get(self.inner, platform)
        self.note(fragment)
        return fragment


def declared(monkeypatch, component, reset):
    """The modules of a component, and the signals that its source assigns at the edge of the clock."""
    signals = []
    convert = emit.rtlil.convert

    def note(fragment):
        for domain, statements in fragment.statements.items():
            if domain != "comb":
                signals.extend({id(x): x for statement in statements for x in statement._lhs_signals()}.values())
        for inner, *_ in fragment.subfragments:
            note(inner)

    monkeypatch.setattr(emit.rtlil, "convert", lambda inner, **options: convert(Seen(inner, note), **options))
    modules = emit.Modules(reset)
    modules.add_top(component)
    return modules, [signal for signal in signals if len(signal)]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", CASES)
def test_registers_without_a_reset_are_those_that_the_source_declares_as_data(monkeypatch, name):
    chip, reset = CASES[name]
    modules, signals = declared(monkeypatch, Chip(chip), reset)
    found = flip_flops(modules.texts)
    data = [signal for signal in signals if signal.reset_less]
    widths = Counter(module.bits([register]) for module in found for register in module.data)
    memories = Counter(module.bits(module.data[-len(module.reads) :]) for module in found if module.reads)
    assert Counter(len(signal) for signal in data) + memories == widths
    assert not [signal.name for signal in data if signal.init or signal.name.endswith(CONTROL)]
    cleared = sum(len(module.cleared) for module in found)
    assert cleared == sum(not signal.reset_less for signal in signals)
