"""Serial multiplier: total = start + count * step, a digit of `count` per cycle, for addresses rarely needed."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Multiplier(wiring.Component):
    """Multiply and add without a multiplier array: total = start + count * step.

    The start has start_bits, those of step unless told; the total one more than the longer one of start and product, or
    total_bits, modulo 2^total_bits.

    Latency: ceil(bit length of count / digit_bits) + 1 cycles.

    Members:
        go: begin.
        start, count, step: the operands, read with `go`.
        busy: not done yet.
        total: the result, held until the next `go`.
    """

    def __init__(
        self,
        count_bits: int,
        step_bits: int,
        start_bits: int | None = None,
        *,
        digit_bits: int = 1,
        total_bits: int | None = None,
    ) -> None:
        self.count_bits, self.step_bits, self.digit_bits = count_bits, step_bits, digit_bits
        start_bits = step_bits if start_bits is None else start_bits
        self.total_bits = max(count_bits + step_bits, start_bits) + 1 if total_bits is None else total_bits
        self.parameters = (count_bits, step_bits, start_bits, digit_bits, self.total_bits)
        super().__init__(
            {
                "go": In(1),
                "start": In(start_bits),
                "count": In(count_bits),
                "step": In(step_bits),
                "busy": Out(1),
                "total": Out(self.total_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left = Signal(self.count_bits)
        addend = Signal(min(self.count_bits + self.step_bits, self.total_bits), reset_less=True)
        m.d.comb += self.busy.eq(left != 0)
        with m.If(self.go):
            m.d.sync += [left.eq(self.count), addend.eq(self.step), self.total.eq(self.start)]
        with m.Elif(self.busy):
            digit = (Mux(left[n], addend << n, 0) for n in range(self.digit_bits))
            m.d.sync += [left.eq(left >> self.digit_bits), addend.eq(addend << self.digit_bits)]
            m.d.sync += self.total.eq(sum(digit, self.total))
        return m
