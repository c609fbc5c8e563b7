"""IEEE 754 half-precision products and sums as gates: one rounding each, to the nearest, ties to even.

What is smaller than the least normal number, 2^-14, after rounding is 0; there is no infinity and no NaN. The same
operations on numbers are `product_of` and `sum_of`.
"""

from math import frexp, ldexp

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data

FRACTION_BITS, EXPONENT_BITS = 10, 5
BIAS = 15
LEAST = 2.0 ** (1 - BIAS)
FLOAT16 = data.StructLayout({"fraction": FRACTION_BITS, "exponent": EXPONENT_BITS, "negative": 1})
"""A number; exponent 0 is 0."""
GUARD = 3
"""Bits behind the fraction that a sum keeps; the last one says whether anything lies behind."""


def rounded(x: float) -> float:
    """The nearest number of the format, 0 below the least one."""
    mantissa, exponent = frexp(x)
    found = ldexp(round(ldexp(mantissa, FRACTION_BITS + 1)), exponent - FRACTION_BITS - 1)
    return found if abs(found) >= LEAST else 0.0


def product_of(a: float, b: float) -> float:
    """What `product` gives for numbers of the format."""
    return rounded(a * b)


def sum_of(a: float, b: float) -> float:
    """What `total` gives for numbers of the format."""
    return rounded(a + b)


def bits_of(x: float) -> int:
    """A number of the format as its bits."""
    if x == 0:
        return 0
    mantissa, exponent = frexp(abs(x))
    fraction = int(ldexp(mantissa, FRACTION_BITS + 1)) - (1 << FRACTION_BITS)
    return (int(x < 0) << 15) | ((exponent - 1 + BIAS) << FRACTION_BITS) | fraction


def number_of(bits: int) -> float:
    """The number that these bits are."""
    exponent = bits >> FRACTION_BITS & ((1 << EXPONENT_BITS) - 1)
    fraction = bits & ((1 << FRACTION_BITS) - 1)
    magnitude = ldexp(fraction + (1 << FRACTION_BITS), exponent - BIAS - FRACTION_BITS) if exponent else 0.0
    return -magnitude if bits >> 15 else magnitude


def product(m: Module, a: data.View, b: data.View) -> data.View:
    """The rounded product a b."""
    width = FRACTION_BITS + 1
    significand = Signal(2 * width, name="product_significand")
    m.d.comb += significand.eq(_significand(a) * _significand(b))
    high = significand[-1]
    aligned = Mux(high, significand, significand << 1)[: 2 * width]  # the first bit is 1
    up = aligned[width - 1] & (aligned[: width - 1].any() | aligned[width])
    exponent = a.exponent + b.exponent - (BIAS - high)
    zero = (a.exponent == 0) | (b.exponent == 0)
    return _packed(m, "product", aligned[width:], up, exponent, zero, a.negative ^ b.negative)


def total(m: Module, a: data.View, b: data.View) -> data.View:
    """The rounded sum a + b."""
    width = FRACTION_BITS + 1 + GUARD
    swap = Signal(name="sum_swap")
    large, small = (Signal(FLOAT16, name=f"sum_{name}") for name in ("large", "small"))
    m.d.comb += [
        swap.eq(a.as_value()[:-1] < b.as_value()[:-1]),
        large.eq(Mux(swap, b, a)),
        small.eq(Mux(swap, a, b)),
    ]
    distance = Signal(EXPONENT_BITS, name="sum_distance")
    wide = Signal(width + FRACTION_BITS + 1, name="sum_wide")
    magnitude = Signal(width + 1, name="sum_magnitude")
    m.d.comb += [
        distance.eq(large.exponent - small.exponent),
        wide.eq((_significand(small) << width) >> Mux(distance > width, width, distance)),
    ]
    behind = wide[: FRACTION_BITS + 1].any()
    aligned = wide[FRACTION_BITS + 1 :] | behind
    first = _significand(large) << GUARD
    m.d.comb += magnitude.eq(Mux(large.negative ^ small.negative, first - aligned, first + aligned))
    zeros, shifted = _normalized(m, magnitude)
    up = shifted[GUARD] & (shifted[:GUARD].any() | shifted[GUARD + 1])
    exponent = large.exponent + 1 - zeros
    return _packed(m, "sum", shifted[GUARD + 1 :], up, exponent, magnitude == 0, large.negative)


def _significand(x: data.View) -> Value:
    """1.fraction, or 0."""
    there = x.exponent != 0
    return Cat(Mux(there, x.fraction, 0), there)


def _normalized(m: Module, x: Signal) -> tuple[Value, Value]:
    """Zeros before the first 1 of x, and x without them."""
    zeros = []
    shifted: Value = x
    for step in (8, 4, 2, 1):
        none = Signal(name=f"zeros_{step}")
        m.d.comb += none.eq(~shifted[len(x) - step : len(x)].any())
        shifted = Mux(none, Cat(Const(0, step), shifted[: len(x) - step]), shifted)[: len(x)]
        zeros.append(none)
    return Cat(*reversed(zeros)), shifted


def _packed(
    m: Module, name: str, significand: Value, up: Value, exponent: Value, zero: Value, negative: Value
) -> data.View:
    """The number of a significand that is rounded up or not; 0 if it is too small."""
    whole = Signal(FRACTION_BITS + 2, name=f"{name}_rounded")
    power = Signal(signed(EXPONENT_BITS + 3), name=f"{name}_exponent")
    found = Signal(FLOAT16, name=name)
    m.d.comb += [whole.eq(significand + up), power.eq(exponent + whole[-1])]
    with m.If(~zero & (power > 0)):
        m.d.comb += [
            found.fraction.eq(whole[:FRACTION_BITS]),
            found.exponent.eq(power),
            found.negative.eq(negative),
        ]
    return found
