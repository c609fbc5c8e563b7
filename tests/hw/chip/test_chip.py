"""Whole chips against the golden model: jobs, traffic, faults, refusals, aborts and resets."""

import random
from dataclasses import asdict, replace
from pathlib import Path

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiResp
from tests.cases import ALL, SHARE, one_in, part

from fusioncim.chip.registers import registers
from fusioncim_golden import job as golden
from fusioncim_golden.descriptor import Pages, Sequence
from fusioncim_golden.mask import CAUSAL, EVERY, FULL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.axi_memory import Fault
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.chip_bench import Bench
from fusioncim_sim.rtl.chip_run import ChipJob, simulate_chip
from fusioncim_sim.rtl.job_places import Paging
from fusioncim_sim.rtl.stream import reset, within
from fusioncim_sim.system.cycles import Memory
from fusioncim_sim.system.cycles import run as modelled

TINY, SMALL = PRESETS["tiny"], PRESETS["small"]
REACHES = (4, 1, 64, 8)
HERE = (Path(__file__).stem, Path(__file__).parent)


def operands(seed, kv_heads, group, queries, keys, chip=TINY):
    """Random operands, one `Heads` per key and value head: q in -1..1, k in -reach..reach of the head.

    A reach of 1 spreads the weights evenly over all keys, 4 over many; 64 leaves one.
    """
    rng = np.random.default_rng(seed)
    limit = (1 << (chip.engine.operand_bits - 1)) - 1

    def draw(*shape):
        return rng.integers(-limit, limit + 1, (*shape, chip.engine.columns))

    reaches = [REACHES[(seed + n) % len(REACHES)] for n in range(kv_heads)]
    return [
        from_integers(draw(group, queries), draw(keys), draw(keys), scale_q=1 / limit, scale_k=reach / limit)
        for reach in reaches
    ]


JOBS = {
    # kv_heads, group, queries, keys, mask, start, layout
    "prefill": (1, 1, 37, 37, CAUSAL, None, "head"),
    "grouped": (2, 3, 11, 33, CAUSAL, None, "token"),
    "multi_query": (1, 5, 9, 9, CAUSAL, None, "head"),
    "full": (2, 2, 5, 12, FULL, None, "token"),
    "decode": (3, 4, 2, 61, CAUSAL, None, "head"),
    "chunk": (1, 2, 13, 50, CAUSAL, 17, "head"),
    "one": (1, 1, 1, 1, CAUSAL, None, "token"),
    "beyond": (1, 2, 20, 7, CAUSAL, 3, "head"),
    "full_chunk": (1, 1, 18, 40, FULL, 11, "head"),
    "window": (2, 2, 40, 40, Mask(window=9), None, "head"),
    "both_sides": (1, 2, 30, 30, Mask(window=6, ahead=5), None, "token"),
    "chunked": (1, 1, 40, 45, Mask(chunk=16), None, "head"),
    "blocks": (1, 2, 21, 40, Mask(chunk=8, ahead=EVERY), 3, "head"),
    "prefix": (1, 1, 33, 33, Mask(prefix=10), None, "head"),
    "image": (2, 1, 33, 33, Mask(window=7, prefix=10), None, "token"),
    "behind": (1, 2, 30, 9, Mask(window=5), 0, "head"),
    "decode_window": (2, 4, 1, 61, Mask(window=20), None, "head"),
}
SEVERAL = [name for name, job in JOBS.items() if job[4] in (CAUSAL, FULL)]
"""Without windows, chunks and prefixes, which go to the chips that differ in the order of the blocks."""
LEAST = {"add": 1900, "rescale": 100, "halve": 3, "skip": 1200}
"""Of all these jobs together: additions are the rule, as they are in attention."""


def jobs_of(names, chip=TINY):
    return [
        ChipJob(
            groups=operands(n, *JOBS[name][:4], chip), mask=JOBS[name][4], start=JOBS[name][5], layout=JOBS[name][6]
        )
        for n, name in enumerate(names)
    ]


def check(chip, jobs, run):
    """Every bit, every event and every byte, and none where there is no output."""
    assert run.statuses == [Status.OK] * len(jobs)
    assert run.stray == 0
    results = [golden.run(chip, job.groups, start=job.start, mask=job.mask) for job in jobs]
    for result, outputs in zip(results, run.outputs, strict=True):
        assert np.array_equal(result.out, outputs)
    counters = run.counters
    names = {"skipped_row_updates": "zero_row_updates"}
    for name in ("rescales", "halvings", "row_updates", "skipped_row_updates", "slots", "zero_slots"):
        assert counters[names.get(name, name)] == sum(getattr(result.events, name) for result in results), name
    moved = [golden.traffic(chip, image.work) for image in run.images]
    for name in vars(moved[0]):
        assert counters[name] == sum(getattr(traffic, name) for traffic in moved), name
    assert counters["buffer_writes"] == counters["buffer_reads"] <= counters["deliveries"]
    idle = sum(value for name, value in counters.items() if name.startswith("idle_"))
    assert counters["mac_cycles"] == counters["slots"] * chip.engine.block_cycles
    assert counters["mac_cycles"] + idle == chip.engines * counters["cycles"]


