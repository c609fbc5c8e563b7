"""Aborts in every cycle of jobs that pass every state, and resets in the middle of bursts: the next job is right."""

import asyncio
from dataclasses import replace
from pathlib import Path

import cocotb
import numpy as np
import pytest
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from tests.cases import ALL

from fusioncim_golden.descriptor import Sequence
from fusioncim_golden.mask import CAUSAL, FULL
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.sinks import sinks_of
from fusioncim_golden.status import Status
from fusioncim_sim.library.binding import ChipModel, Registers
from fusioncim_sim.library.build import build_library
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.chip_bench import Bench
from fusioncim_sim.rtl.chip_run import ChipJob, placed_jobs, simulate_chip
from fusioncim_sim.rtl.driver import Driver
from fusioncim_sim.rtl.job_places import Paging
from fusioncim_sim.rtl.job_queue import ended, run_all
from fusioncim_sim.rtl.sparse_file import contents
from fusioncim_sim.rtl.stream import CLOCK_NS, reset, within

TINY = PRESETS["tiny"]
STATES = {
    "checker": 12,
    "walk": 7,
    "reciprocal": 5,
    "lse": 3,
    "planner": 10,
    "query_loader": 8,
    "loader": 4,
}
"""Of every state machine by the instance that it is in."""
MOMENTS = [
    *(("ar", n) for n in (1, 2, 5, 9, 12)),
    *(("r", n) for n in (1, 3, 16, 20, 30, 41, 55, 70, 90, 100)),
    *(("aw", n) for n in (1, 2, 3)),
    *(("w", n) for n in (1, 2, 3, 5, 8)),
    *(("b", n) for n in (1, 2, 3)),
]
"""Of a reset: the cycle in which a channel of the bus is valid the n-th time in a job."""
HERE = (Path(__file__).stem, Path(__file__).parent)


def job(seed, group, queries, keys, **options):
    """Random operands, one key and value head; half of the query heads have a sink."""
    rng = np.random.default_rng(seed)
    shapes = (group, queries, 16), (keys, 16), (keys, 16)
    heads = from_integers(*(rng.integers(-127, 128, shape) for shape in shapes), scale_q=1 / 127, scale_k=4 / 127)
    words = sinks_of(rng.normal(0, 4, (1, group)))[0] * (np.arange(group) % 2)
    return ChipJob(groups=[replace(heads, sinks=words)], **options)


