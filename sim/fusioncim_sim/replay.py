"""Plays a table of input values into a design, one row per cycle, and records the outputs.

For units that cannot stall: the bench plans every cycle beforehand and compares arrays afterwards.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cocotb.triggers import RisingEdge, Timer

from fusioncim_sim.stream import reset


async def play(dut: Any, inputs: Mapping[str, Sequence[int]], outputs: Iterable[str]) -> dict[str, list[int | None]]:
    """Values of the output ports in the cycles that have the given values at the inputs; None where a bit is undefined.

    The cycles follow a reset; inputs that are not given stay 0. Without a clock, a row of the table takes 1 ns.
    """
    clocked = hasattr(dut, "clk")
    for name in inputs:
        getattr(dut, name).value = 0
    if clocked:
        await reset(dut)
    writers = [(getattr(dut, name), values) for name, values in inputs.items()]
    readers = [(getattr(dut, name), list[int | None]()) for name in outputs]
    lengths = {len(values) for values in inputs.values()}
    (cycles,) = lengths
    for n in range(cycles):
        for port, values in writers:
            if n == 0 or values[n] != values[n - 1]:
                port.value = values[n]
        await (RisingEdge(dut.clk) if clocked else Timer(1, unit="ns"))
        for port, record in readers:
            value = port.value
            record.append(int(value) if value.is_resolvable else None)
    return {name: record for name, (_, record) in zip(outputs, readers, strict=True)}
