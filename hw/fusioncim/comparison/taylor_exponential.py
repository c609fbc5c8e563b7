"""The exponential of arXiv:2604.25317 as RTL: a Taylor polynomial in half precision, eight steps, a table of 128 bytes.

    e^x = sum(k = 0..7) e^c / k! t^k,  t = x - c,  c = -(2 s + 1),  s = floor(-x / 2)           for -16 < x <= 0, else 0

The paper gives the number of steps, the table's size and the format. The rest is chosen here: eight segments of x of
eight coefficients each, evaluated from the highest power down (Horner), one step in a cycle. In the first step t is
found, in each of the other seven the sum so far is multiplied with t and a coefficient added. `exponential` is the same
on numbers, bit for bit.
"""

from math import exp, factorial

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.comparison.float16 import BIAS, FLOAT16, bits_of, product, product_of, rounded, sum_of, total

STEPS = 8
SEGMENTS = 8
COEFFICIENTS = tuple(
    tuple(rounded(exp(-(2 * segment + 1)) / factorial(power)) for power in range(STEPS)) for segment in range(SEGMENTS)
)
"""By segment and power: 64 numbers, 128 bytes."""


def exponential(x: float) -> float:
    """What the unit gives for a number x <= 0 of the format."""
    segment = int(-x // 2)
    if segment >= SEGMENTS:
        return 0.0
    t = sum_of(x, 2.0 * segment + 1)
    *others, found = COEFFICIENTS[segment]
    for coefficient in reversed(others):
        found = sum_of(product_of(found, t), coefficient)
    return found


class TaylorExponential(wiring.Component):
    """The exponential of a number that is 0 or less.

    Throughput: a number in 8 cycles. Latency: 9 cycles from `start` to `done`.

    Members:
        start: x is taken; not in the first seven steps of the number before.
        x: a half-precision number, at most 0.
        done: y is e^x, in this cycle.
        y: a half-precision number.
    """

    def __init__(self) -> None:
        super().__init__({"start": In(1), "x": In(FLOAT16), "done": Out(1), "y": Out(FLOAT16)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step = Signal(range(STEPS))
        busy, inside = Signal(), Signal(reset_less=True)
        segment = Signal(range(SEGMENTS), reset_less=True)
        operand, found = (Signal(FLOAT16, name=name, reset_less=True) for name in ("operand", "found"))  # x, then t
        first, last = step == 0, step == STEPS - 1
        coefficient, shift = (Signal(FLOAT16, name=name) for name in ("coefficient", "shift"))
        m.d.comb += [
            coefficient.eq(Array(bits_of(c) for each in COEFFICIENTS for c in reversed(each))[Cat(step, segment)]),
            shift.eq(Array(bits_of(2.0 * n + 1) for n in range(SEGMENTS))[segment]),
            self.y.eq(found),
        ]
        one, other = (Signal(FLOAT16, name=name) for name in ("one_addend", "other_addend"))
        m.d.comb += [one.eq(Mux(first, operand, product(m, found, operand))), other.eq(Mux(first, shift, coefficient))]
        added = total(m, one, other)
        m.d.sync += self.done.eq(busy & last)
        with m.If(busy):
            m.d.sync += [step.eq(step + 1), busy.eq(~last)]
            m.d.sync += found.eq(Mux(first, coefficient, Mux(last & ~inside, 0, added)))
        with m.If(busy & first):
            m.d.sync += operand.eq(added)
        with m.If(self.start):
            m.d.sync += [operand.eq(self.x), segment.eq(_segment(self.x)), step.eq(0), busy.eq(1)]
            m.d.sync += inside.eq(self.x.exponent < BIAS + 4)
        return m


def _segment(x: data.View) -> Value:
    """The whole part of -x / 2, below 8, from the first bits of -x / 16."""
    tops = Cat(x.fraction[-2:], x.exponent[:2])
    return Mux(x.exponent > BIAS, Array(_segment_of(n) for n in range(16))[tops], 0)


def _segment_of(tops: int) -> int:
    """The segment of the exponents 16 to 18, whose last bits are 0 to 2, and the first two bits of the fraction."""
    exponent, fraction = tops >> 2, tops & 3
    return min((4 + fraction) << exponent >> 2, SEGMENTS - 1)
