"""Sources and sinks for `amaranth.lib.stream` ports of a design under cocotb, with stall patterns.

A port PORT has the signals PORT__payload, PORT__valid and PORT__ready; a payload is an integer, the bits of its layout.
"""

import random
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, SimTimeoutError, gather, with_timeout

CLOCK_NS = 10
"""Period of the benches' clock: half of it is longer than the paths of a netlist with delays."""

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


class Source:
    """Drives a stream input of the design."""

    def __init__(self, dut: Any, port: str, stall: Stall = never) -> None:
        self.clock = dut.clk
        self.payload = getattr(dut, f"{port}__payload")
        self.valid, self.ready = getattr(dut, f"{port}__valid"), getattr(dut, f"{port}__ready")
        self.stall = stall
        self.valid.value = 0
        self.payload.value = 0

    async def send(self, value: int) -> None:
        """Returns in the cycle in which the design has taken the value."""
        while self.stall():
            await RisingEdge(self.clock)
        self.payload.value = value
        self.valid.value = 1
        await RisingEdge(self.clock)
        while self.ready.value != 1:
            await RisingEdge(self.clock)
        self.valid.value = 0

    async def send_all(self, values: Iterable[int]) -> None:
        """Send one after the other."""
        for value in values:
            await self.send(value)


class Sink:
    """Takes a stream output of the design."""

    def __init__(self, dut: Any, port: str, stall: Stall = never) -> None:
        self.clock = dut.clk
        self.payload = getattr(dut, f"{port}__payload")
        self.valid, self.ready = getattr(dut, f"{port}__valid"), getattr(dut, f"{port}__ready")
        self.stall = stall
        self.ready.value = 0

    async def receive(self) -> int:
        """The next payload; call it again at once, or the design sees a stall."""
        while True:
            ready = not self.stall()
            self.ready.value = ready
            await RisingEdge(self.clock)
            if ready and self.valid.value == 1:
                self.ready.value = 0
                return int(self.payload.value)

    async def receive_all(self, count: int) -> list[int]:
        """The next `count` payloads."""
        return [await self.receive() for _ in range(count)]


async def reset(dut: Any) -> None:
    """Start the clock and hold reset for two cycles; drive every input before."""
    dut.rst.value = 1
    Clock(dut.clk, CLOCK_NS, unit="ns").start()
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0


async def within(dut: Any, cycles: int, *work: Coroutine[Any, Any, Any]) -> None:
    """Wait for all of `work`, or fail after a number of cycles: no bench waits for ever."""
    try:
        await with_timeout(gather(*work), CLOCK_NS * cycles, "ns")
    except SimTimeoutError:
        raise AssertionError(f"the bench still waits after {cycles} cycles") from None
