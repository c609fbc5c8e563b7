"""The library of a chip: every bit is the golden model's, every counter that of the cycle model and of the benches."""

from dataclasses import asdict

import numpy as np
import pytest
from tests.cases import ALL, part

from fusioncim_golden.descriptor import Sequence
from fusioncim_golden.mask import CAUSAL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.status import Status
from fusioncim_sim.library.binding import ModelError
from fusioncim_sim.library.run import most_cycles, run_jobs
from fusioncim_sim.rtl.chip_run import ChipJob, simulate_chip
from fusioncim_sim.rtl.job_places import Paging
from fusioncim_sim.system.cycles import Memory
from fusioncim_sim.system.cycles import run as modelled

pytestmark = pytest.mark.timeout(1200)  # it may compile a chip

TINY = PRESETS["tiny"]
ONE = TINY.override(engines=1, streams=1)
CHIPS = {
    "tiny": TINY,
    "two read ports": TINY.override(bus_bits=128, read_ports=2, address_bits=64),
    "256 bits": ONE.override(columns=32, bus_bits=256),
    "1,024 bits": ONE.override(columns=128, bus_bits=1024, buffer_bytes=1 << 12),
    "small": PRESETS["small"],
}
"""A chip for every width of the bus that the memory treats in its own way."""
MEMORIES = {"default": (30, 1), "fastest": (2, 1), "3 cycles": (3, 1), "7 cycles": (7, 1), "slow": (30, 4)}
"""Latency, and cycles per beat."""
CASES = [(chip, memory) for chip in CHIPS for memory in MEMORIES if chip != "small" or memory == "default"]


def heads(chip, kv_heads=2, group=2, queries=9, keys=20):
    rng = np.random.default_rng(3)
    columns = chip.engine.columns
    shapes = (group, queries, columns), (keys, columns), (keys, columns)
    return [
        from_integers(*(rng.integers(-127, 128, shape) for shape in shapes), scale_q=1 / 127, scale_k=4 / 127)
        for _ in range(kv_heads)
    ]


def jobs_of(chip):
    batch = (Sequence(queries=4, keys=12, start=8), Sequence(queries=5, keys=8, first_row=4, first_key=12, start=2))
    return [
        ChipJob(groups=heads(chip), mask=CAUSAL, lse=True),
        ChipJob(groups=heads(chip), mask=Mask(window=5), layout="token", gap=16),
        ChipJob(groups=heads(chip), sequences=batch, paging=Paging(tokens=4)),
    ]


def assert_golden(chip, jobs, run):
    assert run.statuses == [Status.OK] * len(jobs)
    assert run.stray == 0
    for job, out, lse in zip(jobs, run.outputs, run.lse, strict=True):
        result = job.result(chip)
        assert np.array_equal(result.out, out)
        assert lse is None or np.array_equal(result.lse, lse)


@pytest.mark.parametrize(("name", "memory"), [case for case in CASES if ALL or case[0] == "tiny"])
def test_counts_as_the_model(name, memory):
    """Golden outputs, and all counters of the cycle model, of a fast and of a slow memory; and the limit is one."""
    chip, (latency, period) = CHIPS[name], MEMORIES[memory]
    jobs = jobs_of(chip)
    run = run_jobs(chip, jobs, latency=latency, share=1 / period)
    assert_golden(chip, jobs, run)
    works = [image.work for image in run.images]
    if memory in ("default", "slow"):  # the model has no shorter latencies
        counts = modelled(chip, works, Memory(latency=latency, period=period))
        assert asdict(counts).items() <= run.counters.items()
    assert 2 * run.cycles < most_cycles(chip, works, latency=latency, share=1 / period) < 1000 * run.cycles


@pytest.mark.parametrize(("name", "memory"), part(CASES, ("tiny", "7 cycles")))
def test_counts_as_the_bench(name, memory):
    """All counters of the cocotb bench."""
    chip, (latency, period) = CHIPS[name], MEMORIES[memory]
    jobs = jobs_of(chip)
    run = run_jobs(chip, jobs, latency=latency, share=1 / period)
    bench = simulate_chip(chip, jobs, latency=latency, share=1 / period, simulator="icarus")
    assert run.counters == bench.counters


def test_a_run_that_takes_too_long_is_ended():
    with pytest.raises(ModelError, match="the chip still works after 200 cycles"):
        run_jobs(TINY, jobs_of(TINY), cycles=200)


def test_the_run_says_how_long_it_took():
    run = run_jobs(TINY, jobs_of(TINY)[:1])
    assert run.cycles > run.counters["cycles"] > 0
    assert run.cycles_per_second == round(run.cycles / run.seconds)
    assert run.processor_seconds > 0
