"""Stall watch: counts the cycles for which a bus that owes something stands still."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

LIMIT_BITS = 32


class StallWatch(wiring.Component):
    """Says that the bus stands still.

        count' = limit if moves or ~owes or count = 0 else count - 1;  stalled behind count = 1, until ~owes

    Latency: `stalled` rises limit + 1 cycles after the last transfer, or behind limit + 1 cycles of a new limit.

    Members:
        limit: cycles without a transfer; 0: never.
        owes: something is outstanding on the bus.
        moves: a transfer on some channel.
        stalled: the limit was reached since the bus owed nothing.
    """

    def __init__(self) -> None:
        super().__init__({"limit": In(LIMIT_BITS), "owes": In(1), "moves": In(1), "stalled": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count = Signal(LIMIT_BITS)
        with m.If(~self.owes | self.moves | (count == 0)):
            m.d.sync += count.eq(self.limit)
        with m.Else():
            m.d.sync += count.eq(count - 1)
        with m.If(~self.owes):
            m.d.sync += self.stalled.eq(0)
        with m.Elif(~self.moves & (count == 1)):
            m.d.sync += self.stalled.eq(1)
        return m
