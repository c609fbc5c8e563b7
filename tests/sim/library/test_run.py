"""The library of a chip: every bit as the golden model, every counter as in the benches, and what it refuses."""

from dataclasses import asdict

import numpy as np
import pytest

from fusioncim_golden.descriptor import Sequence
from fusioncim_golden.mask import CAUSAL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.status import Status
from fusioncim_sim.library.run import run_jobs
from fusioncim_sim.rtl.chip_run import ChipJob, simulate_chip
from fusioncim_sim.rtl.job_places import Paging
from fusioncim_sim.system.cycles import Memory
from fusioncim_sim.system.cycles import run as modelled

TINY, SMALL = PRESETS["tiny"], PRESETS["small"]
WIDE = TINY.override(bus_bits=128, read_ports=2, address_bits=64)
CHIPS = {"tiny": TINY, "two read ports": WIDE}


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


@pytest.mark.parametrize(("latency", "share"), [(30, 1.0), (2, 1.0), (3, 1.0), (7, 1.0), (30, 0.3)])
@pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
def test_counts_as_the_bench(chip, latency, share):
    """Golden outputs, and all counters of the cocotb bench, of a fast and of a slow memory."""
    jobs = jobs_of(chip)
    run = run_jobs(chip, jobs, latency=latency, share=share)
    assert_golden(chip, jobs, run)
    bench = simulate_chip(chip, jobs, latency=latency, share=share, simulator="icarus")
    assert run.counters == bench.counters


def test_counts_as_the_model():
    """The cycle model has every counter of a larger chip."""
    jobs = [ChipJob(groups=heads(SMALL, queries=40, keys=70), lse=True)] * 2
    run = run_jobs(SMALL, jobs)
    assert_golden(SMALL, jobs, run)
    works = [image.work for image in run.images]
    assert asdict(modelled(SMALL, works, Memory(latency=30))).items() <= run.counters.items()
