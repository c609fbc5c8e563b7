"""Event counters of 64 bits. Their list is the register map's: name and sentence stand in `registers.rdl` alone."""

import functools

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from systemrdl.node import RegfileNode

from fusioncim.chip.registers import model, sentence

EVENT_BITS = 12
"""Bits by which a counter can grow in a cycle."""
COUNTER_BITS = 64
LOW_BITS = 16
"""Bits of a counter that an adder serves; the others only ever grow by its carry."""


@functools.cache
def counters() -> dict[str, str]:
    """What every counter counts, by name, in the order of the registers."""
    group = model().find_by_path("COUNTERS")
    assert isinstance(group, RegfileNode)
    return {node.inst_name.lower(): sentence(node) for node in group.children()}


def increments_layout() -> data.StructLayout:
    """What happened in a cycle: one unsigned increment per counter."""
    return data.StructLayout(dict.fromkeys(counters(), EVENT_BITS))


class Counters(wiring.Component):
    """Counters of events, modulo 2^64.

        count' = 0 if clear else count + event

    Latency: 1 cycle. The high bits keep still but for the one cycle in 16 or more in which the low ones overflow.

    Members:
        events: increments of this cycle.
        clear: set all counters to 0.
        <name>: the counter of that name, exact in every cycle.
    """

    def __init__(self) -> None:
        counts = dict.fromkeys(counters(), Out(COUNTER_BITS))
        super().__init__({"events": In(increments_layout()), "clear": In(1), **counts})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name in counters():
            low = Signal(LOW_BITS, name=f"{name}_low")
            high = Signal(COUNTER_BITS - LOW_BITS, name=f"{name}_high")
            total = Signal(LOW_BITS + 1, name=f"{name}_total")
            m.d.comb += [total.eq(low + self.events[name]), getattr(self, name).eq(Cat(low, high))]
            m.d.sync += low.eq(total)
            with m.If(total[LOW_BITS]):
                m.d.sync += high.eq(high + 1)
            with m.If(self.clear):
                m.d.sync += [low.eq(0), high.eq(0)]
        return m
