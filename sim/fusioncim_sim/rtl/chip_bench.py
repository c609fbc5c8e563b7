"""The cocotb bench of a whole chip: runs jobs through the driver on a third-party AXI memory, and saves the memory.

Run by `chip_run.simulate_chip`, which places the operands and compares the outputs.
"""

import json
import logging
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from fusioncim_golden.chip_config import chip_from_dict
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.axi_memory import AxiMemory, Fault
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.driver import Driver
from fusioncim_sim.rtl.job_queue import ended, run_all
from fusioncim_sim.rtl.memory_image import Image
from fusioncim_sim.rtl.stream import STALLS, reset, within


class Registers:
    """The driver's transport: cocotbext-axi's AXI4-Lite master."""

    def __init__(self, dut: Any, *, stall: str = "never", seed: int = 1, poll_cycles: int = 50) -> None:
        self.dut, self.poll_cycles = dut, poll_cycles
        logging.getLogger(f"cocotb.{dut._name}.s_axil").setLevel(logging.ERROR)  # it tells of every access
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


class Bench:
    """A chip between a driver and a memory, made from the case of `simulate_chip`; reset it before use."""

    def __init__(self, dut: Any, this: dict[str, Any]) -> None:
        self.dut = dut
        self.chip = chip_from_dict(this["chip"])
        self.images = [Image.from_dict(self.chip, values) for values in this["images"]]
        stall, seed = this["stall"], this["seed"]
        faults = [
            Fault(**{**fault, "response": AxiResp[fault["response"]], "directions": tuple(fault["directions"])})
            for fault in this["faults"]
        ]
        self.memory = AxiMemory(
            dut,
            file=Path(this["memory"]),
            more=("m_axi_v",) * (self.chip.read_ports > 1),
            stall=stall,
            seed=seed,
            latency=this["latency"],
            share=this["share"],
            faults=faults,
            resets=this.get("memory_resets", True),
        )
        self.transport = Registers(dut, stall=stall, seed=seed)
        self.driver = Driver(self.transport, self.chip)
        self.sequences: list[int] = []  # of the jobs that were waited for, the first one that failed

    async def status(self, number: int) -> Status:
        """How a job ended."""
        status, sequence = await ended(self.driver, number)
        self.sequences.append(sequence)
        return status


@cocotb.test()
async def runs_jobs(dut: Any) -> None:
    """Push all jobs as the queue takes them, wait for each, save counters."""
    this = case()
    bench = Bench(dut, this)
    await reset(dut)
    endings: list[tuple[Status, int]] = []

    async def work() -> None:
        assert dut.irq.value == 0
        endings.extend(await run_all(bench.driver, [image.address for image in bench.images]))

    await within(dut, this["cycles"], work())
    statuses, sequences = zip(*endings, strict=True)
    failed = any(status != Status.OK for status in statuses)
    assert dut.irq.value == 1
    assert await bench.driver.get("IRQ_STATUS", "done") == 1
    assert await bench.driver.get("IRQ_STATUS", "error") == failed
    await bench.driver.put("IRQ_STATUS", done=1, error=1)
    assert dut.irq.value == 0
    counters = await bench.driver.counters()
    outcome = {"statuses": statuses, "sequences": sequences, "counters": counters}
    Path(this["out"]).write_text(json.dumps(outcome), encoding="utf-8")
