"""Combinational arithmetic with the golden model's rounding rules."""

from collections.abc import Callable, Sequence
from operator import add, or_

from amaranth.hdl import Array, Cat, Const, Module, Mux, Shape, Signal, Value, unsigned
from amaranth.lib import data


def tree(combine: Callable[[Value, Value], Value], terms: Sequence[Value]) -> Value:
    """The terms combined as a balanced binary tree."""
    level = list(terms)
    while len(level) > 1:
        level = [combine(*level[n : n + 2]) if n + 1 < len(level) else level[n] for n in range(0, len(level), 2)]
    return level[0]


def tree_sum(terms: Sequence[Value]) -> Value:
    """Sum with ceil(log2 n) extra bits, where a left-to-right sum would grow one bit per term."""
    return tree(add, terms)


def chosen(selects: Sequence[Value], values: Sequence[Value]) -> Value:
    """The value whose select is set, 0 if none is; two never are: AND-OR gates, no priority."""
    return tree(or_, [Mux(select, value, 0) for select, value in zip(selects, values, strict=True)])


def shift_keep(x: Value, n: Value) -> Value:
    """floor(2 x / 2^n): x shifted right by n >= 0 with the last bit shifted out kept below the others."""
    doubled = Cat(Const(0, 1), x)
    return (doubled.as_signed() if Value.cast(x).shape().signed else doubled) >> n


def shift_round(x: Value, n: Value) -> Value:
    """floor(x / 2^n + 1/2) for n >= 0."""
    return (shift_keep(x, n) + 1) >> 1


def add_shift_round(a: Value, x: Value, n: Value) -> Value:
    """The sum a + shift_round(x, n) of signed values with a single adder: the rounding bit is its carry-in."""
    return (Cat(Const(1, 1), a).as_signed() + shift_keep(x, n)) >> 1


def saturate(x: Signal, bits: int) -> Value:
    """Clip a signed signal to `bits` signed bits."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return Mux(x > high, high, Mux(x < low, low, x))[:bits].as_signed()


def delayed(m: Module, x: Signal, cycles: int, name: str) -> Signal:
    """What `x` was that many cycles ago: a register per cycle, all of them reset."""
    for n in range(1, cycles + 1):
        stage = Signal(x.shape(), name=f"{name}_{n}")
        m.d.sync += stage.eq(x)
        x = stage
    return x


def pipelined(m: Module, x: data.View, cycles: int, name: str) -> tuple[list[data.View], list[Signal]]:
    """The stages of a pipeline and their enables: `x` and `x.enable`, then a register of both per cycle.

    A stage that nothing enters keeps still. Its own field `enable` is then of no use: the second list has it. Only that
    is reset.
    """
    stages = [x]
    enables = [x.enable]
    for n in range(1, cycles + 1):
        stage = Signal(x.shape(), name=f"{name}_{n}", reset_less=True)
        enable = Signal(name=f"enable_{n}")
        m.d.sync += enable.eq(enables[-1])
        with m.If(enables[-1]):
            m.d.sync += stage.eq(stages[-1])
        stages.append(stage)
        enables.append(enable)
    return stages, enables


def fits(value: int) -> Shape:
    """Unsigned shape that holds 0..value, at least one bit."""
    return unsigned(max(value.bit_length(), 1))


def pick(bits: Value, index: Signal) -> Value:
    """Bit `index` of a mask."""
    return Array(bits[n] for n in range(len(bits)))[index]


def one_hot(enable: Signal, index: Signal, width: int) -> Value:
    """Bit `index` if `enable`, else nothing; defined also while nothing is enabled and the index is not."""
    return Cat(enable & (index == n) for n in range(width))


def selected(select: Value, values: Sequence[Value]) -> Value:
    """The value whose bit of the one-hot `select` is set, as bits, as wide as the first; all 0 if none is."""
    masked = [Mux(select[n], Value.cast(value), 0) for n, value in enumerate(values)]
    return tree(or_, [value[: len(Value.cast(values[0]))] for value in masked])