def check_exercised(jobs, counters, least):
    """The jobs do all that a row can do: add, rescale, halve and skip, each at least so often.

    Of the blocks that a row adds, its first is a load, and one that moves its reference a rescale.
    """
    rows = sum(len(group.q) * group.q.shape[1] for job in jobs for group in job.groups)
    loaded = rows + counters["rescales"]
    done = {
        "add": counters["row_updates"] - counters["zero_row_updates"] - loaded,
        "rescale": counters["rescales"],
        "halve": counters["halvings"],
        "skip": counters["zero_row_updates"],
    }
    assert all(done[name] >= count for name, count in least.items()), done


def run_and_check(chip, names, *, least=LEAST, memory=None, **options):
    """Run jobs and check all of it; memory: as the cycle model takes it, whose counters must be the chip's then."""
    jobs = jobs_of(names, chip)
    run = simulate_chip(chip, jobs, **options)
    check(chip, jobs, run)
    check_exercised(jobs, run.counters, least)
    if memory is not None:
        assert (
            asdict(modelled(chip, [image.descriptor for image in run.images], memory)).items() <= run.counters.items()
        )
    return run


@pytest.mark.parametrize("stall", part(["never", "randomly", "bursts"], "randomly"))
def test_jobs_back_to_back(stall):
    run_and_check(TINY, JOBS, stall=stall, cycles=60_000)


VARIANTS = {
    "in_order": {"schedule": "in_order"},
    "sink_first": {"schedule": "sink_first", "engines": 4},
    "folded": {"schedule": "folded", "engines": 4, "words": 4},
    "folded_one_word": {"schedule": "folded", "engines": 2},
    "folded_many_words": {"schedule": "folded", "engines": 2, "words": 8, "update_rank": 1},
    "one_engine": {"engines": 1, "buffer_bytes": 256},
    "four_engines": {"engines": 4, "words": 4},
    "int4": {"operand_bits": 4, "softmax_lanes": 2, "accumulator_bits": 18, "slack": 2, "flush": 10},
    "seeded": {"seed": True, "slack": 0, "engines": 4, "accumulator_bits": 21},
    "seeded_four_words": {"seed": True, "slack": 0, "engines": 1, "words": 4, "accumulator_bits": 21},
    "wide_bus": {"bus_bits": 128, "update_rank": 1, "engines": 4},
    "int8_out": {"output_bits": 8},
}


@pytest.mark.parametrize("name", part(VARIANTS, "folded_many_words", "int4"))
def test_configurations(name):
    jobs = JOBS if "schedule" in VARIANTS[name] else SEVERAL
    run_and_check(TINY.override(**VARIANTS[name]), jobs, stall="never", latency=5, cycles=60_000)


FEW = {"rows": 2, "accumulator_bits": 18, "slack": 0, "flush": 9}
LARGE = {
    # more than four engines, a wide bus, blocks of four and more keys
    "eight_engines": {
        "engines": 8,
        "streams": 2,
        "columns": 64,
        "update_rank": 8,
        "bus_bits": 512,
        "buffer_bytes": 1 << 12,
        **FEW,
    },
    "sixteen_engines": {
        "engines": 16,
        "streams": 8,
        "columns": 32,
        "update_rank": 4,
        "bus_bits": 256,
        "schedule": "folded",
        **FEW,
    },
}


@pytest.mark.skipif(not ALL, reason="takes minutes: make test-chips")
@pytest.mark.parametrize("name", LARGE)
def test_large(name):
    """Every bit as the golden model, every cycle as the cycle model."""
    memory = Memory(latency=30)
    least = {"add": 200, "rescale": 100, "halve": 5, "skip": 60}
    names = ["grouped", "decode", "chunk"]
    run_and_check(
        TINY.override(**LARGE[name]), names, least=least, memory=memory, latency=memory.latency, cycles=60_000
    )


@pytest.mark.skipif(not ALL, reason="takes long: make test-chips")
def test_small():
    jobs = [ChipJob(groups=operands(1, 1, 3, 24, 24, SMALL)), ChipJob(groups=operands(2, 2, 2, 3, 40, SMALL))]
    check(SMALL, jobs, simulate_chip(SMALL, jobs, cycles=20_000))


