"""Serial line, send only: 8 data bits, no parity, one stop bit (8N1)."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

FRAME_BITS = 10
"""Start bit, eight data bits, stop bit."""


class Transmitter(wiring.Component):
    """Sends bytes, the lowest bit first.

    Throughput: a byte per 10 * divisor cycles.

    Members:
        i: bytes.
        tx: the line, high while it rests.
    """

    def __init__(self, *, divisor: int) -> None:
        self.divisor = divisor
        self.parameters = (divisor,)
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        frame = Signal(FRAME_BITS, init=1)
        left = Signal(range(FRAME_BITS + 1))
        cycle = Signal(range(self.divisor))
        m.d.comb += [self.tx.eq(frame[0]), self.i.ready.eq(left == 0)]
        with m.If(left == 0):
            with m.If(self.i.valid):
                m.d.sync += [frame.eq(Cat(Const(0, 1), self.i.payload, Const(1, 1))), left.eq(FRAME_BITS), cycle.eq(0)]
        with m.Elif(cycle == self.divisor - 1):
            m.d.sync += [frame.eq(Cat(frame[1:], Const(1, 1))), left.eq(left - 1), cycle.eq(0)]
        with m.Else():
            m.d.sync += cycle.eq(cycle + 1)
        return m
