"""Plays a table of input values into a design, one row per cycle, and records the outputs.

For units that cannot stall: the bench plans every cycle beforehand and compares arrays afterwards.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cocotb.triggers import RisingEdge, Timer
from cocotb.types import LogicArray

from fusioncim_sim.rtl.stream import reset


async def play(
    dut: Any, inputs: Mapping[str, Sequence[int]], outputs: Iterable[str], *, bits: Iterable[str] = ()
) -> dict[str, list[Any]]:
    """Values of the output ports in the cycles that have the given values at the inputs; None where a bit is undefined.

    The cycles follow a reset; inputs that are not given stay 0. Without a clock, a row of the table takes 1 ns. The
    outputs in `bits` are strings instead, one character per bit, X where it is undefined.
    """
    clocked = hasattr(dut, "clk")
    for name in inputs:
        getattr(dut, name).value = 0
    if clocked:
        await reset(dut)
    writers = [(getattr(dut, name), values) for name, values in inputs.items()]
    seen: dict[str, list[Any]] = {name: [] for name in (*outputs, *bits)}
    readers = [(getattr(dut, name), str if name in bits else number, record) for name, record in seen.items()]
    lengths = {len(values) for values in inputs.values()}
    (cycles,) = lengths
    for n in range(cycles):
        for port, values in writers:
            if n == 0 or values[n] != values[n - 1]:
                port.value = values[n]
        await (RisingEdge(dut.clk) if clocked else Timer(1, unit="ns"))
        for port, convert, record in readers:
            record.append(convert(port.value))
    return seen


def number(value: LogicArray) -> int | None:
    """A value as an unsigned number; None where a bit is undefined."""
    return int(value) if value.is_resolvable else None
