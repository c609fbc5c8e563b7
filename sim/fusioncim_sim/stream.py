"""Sources and sinks for `amaranth.lib.stream` ports of a design under cocotb, with stall patterns.

A port PORT has the signals PORT__payload.., PORT__valid and PORT__ready. Payloads are given and returned as the integer
whose bits are the port's layout; a layout with fields has one signal per field after Verilog emission, so a source takes
and a sink gives `fields`: a dictionary of field name to integer.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib import data
from cocotb.triggers import ReadOnly, RisingEdge

Stall = Callable[[], bool]
"""Called once per cycle: True to pause in this cycle."""


def never() -> bool:
    """No stall."""
    return False


def randomly(seed: int, share: float) -> Stall:
    """Pause in a random share of the cycles."""
    generator = random.Random(seed)
    return lambda: generator.random() < share


def bursts(seed: int, length: int) -> Stall:
    """Alternate between free and paused stretches of random length."""
    generator = random.Random(seed)

    def pattern() -> Iterator[bool]:
        paused = False
        while True:
            for _ in range(generator.randint(1, length)):
                yield paused
            paused = not paused

    states = pattern()
    return lambda: next(states)


STALLS: dict[str, Callable[[int], Stall]] = {
    "never": lambda seed: never,
    "randomly": lambda seed: randomly(seed, 0.4),
    "mostly": lambda seed: randomly(seed, 0.85),
    "bursts": lambda seed: bursts(seed, 40),
}
"""Stall patterns by name, made from a seed."""


def pack(layout: data.Layout | Shape, value: Any) -> int:
    """The bits of a value of that layout, as the design packs them."""
    if isinstance(layout, Shape):
        return int(value) & ((1 << layout.width) - 1)
    return int(layout.const(value).as_bits())