BATCH = (Sequence(queries=2, keys=6, start=4), Sequence(queries=3, keys=9, first_row=2, first_key=8, start=6))
JOBS = {
    "plain": [job(1, 2, 5, 13, mask=CAUSAL, layout="token")],
    "paged batch": [job(2, 2, 5, 17, sequences=BATCH, paging=Paging(tokens=4), lse=True)],
    "intervals": [job(3, 2, 9, 10, mask=FULL, intervals=np.array([[n // 2, n + 1] for n in range(9)]), lse=True)],
}


def expected(jobs):
    """Outputs and log-sum-exp words of jobs."""
    results = [job.result(TINY) for job in jobs]
    return [result.out for result in results], [result.lse for result in results]


@cocotb.test()
async def passes_states(dut):
    """Note the states of every machine while jobs run."""
    this = case()
    bench = Bench(dut, this)
    await reset(dut)
    machines = {name: found(dut, name) for name in STATES}
    seen = {name: set() for name in STATES}

    async def look():
        while True:
            await RisingEdge(dut.clk)
            for name, states in machines.items():
                seen[name].update(int(state.value) for state in states)

    looking = cocotb.start_soon(look())
    await within(dut, 60_000, run_all(bench.driver, [image.address for image in bench.images]))
    looking.cancel()
    assert {name: len(states) for name, states in seen.items()} == STATES
    Path(this["out"]).write_text('{"statuses": [], "counters": {}}', encoding="utf-8")


def found(dut, name):
    """The registers of the machines of this name, anywhere below."""
    states, todo = [], [dut]
    while todo:
        here = todo.pop()
        for inner in here:
            if hasattr(inner, "_discover_all"):
                todo.append(inner)
            elif inner._name == "fsm_state" and here._name.rsplit(".", 1)[-1].startswith(name):
                states.append(inner)
    return states


def test_the_jobs_pass_every_state():
    jobs = [each for group in JOBS.values() for each in group]
    simulate_chip(TINY, jobs, cycles=1, bench=(HERE[0], "passes_states"), path=HERE[1], simulator="icarus")


async def abort_everywhere(model, memory, driver, image, right):
    """Abort a job after every number of cycles until it ends before that, and run the next one; how often."""
    out, lse = right
    found = {Status.OK: 0, Status.ABORTED: 0}
    cycles = 0
    while True:
        number = await driver.submit(image.address)
        model.run(cycles)
        await driver.abort()
        status, _ = await ended(driver, number)
        found[status] += 1
        image.clear_outputs(memory)
        await driver.run(image.address)
        assert np.array_equal(image.outputs(memory), out), cycles
        assert lse is None or np.array_equal(image.lse(memory), lse), cycles
        if status == Status.OK:
            return found
        cycles += 1 if ALL else 5


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", JOBS)
def test_the_next_job_is_right_after_an_abort_in_every_cycle(name):
    jobs = JOBS[name]
    (out,), (lse,) = expected(jobs)
    with placed_jobs(TINY, jobs) as placed, ChipModel(build_library(TINY), TINY) as model:
        memory = model.map(contents(placed.after))
        driver = Driver(Registers(model, limit=100_000_000), TINY)
        (image,) = placed.images

        async def work():
            await driver.connect()
            return await abort_everywhere(model, memory, driver, image, (out, lse if jobs[0].lse else None))

        found = asyncio.run(work())
    print(name, found, model)
    assert found[Status.ABORTED] > 100


@cocotb.test()
async def resets_in_bursts(dut):
    """Reset in the middle of a job, and run it again; alone: the chip without its memory, and after an abort."""
    this = case()
    dut.rst.value = 1
    Clock(dut.clk, CLOCK_NS, unit="ns").start()
    await ClockCycles(dut.clk, 3)
    bench = Bench(dut, this)  # a memory that has no reset finds no unknown signal
    (image,), memory = bench.images, bench.memory.bytes
    await ClockCycles(dut.clk, 3)
    dut.rst.value = 0

    async def one(channel, count):
        await bench.driver.connect()
        number = await bench.driver.submit(image.address)
        valid = getattr(dut, f"m_axi_{channel}valid")
        left = count
        for _ in range(2000):
            if left:
                await RisingEdge(dut.clk)
                left -= int(valid.value)
        assert not left, (channel, count, left)
        if this["alone"]:
            await bench.driver.abort()
            assert (await ended(bench.driver, number))[0] in (Status.OK, Status.ABORTED)
        dut.rst.value = 1
        await ClockCycles(dut.clk, 2)
        dut.rst.value = 0
        await bench.driver.connect()
        image.clear_outputs(memory)
        await bench.driver.run(image.address)
        assert image.outputs(memory).tolist() == this["expected"]

    for channel, count in this["moments"]:
        await within(dut, 10_000, one(channel, count))
    Path(this["out"]).write_text('{"statuses": [], "counters": {}}', encoding="utf-8")


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("stall", ["never", *(["randomly"] if ALL else [])])
@pytest.mark.parametrize("alone", [False, True], ids=["with its memory", "alone after an abort"])
def test_the_next_job_is_right_after_a_reset_in_a_burst(alone, stall):
    jobs = JOBS["plain"]
    simulate_chip(
        TINY,
        jobs,
        cycles=1,
        stall=stall,
        bench=(HERE[0], "resets_in_bursts"),
        path=HERE[1],
        extra={
            "alone": alone,
            "memory_resets": not alone,
            "moments": MOMENTS if ALL else MOMENTS[::3],
            "expected": expected(jobs)[0][0].tolist(),
        },
    )