def test_slow_memory_and_small_buffer():
    chip = TINY.override(buffer_bytes=256)
    run = run_and_check(
        chip, ["prefill", "decode"], least={"add": 100, "skip": 100}, share=0.3, latency=100, cycles=60_000
    )
    assert run.counters["idle_memory"] > run.counters["mac_cycles"]


def test_a_write_elsewhere_is_seen():
    def change(_, descriptor):
        return replace(descriptor, o=replace(descriptor.o, address=descriptor.scales + 64))

    jobs = jobs_of(["one"])
    run = simulate_chip(TINY, jobs, change=change, cycles=5_000)
    assert run.statuses == [Status.OK]
    assert not run.outputs[0].any()
    written = golden.run(TINY, jobs[0].groups).out.astype("<i2").view(np.uint8)
    assert run.stray == np.count_nonzero(written) > 0


# Faults, refusals.


@pytest.mark.parametrize("response", one_in(2, [AxiResp.SLVERR, AxiResp.DECERR]))
def test_a_failing_beat_fails_its_job_alone(response):
    """One job per tensor with a bad beat in it, and a good one behind each."""
    jobs = jobs_of(["grouped", "one"] * 5)
    chip = TINY

    def faults(descriptors):
        beat = chip.bus_bytes
        places = [
            descriptors[0].q.address + beat,
            descriptors[2].k.address + 16 * descriptors[2].k.pitch,
            descriptors[4].v.address + beat,
            descriptors[6].scales,
            descriptors[8].o.address + 3 * descriptors[8].o.pitch + beat,
        ]
        return [Fault(start=place, stop=place + beat, response=response) for place in places]

    run = simulate_chip(chip, jobs, faults=faults, cycles=60_000, stall="randomly")
    assert run.stray == 0
    bad = [Status.READ_ERROR] * 4 + [Status.WRITE_ERROR]
    assert run.statuses == [status for pair in zip(bad, [Status.OK] * 5, strict=True) for status in pair]
    for job, outputs in list(zip(jobs, run.outputs, strict=True))[1::2]:
        assert np.array_equal(golden.run(chip, job.groups).out, outputs)


def refusals(descriptor):
    """Descriptors that break one rule each."""
    o = descriptor.o
    return {
        Status.SIZE: [replace(descriptor, **{name: 0}) for name in ("queries", "keys", "heads", "kv_heads")]
        + [replace(descriptor, heads=257, kv_heads=257)],
        Status.HEADS: [replace(descriptor, heads=5), replace(descriptor, heads=1)],
        Status.DIMENSION: [replace(descriptor, dimension=n) for n in (0, 12, 24)],
        Status.FORMAT: [replace(descriptor, output_bits=8)],
        Status.MASK: [replace(descriptor, mask=Mask(chunk=3))],
        Status.POSITION: [replace(descriptor, start=(1 << 20) - 5)],
        Status.BATCH: [replace(descriptor, sequences=1025, start=0)],
        Status.PAGING: [replace(descriptor, pages=Pages(list=0, tokens=3, count=1, k_pitch=0, v_pitch=0))],
        Status.ALIGNMENT: [
            replace(descriptor, q=replace(descriptor.q, address=descriptor.q.address + 4)),
            replace(descriptor, o=replace(o, pitch=o.pitch + 1)),
            replace(descriptor, scales=descriptor.scales + 4),
        ],
        Status.ADDRESS: [
            replace(descriptor, k=replace(descriptor.k, address=(1 << 32) - 64)),
            replace(descriptor, v=replace(descriptor.v, pitch=1 << 31)),
            replace(descriptor, o=replace(o, head_pitch=(1 << 32) - 8)),
        ],
        Status.OVERLAP: [
            replace(descriptor, o=replace(o, address=descriptor.q.address)),
            replace(descriptor, o=replace(o, address=descriptor.v.address)),
            replace(descriptor, o=replace(o, address=descriptor.scales)),
            replace(descriptor, o=replace(o, pitch=TINY.output_bytes)),
        ],
    }


