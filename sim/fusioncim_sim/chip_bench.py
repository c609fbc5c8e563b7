"""The cocotb bench of a whole chip: runs jobs through the driver on a third-party AXI memory, and saves the memory.

Run by `simulate_chip`, which places the operands and compares the outputs.
"""

import json
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from fusioncim_golden.chip import chip_from_dict
from fusioncim_golden.descriptor import Descriptor, Status, Tensor
from fusioncim_sim.axi import AxiMemory
from fusioncim_sim.driver import Driver, JobError
from fusioncim_sim.runner import case
from fusioncim_sim.stream import STALLS, reset, within


class Registers:
    """The driver's transport: cocotbext-axi's AXI4-Lite master."""

    def __init__(self, dut: Any, *, stall: str = "never", seed: int = 1, poll_cycles: int = 50) -> None:
        self.dut, self.poll_cycles = dut, poll_cycles
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        if stall != "never":
            reads, writes = self.master.read_if, self.master.write_if
            channels = (reads.ar_channel, reads.r_channel, writes.aw_channel, writes.w_channel, writes.b_channel)
            for number, channel in enumerate(channels):
                pause = STALLS[stall](seed + 17 * number)
                channel.set_pause_generator(iter(pause, None))

    async def read(self, offset: int) -> int:
        """The word at a byte offset."""
        return int(await self.master.read_dword(offset))

    async def write(self, offset: int, value: int) -> None:
        """Write the word at a byte offset."""
        await self.master.write_dword(offset, value)

    async def pause(self) -> None:
        """Some cycles."""
        await ClockCycles(self.dut.clk, self.poll_cycles)


def descriptor_from(values: dict[str, Any]) -> Descriptor:
    """A descriptor from JSON data."""
    tensors = {name: Tensor(**values[name]) for name in ("q", "k", "v", "o")}
    return Descriptor(**{**values, **tensors})


@cocotb.test()
async def runs_jobs(dut: Any) -> None:
    """Push all jobs as the queue takes them, wait for each, save counters and memory."""
    this = case()
    chip = chip_from_dict(this["chip"])
    stall, seed = this["stall"], this["seed"]
    file = Path(this["memory"])
    contents = np.fromfile(file, np.uint8)
    memory = AxiMemory(dut, size=len(contents), stall=stall, seed=seed, latency=this["latency"], share=this["share"])
    memory.bytes[:] = contents
    transport = Registers(dut, stall=stall, seed=seed)
    await reset(dut)
    driver = Driver(transport, chip)
    statuses: list[int] = []

    async def run_all() -> None:
        await driver.connect()
        pending: list[int] = []
        for values in this["jobs"]:
            if len(pending) == 8:
                await finish(pending.pop(0))
            pending.append(await driver.submit(descriptor_from(values)))
        for number in pending:
            await finish(number)

    async def finish(number: int) -> None:
        try:
            await driver.wait(number)
            statuses.append(int(Status.OK))
        except JobError as error:
            statuses.append(int(error.status))

    await within(dut, this["cycles"], run_all())
    counters = await driver.counters()
    memory.bytes.tofile(file)
    Path(this["out"]).write_text(json.dumps({"statuses": statuses, "counters": counters}))
