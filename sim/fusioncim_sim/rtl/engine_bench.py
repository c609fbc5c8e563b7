"""The cocotb bench of a whole engine: feeds the streams of jobs, collects the outputs and the activity of every cycle.

Run by `engine_run.simulate_jobs`, which makes the case from `stream_words.Streams` and compares the outputs.
"""

import os
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.packing import unpack_vector
from fusioncim_sim.rtl.stream import STALLS, Sink, Source, reset, within

ACTIVITY = ("load", "vector", "qk", "pv", "drain")
"""Columns of the activity record: a query, or a key and a value entered; QK^T or PV computed; outputs left."""

PHASES = ("load", "stream", "drain", "idle")
"""Of a run of one pass: until QK^T starts, until outputs leave, until all have left, and then."""


@cocotb.test()
async def runs_job(dut: Any) -> None:
    """Feed the jobs and record what leaves; `toggles.c` counts the phases apart."""
    this = case()
    phase = 0
    words = {name: [int(x, 16) for x in this[name]] for name in ("tiles", "q", "blocks", "kv")}
    rank = this["rank"]

    def stall(port: str) -> Any:
        pattern = this["stall"].get(port, "never")
        return STALLS[pattern](this["seed"] + sum(port.encode()))

    sources = {port: Source(dut, port, stall(port)) for port in ("i_tile", "i_q", "i_block", "i_kv")}
    output = Sink(dut, "o", stall("o"))
    await reset(dut)

    accepted = 0
    outputs: list[list[int]] = []
    marks: list[int] = []
    lse: list[list[int]] = []
    activity = bytearray()

    async def send_blocks() -> None:
        nonlocal accepted
        for word in words["blocks"]:
            await sources["i_block"].send(word)
            accepted += rank

    async def send_vectors() -> None:
        for n, vector in enumerate(this["vectors"]):
            while n >= accepted:
                await RisingEdge(dut.clk)
            await sources["i_kv"].send(words["kv"][vector])

    async def take_outputs() -> None:
        for _ in range(this["beats"]):
            beat = await output.receive()
            outputs.append(unpack_vector(beat, this["output_bits"], this["elements"]))
            above = beat >> (this["output_bits"] * this["elements"])
            marks.append(above & ((1 << this["mark_bits"]) - 1))
            words = above >> this["mark_bits"]
            lse.append([words >> 32 * n & 0xFFFFFFFF for n in range(this["drain_rows"])])

    def enter(name: str) -> None:
        nonlocal phase
        if PHASES.index(name) > phase:
            phase = PHASES.index(name)
            os.environ["FUSIONCIM_PHASE"] = str(phase)

    def moves(port: str) -> int:
        valid, ready = getattr(dut, f"{port}__valid").value, getattr(dut, f"{port}__ready").value
        return int(valid) & int(ready)  # an error where one of them is unknown

    async def watch() -> None:
        while True:
            await RisingEdge(dut.clk)
            state = int(dut.state.value)
            if state & 1:
                enter("stream")
            if moves("o"):
                enter("drain")
            activity.append(
                moves("i_q") | moves("i_kv") << 1 | (state & 1) << 2 | (state >> 3 & 1) << 3 | moves("o") << 4
            )

    cocotb.start_soon(watch())
    await within(
        dut,
        this["cycles"],
        sources["i_tile"].send_all(words["tiles"]),
        sources["i_q"].send_all(words["q"]),
        send_blocks(),
        send_vectors(),
        take_outputs(),
    )
    enter("idle")
    if this["idle"]:
        await ClockCycles(dut.clk, this["idle"])
    np.savez(
        this["out"],
        outputs=np.array(outputs, dtype=np.int64),
        marks=np.array(marks, dtype=np.int64),
        lse=np.array(lse, dtype=np.int64),
        activity=np.frombuffer(bytes(activity), dtype=np.uint8),
    )