def test_descriptors_that_break_a_rule_are_refused_before_anything_is_written():
    jobs = jobs_of(["grouped", "one"] * 25)
    wanted = []

    def change(n, descriptor):
        every = [(status, bad) for status, cases in refusals(descriptor).items() for bad in cases]
        assert len(every) == len(jobs) // 2
        status, bad = (Status.OK, descriptor) if n % 2 else every[n // 2]
        assert bad.status(TINY) == status
        wanted.append(status)
        return bad

    run = simulate_chip(TINY, jobs, change=change, cycles=200_000)
    assert run.statuses == wanted
    assert run.stray == 0
    for job, outputs, status in zip(jobs, run.outputs, wanted, strict=True):
        expected = golden.run(TINY, job.groups).out if status == Status.OK else np.zeros_like(outputs)
        assert np.array_equal(expected, outputs)


# Aborts and resets.


@cocotb.test()
async def survives_aborts_and_resets(dut):
    """Stop a job in every phase, while registers are read, and run the next one."""
    this = case()
    bench = Bench(dut, this)
    image = bench.images[0]
    expected = np.array(this["expected"])
    rng = random.Random(this["seed"])
    await reset(dut)
    offsets = [register.offset for register in registers().values()]

    async def look_around():
        while True:
            offset = rng.choice([*offsets, 0xFF0])
            await bench.transport.master.read(offset, 4)
            await ClockCycles(dut.clk, rng.randrange(20))

    async def one(kind, cycles):
        await bench.driver.connect()
        numbers = [await bench.driver.submit(image.address) for _ in range(2)]
        await ClockCycles(dut.clk, cycles)
        if kind == "abort":
            await bench.driver.abort()
            statuses = [await bench.status(number) for number in numbers]
            assert set(statuses) <= {Status.OK, Status.ABORTED}
            assert sorted(statuses) == statuses
        else:
            dut.rst.value = 1
            await ClockCycles(dut.clk, 5)
            dut.rst.value = 0
            await ClockCycles(dut.clk, 5)
            await bench.driver.connect()
            assert await bench.driver.get("JOBS_SUBMITTED", "count") == 0
        bench.memory.bytes[image.descriptor.o.address : image.end] = 0
        table = image.descriptor.scales
        bench.memory.bytes[table : table + len(scales)] = scales
        await bench.driver.run(image.address)
        assert np.array_equal(image.outputs(bench.memory.bytes), expected), (kind, cycles)

    scales = bench.memory.bytes[image.descriptor.scales : image.end].copy()
    if this["kind"] == "abort":
        cocotb.start_soon(look_around())
    for cycles in this["points"]:
        await within(dut, 40_000, one(this["kind"], cycles))
    Path(this["out"]).write_text('{"statuses": [], "counters": {}}', encoding="utf-8")


STOPS = [("abort", 1), ("reset", 2), ("reset", 1), ("abort", 4)]


@pytest.mark.long
@pytest.mark.parametrize(("kind", "drain_rows"), one_in(4, STOPS))
def test_the_next_job_is_right_after_a_stop_at_any_moment(kind, drain_rows):
    jobs = jobs_of(["grouped"])
    simulate_chip(
        TINY.override(drain_rows=drain_rows),
        jobs,
        cycles=1,
        bench=(HERE[0], "survives_aborts_and_resets"),
        path=HERE[1],
        extra={
            "kind": kind,
            "points": [0, 40, 150, 300, 340, 400, 460, 520, 600, 700, 850, 1000, 1300][::SHARE],
            "expected": golden.run(TINY, jobs[0].groups).out.tolist(),
        },
    )


@pytest.mark.skipif(not ALL, reason="takes long: make test-chips")
@pytest.mark.parametrize("kind", ["abort", "reset"])
def test_the_next_job_is_right_after_a_stop_while_two_passes_are_open(kind):
    chip = TINY.override(walks=2, engines=4, schedule="folded")
    keys = (30, 44, 16, 37)
    steps = [Sequence(queries=1, keys=n, first_row=row, start=n - 1) for row, n in enumerate(keys)]
    job = ChipJob(groups=operands(5, 1, 4, len(keys), max(keys), chip), sequences=steps, paging=Paging(tokens=4))
    simulate_chip(
        chip,
        [job],
        cycles=1,
        bench=(HERE[0], "survives_aborts_and_resets"),
        path=HERE[1],
        extra={
            "kind": kind,
            "points": [300, 500, *range(600, 1150, 50), 1300][::SHARE],
            "expected": job.golden(chip).tolist(),
        },
    )


def test_jobs_at_the_end_of_a_large_memory():
    """Addresses of 40 bits: a job below 4 GiB, one across, and one whose record is far up."""
    chip = TINY.override(address_bits=40)
    jobs = [
        replace(job, base=base)
        for job, base in zip(jobs_of(["decode", "grouped", "decode"], chip), (0, (1 << 32) - 900, 1 << 39), strict=True)
    ]
    run = simulate_chip(chip, jobs, cycles=60_000)
    check(chip, jobs, run)
    addresses = [image.address for image in run.images]
    assert addresses[0] < 1 << 32 < addresses[1] < 1 << 39 < addresses[2]
    assert run.images[1].descriptor.q.address < 1 << 32
