"""Combinational arithmetic with the golden model's rounding rules."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, unsigned


def tree_sum(terms: Sequence[Value]) -> Value:
    """Sum as a balanced binary tree: ceil(log2 n) extra bits, where a left-to-right sum would grow one bit per term."""
    level = list(terms)
    while len(level) > 1:
        level = [level[n] + level[n + 1] if n + 1 < len(level) else level[n] for n in range(0, len(level), 2)]
    return level[0]


def shift_round_parts(x: Value, n: Value) -> tuple[Value, Value]:
    """Arithmetic shift right by n >= 0, and the last bit shifted out: shift_round(x, n) is their sum.

    The rounding bit stays apart so that it can be the carry-in of the adder that follows.
    """
    doubled = Cat(Const(0, 1), x)
    shifted = (doubled.as_signed() if Value.cast(x).shape().signed else doubled) >> n
    value = shifted >> 1
    return value, shifted[0]


def shift_round(x: Value, n: Value) -> Value:
    """floor(x / 2^n + 1/2) for n >= 0."""
    value, carry = shift_round_parts(x, n)
    return value + carry


def clamp_unsigned(x: Value, limit: int) -> Value:
    """min(x, limit) of an unsigned x, in as few bits as the limit needs."""
    small = Mux(x > limit, limit, x)
    return small[: max(limit.bit_length(), 1)]


def saturate(x: Value, bits: int) -> Value:
    """Clip a signed value to `bits` signed bits."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return Mux(x > high, high, Mux(x < low, low, x))[:bits].as_signed()


def delayed(m: Module, x: Signal, cycles: int, name: str) -> list[Signal]:
    """x after 1, 2, .. cycles, as registers."""
    stages = []
    for n in range(1, cycles + 1):
        stage = Signal(x.shape(), name=f"{name}_{n}")
        m.d.sync += stage.eq(x)
        stages.append(stage)
        x = stage
    return stages


def fits(value: int) -> Shape:
    """Unsigned shape that holds 0..value, at least one bit."""
    return unsigned(max(value.bit_length(), 1))


def one_hot(enable: Signal, index: Signal, width: int) -> Value:
    """Bit `index` if `enable`, else nothing; defined also while nothing is enabled and the index is not."""
    return Cat(enable & (index == n) for n in range(width))
