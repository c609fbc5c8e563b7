"""The cocotb benches of the mapped accelerator ITA (`fusioncim.comparison.ita`), and of a dot product of it.

Run by `studies.ita.run`. The case of the first has the words of both streams and the values of the ports that are held,
that of the second a table of inputs.
"""

import os
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.stream import reset, unpack_vector, within

PHASES = ("load", "scores", "outputs", "after")
"""Of a run: until the first query enters, until the first row of weights does, until they are done, and then."""


@cocotb.test()
async def attends(dut: Any) -> None:
    """Feed inputs and weights, record the outputs; `toggles.c` counts the phases apart."""
    this = case()
    words = {name: [int(x, 16) for x in this[name]] for name in ("inp", "weight")}
    starts = dict(zip(this["starts"], (1, 2, 3), strict=True))
    for name in ("start", "inp_valid", "inp", "weight_valid", "weight", "bias_valid", "bias", "o_ready"):
        getattr(dut, name).value = 0
    for name, value in this["held"].items():
        getattr(dut, name).value = value
    await reset(dut)
    dut.o_ready.value = 1
    dut.start.value = 1
    await RisingEdge(dut.clk)
    dut.start.value = 0
    outputs: list[list[int]] = []
    cycles: list[int] = []
    cycle = 0

    async def feed(port: str) -> None:
        for n, word in enumerate(words[port]):
            getattr(dut, port).value = word
            getattr(dut, f"{port}_valid").value = 1
            if port == "inp":
                dut.bias_valid.value = 1
            await RisingEdge(dut.clk)
            while getattr(dut, f"{port}_ready").value != 1:
                await RisingEdge(dut.clk)
            if port == "inp" and n in starts:
                os.environ["FUSIONCIM_PHASE"] = str(starts[n])
                cycles.append(cycle)
        getattr(dut, f"{port}_valid").value = 0

    async def take() -> None:
        nonlocal cycle
        while len(outputs) < this["outputs"]:
            await RisingEdge(dut.clk)
            cycle += 1
            if dut.o_valid.value == 1:
                outputs.append(unpack_vector(int(dut.o.value), 8, this["rows"]))

    feeds = [cocotb.start_soon(feed(port)) for port in ("inp", "weight")]
    await within(dut, this["cycles"], take())
    for each in feeds:
        each.cancel()
    np.savez(this["out"], outputs=np.array(outputs, dtype=np.int64), cycles=np.array(cycles, dtype=np.int64))


@cocotb.test()
async def multiplies(dut: Any) -> None:
    """Play inputs and weights into a dot product, a row of both per cycle."""
    this = case()
    inputs = {name: [int(x, 16) for x in this[name]] for name in ("inp1_i", "inp2_i")}
    seen = await play(dut, inputs, ["oup_o"])
    products = np.array(seen["oup_o"], dtype=np.int64)
    np.savez(this["out"], outputs=(products ^ 1 << 25) - (1 << 25))
