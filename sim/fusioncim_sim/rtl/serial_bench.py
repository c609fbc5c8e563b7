"""The cocotb benches of a design that checks itself: give it a clock, and read its serial line and its lights."""

from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, First, RisingEdge, Timer, with_timeout

from fusioncim_sim.files import to_json
from fusioncim_sim.rtl.case import case

PERIOD_NS = 10


@cocotb.test()
async def lights(dut: Any) -> None:
    """Write which light goes on first: passed or failed.

    Case: ports: names of clock, passed and failed; cycles: limit; out: file to write.
    """
    this = case()
    ports = {name: getattr(dut, port) for name, port in this["ports"].items()}
    Clock(ports["clk"], PERIOD_NS, unit="ns").start()
    await with_timeout(
        First(RisingEdge(ports["passed"]), RisingEdge(ports["failed"])), this["cycles"] * PERIOD_NS, "ns"
    )
    Path(this["out"]).write_bytes(to_json({"light": "passed" if ports["passed"].value == 1 else "failed"}))


@cocotb.test()
async def tells(dut: Any) -> None:
    """Write the first lines, and the lights after each.

    Case: ports: names of clock, rst (may be missing: the design resets itself), tx and the lights; divisor: cycles per
    bit; lines: how many; cycles: limit for each; out: file to write.
    """
    this = case()
    ports = {name: getattr(dut, port) for name, port in this["ports"].items()}
    tx = ports["tx"]
    if "rst" in ports:
        ports["rst"].value = 1
    Clock(ports["clk"], PERIOD_NS, unit="ns").start()
    if "rst" in ports:
        await Timer(3 * PERIOD_NS, "ns")
        ports["rst"].value = 0
    bit = this["divisor"] * PERIOD_NS

    async def byte() -> int:
        await FallingEdge(tx)
        await Timer(bit // 2, "ns")
        assert tx.value == 0, "a start bit must last"
        value = 0
        for n in range(8):
            await Timer(bit, "ns")
            value |= int(tx.value) << n
        await Timer(bit, "ns")
        assert tx.value == 1, "a stop bit must be high"
        return value

    async def line() -> str:
        text = b""
        while not text.endswith(b"\r\n"):
            text += bytes([await byte()])
        return text.decode("ascii")

    told = []
    for _ in range(this["lines"]):
        text = await with_timeout(line(), this["cycles"] * PERIOD_NS, "ns")
        lights = {name: int(port.value) for name, port in ports.items() if name not in ("clk", "rst", "tx")}
        told.append({"text": text, "lights": lights})
    Path(this["out"]).write_bytes(to_json({"lines": told}))
