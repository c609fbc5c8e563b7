"""The cocotb bench of a whole engine: feeds a job's streams, collects the outputs and the activity of every cycle.

Run by `simulate`, which makes the case from `encode.Streams` and compares the outputs.
"""

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from fusioncim_sim.runner import case
from fusioncim_sim.stream import STALLS, Sink, Source, reset, unpack_vector, within

ACTIVITY = ("load", "keys", "values", "qk", "pv", "drain")
"""Columns of the activity record: a query, key or value vector entered; QK^T or PV computed; outputs left."""


@cocotb.test()
async def runs_job(dut: Any) -> None:
    """Feed the job and record what leaves."""
    this = case()
    words = {name: [int(x, 16) for x in this[name]] for name in ("jobs", "q", "k", "v")}
    rank, key_offset = this["rank"], this["key_offset"]

    def stall(port: str) -> Any:
        pattern = this["stall"].get(port, "never")
        return STALLS[pattern](this["seed"] + sum(port.encode()))

    sources = {port: Source(dut, port, stall(port)) for port in ("i_job", "i_q", "i_k", "i_v")}
    fetch, output = Sink(dut, "o_fetch", stall("o_fetch")), Sink(dut, "o", stall("o"))
    await reset(dut)

    requests: list[tuple[int, int]] = []
    outputs: list[list[int]] = []
    ends: list[int] = []
    activity = bytearray()

    async def answer(port: str, vectors: list[int]) -> None:
        done = 0
        while True:
            while done == len(requests):
                await RisingEdge(dut.clk)
            job, block = requests[done]
            done += 1
            first, end = key_offset[job], key_offset[job + 1]
            for n in range(rank):
                position = block * rank + (rank - 1 - n if this["descending"] else n)
                await sources[port].send(vectors[first + position] if first + position < end else 0)

    async def take_requests() -> None:
        for job in (job for job, count in enumerate(this["blocks"]) for _ in range(count)):
            block = await fetch.receive()
            requests.append((job, block))

    async def take_outputs() -> None:
        for n in range(this["beats"]):
            beat = await output.receive()
            outputs.append(unpack_vector(beat, this["output_bits"], this["units"]))
            if beat >> (this["output_bits"] * this["units"]):
                ends.append(n)

    def moves(port: str) -> int:
        return int(getattr(dut, f"{port}__valid").value == 1 and getattr(dut, f"{port}__ready").value == 1)

    async def watch() -> None:
        while True:
            await RisingEdge(dut.clk)
            activity.append(
                moves("i_q")
                | moves("i_k") << 1
                | moves("i_v") << 2
                | int(dut.active.value == 1) << 3
                | int(dut.controller.pv_enable.value == 1) << 4
                | moves("o") << 5
            )

    for background in (answer("i_k", words["k"]), answer("i_v", words["v"]), watch()):
        cocotb.start_soon(background)
    await within(
        dut,
        this["cycles"],
        sources["i_job"].send_all(words["jobs"]),
        sources["i_q"].send_all(words["q"]),
        take_requests(),
        take_outputs(),
    )
    np.savez(
        this["out"],
        outputs=np.array(outputs, dtype=np.int64),
        ends=np.array(ends, dtype=np.int64),
        activity=np.frombuffer(bytes(activity), dtype=np.uint8),
        requests=np.array([block for _, block in requests], dtype=np.int64),
    )
