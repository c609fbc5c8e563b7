"""Serial multiplier: total = start + count * step, one bit of `count` per cycle, for addresses rarely needed."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Multiplier(wiring.Component):
    """Multiply and add without a multiplier array: total = start + count * step.

    The start has start_bits, those of step unless told; the total one more than the longer one of start and product.

    Latency: bit length of count + 1 cycles.

    Members:
        go: begin.
        start, count, step: the operands, read with `go`.
        busy: not done yet.
        total: the result, held until the next `go`.
    """

    def __init__(self, count_bits: int, step_bits: int, start_bits: int | None = None) -> None:
        self.count_bits, self.step_bits = count_bits, step_bits
        start_bits = step_bits if start_bits is None else start_bits
        self.parameters = (count_bits, step_bits, start_bits)
        super().__init__(
            {
                "go": In(1),
                "start": In(start_bits),
                "count": In(count_bits),
                "step": In(step_bits),
                "busy": Out(1),
                "total": Out(max(count_bits + step_bits, start_bits) + 1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left = Signal(self.count_bits)
        addend = Signal(self.count_bits + self.step_bits, reset_less=True)
        m.d.comb += self.busy.eq(left != 0)
        with m.If(self.go):
            m.d.sync += [left.eq(self.count), addend.eq(self.step), self.total.eq(self.start)]
        with m.Elif(self.busy):
            m.d.sync += [left.eq(left >> 1), addend.eq(addend << 1)]
            with m.If(left[0]):
                m.d.sync += self.total.eq(self.total + addend)
        return m
