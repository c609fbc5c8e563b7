"""Progress: while a unit has work, something moves within so many cycles.

Liveness is made a matter of safety: the neighbours let nothing wait for more than PATIENCE cycles, and a counter of the
cycles in which nothing moves stays below a bound.
"""

from collections.abc import Callable

from amaranth.hdl import Cat, Mux, Signal, Value, ValueLike
from amaranth.lib.wiring import In, Out

from fusioncim.formal.bench import Bench
from fusioncim.formal.streams import neighbours

PATIENCE = 2
"""Cycles for which a neighbour lets something wait."""


def soon(b: Bench, *waits: ValueLike) -> None:
    """Assumed: none of these conditions holds for more than PATIENCE cycles in a row."""
    for condition in waits:
        count = Signal(range(PATIENCE + 1))
        condition = Value.cast(condition).bool()
        b.m.d.sync += count.eq(Mux(condition, count + 1, 0))
        b.given(~condition | (count != PATIENCE))


def moves_on(b: Bench, moved: ValueLike, most: int, *, busy: ValueLike = 1) -> None:
    """Claimed: while busy, something moves within so many cycles."""
    count = Signal(range(most + 1))
    still = Value.cast(busy).bool() & ~Value.cast(moved).bool()
    b.m.d.sync += count.eq(Mux(still, count + (count != most), 0))
    b.claim(count != most)


def fair(b: Bench) -> Value:
    """The contract of the neighbours, who offer soon and take soon; whether any word moves."""
    neighbours(b)
    for _, port in b.streams(In):
        soon(b, ~port.valid)
    for _, port in b.streams(Out):
        soon(b, port.valid & ~port.ready)
    ports = [*b.streams(In), *b.streams(Out)]
    return Cat(port.valid & port.ready for _, port in ports).any()


def streams_alone(most: int) -> Callable[[Bench], None]:
    """Nothing but the contract is assumed."""

    def properties(b: Bench) -> None:
        moves_on(b, fair(b), most)

    return properties


def within(cycles: int) -> str:
    """The claim in words."""
    return f"something moves every {cycles} cycles; neighbours let nothing wait for more than {PATIENCE}"
