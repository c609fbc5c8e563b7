"""Random jobs on chips and engines in which every pair of classes of two parameters occurs (`make test-nightly`)."""

from dataclasses import replace

import numpy as np
import pytest
from tests.cases import ALL, part
from tests.hw.chip.right import assert_counted, assert_right
from tests.hw.chip.test_mixtures import operands, random_job

from fusioncim_golden import engine as golden
from fusioncim_golden.mask import CAUSAL, FULL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import quantize
from fusioncim_golden.schedule import Job
from fusioncim_golden.slopes import slope_words
from fusioncim_sim.coverage.array import stored
from fusioncim_sim.rtl.chip_run import ChipJob, simulate_chip
from fusioncim_sim.rtl.engine_run import simulate_jobs
from fusioncim_sim.rtl.job_places import Paging

CHIPS = dict(enumerate(stored()))
FEW_CHIPS, FEW_ENGINES = (7, 20), (27, 38)
"""With all tests these, which are small."""
STALLS = ("never", "randomly", "never", "bursts")
JOBS = 3 if ALL else 2

pytestmark = pytest.mark.timeout(1800)  # of what is wide, with nothing built


@pytest.mark.long
@pytest.mark.parametrize("number", part(CHIPS, *FEW_CHIPS))
def test_chip(number):
    """Every bit as the golden model, and every cycle as the cycle model where the bus does not stand still."""
    chip, rng = CHIPS[number], np.random.default_rng(number)
    jobs = [random_job(rng, chip) for _ in range(JOBS)]
    stall = STALLS[number % len(STALLS)]
    run = simulate_chip(chip, jobs, stall=stall, cycles=400_000)
    assert_right(chip, jobs, run)
    if stall == "never":
        assert_counted(chip, run)


@pytest.mark.long
@pytest.mark.parametrize("number", part(CHIPS, *FEW_ENGINES))
def test_engine(number):
    run_engine(CHIPS[number].alone(), number)


EDGES = {
    "least columns": {"columns": 4, "operand_bits": 4, "update_rank": 1, "softmax_lanes": 2},
    "most columns": {"columns": 1024, "update_rank": 16, "rows": 1},
}


@pytest.mark.parametrize("name", part(EDGES, "least columns"))
def test_engine_at_an_edge(name):
    run_engine(PRESETS["tiny"].alone().override(**EDGES[name]), 0)


@pytest.mark.skipif(not ALL, reason="takes minutes: make test-nightly")
def test_chip_at_its_edges():
    """As many engines, streams and words as there can be, the longest pages, few keys, a slope for every head."""
    chip = PRESETS["tiny"].override(
        engines=16, streams=16, words=16, rows=1, alibi=True, update_rank=8, columns=64, buffer_bytes=1 << 14
    )
    rng = np.random.default_rng(3)
    groups = operands(rng, chip, 2, 3, 2, 5, (64, 40), shared=False, kv_bits=0)
    slopes = slope_words(np.array([0.5, 0.25, 0.125]))
    jobs = [
        random_job(rng, chip),
        ChipJob(groups=[replace(heads, slopes=slopes) for heads in groups], start=1),
        ChipJob(groups=groups, paging=Paging(tokens=256)),
    ]
    run = simulate_chip(chip, jobs, cycles=400_000)
    assert_right(chip, jobs, run)
    assert_counted(chip, run)


def run_engine(config, number):
    """Every bit as the golden model, jobs behind each other."""
    rng = np.random.default_rng(number)
    jobs = []
    for mask in (CAUSAL, FULL, Mask(window=5), Mask(prefix=7))[:JOBS]:
        queries, keys, heads = (int(n) for n in rng.integers(1, (2 * config.rows, 40, 4)))
        job = Job(queries=queries, keys=keys, heads=heads, mask=mask)
        q = rng.normal(size=(heads, queries, config.columns)) * 2
        k, v = rng.normal(size=(2, keys, config.columns))
        jobs.append((quantize(q, k, v, bits=config.operand_bits), job))
    stall = STALLS[number % len(STALLS)]
    run = simulate_jobs(config, jobs, stall=dict.fromkeys(("i_kv", "o"), stall), seed=number)
    for (heads, job), outputs, lse in zip(jobs, run.outputs, run.lse, strict=True):
        expected = golden.run(config, heads, job)
        assert np.array_equal(expected.out, outputs)
        assert np.array_equal(expected.lse, lse)
