"""Engines with scales per token and slopes: every output bit against the golden model."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Const, Module, Signal
from amaranth.sim import Simulator
from tests.cases import one_in

from fusioncim.engine.token_scale import kept_scales, scales_layout
from fusioncim_golden import engine as golden
from fusioncim_golden.mask import CAUSAL, EVERY, FULL, Mask
from fusioncim_golden.presets import preset
from fusioncim_golden.quantize import quantize
from fusioncim_golden.scale_table import pack_scales
from fusioncim_golden.schedule import Job
from fusioncim_sim.rtl.engine_run import simulate_jobs

TINY = preset("tiny").alone()
SCALES = {"token_scale_bits": 8, "update_rank": 4, "columns": 32}
PORTS = ("i_tile", "i_q", "i_block", "i_kv", "o")

CONFIGS = {
    "scales": SCALES,
    "scales_rank_8": {**SCALES, "update_rank": 8, "columns": 64, "seed": True},
    "scales_int4": {**SCALES, "operand_bits": 4, "softmax_lanes": 2, "probability_bits": 7},
    "scales_int4_rank_8": {**SCALES, "operand_bits": 4, "softmax_lanes": 2, "update_rank": 8, "drain_rows": 2},
    "scales_wide": {**SCALES, "update_rank": 8, "columns": 64, "probability_bits": 12, "accumulator_bits": 32},
    "powers_of_two": {**SCALES, "token_scale_bits": 1},
    "powers_of_two_int4_rank_8": {
        **SCALES, "token_scale_bits": 1, "operand_bits": 4, "softmax_lanes": 2, "update_rank": 8,
    },
    "slopes": {"alibi": True},
    "slopes_int4_rank_1": {"alibi": True, "operand_bits": 4, "softmax_lanes": 2, "update_rank": 1, "columns": 8},
    "powers_of_two_and_slopes": {**SCALES, "token_scale_bits": 1, "alibi": True},
    "both": {**SCALES, "alibi": True},
    "both_int4_rank_8": {**SCALES, "alibi": True, "operand_bits": 4, "softmax_lanes": 2, "update_rank": 8},
    "both_fine": {**SCALES, "alibi": True, "fraction_bits": 10, "lut_size": 1024, "softmax_lanes": 4, "slack": 0},
}  # fmt: skip
JOBS = [
    Job(queries=21, keys=21, heads=2),
    Job(queries=3, keys=37, heads=4, mask=FULL),
    Job(queries=9, keys=30, heads=3, start=14, mask=Mask(window=7, ahead=4)),
    Job(queries=1, keys=1, heads=1),
    Job(queries=10, keys=6, heads=2, start=3, mask=Mask(chunk=4, prefix=3)),
    Job(queries=7, keys=26, heads=2, start=60000, mask=Mask(window=EVERY)),
]


def random_heads(rng, config, job, sharpness):
    """Heads with codes that may be anything, with slopes, with both or with neither, as far as the engine has them."""
    q = rng.normal(size=(job.heads, job.queries, config.columns)) * sharpness
    heads = quantize(q, *rng.normal(size=(2, job.keys, config.columns)), bits=config.operand_bits)
    if config.token_scale_bits and rng.random() < 0.7:
        codes = rng.choice([0x07F, 0x7FF, 0, 0x100, -1], (job.keys, 2), p=[0.3, 0.1, 0.2, 0.2, 0.2])
        codes = np.where(codes < 0, rng.integers(0x10000, size=codes.shape), codes)
        heads = replace(heads, token_scales=codes)
    if config.alibi and rng.random() < 0.7:
        slopes = pack_scales(rng.integers(128, 256, job.heads), rng.integers(7, 20, job.heads))
        heads = replace(heads, slopes=np.where(rng.random(job.heads) < 0.2, 0, slopes))
    return heads


@pytest.mark.parametrize("name", one_in(2, CONFIGS))
def test_jobs_with_and_without_follow_each_other(name):
    config = TINY.override(**CONFIGS[name])
    rng = np.random.default_rng(len(name))
    jobs = [(random_heads(rng, config, job, rng.choice([1.0, 4.0, 12.0])), job) for job in JOBS * 2]
    kinds = {(heads.token_scales is not None, heads.slopes is not None) for heads, _ in jobs}
    assert len(kinds) == (2 if config.token_scale_bits else 1) * (2 if config.alibi else 1)
    stall = dict.fromkeys(PORTS, "randomly") if name.startswith("both") else None
    run = simulate_jobs(config, jobs, stall=stall, seed=1)
    for (heads, job), outputs in zip(jobs, run.outputs, strict=True):
        assert np.array_equal(outputs, golden.run(config, heads, job).out), job


def test_jobs_without_them_have_the_bits_of_an_engine_without_them():
    config = TINY.override(update_rank=4, columns=32)
    rng = np.random.default_rng(2)
    jobs = [(random_heads(rng, config, job, 4.0), job) for job in JOBS]
    plain = simulate_jobs(config, jobs)
    found = simulate_jobs(config.override(token_scale_bits=8, alibi=True), jobs)
    for one, other in zip(plain.outputs, found.outputs, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("code", [0x07F, 0x7FF])
def test_the_largest_and_the_smallest_scales_of_all_tokens(code):
    config = TINY.override(**SCALES)
    job = Job(queries=8, keys=40, mask=CAUSAL)
    heads = random_heads(np.random.default_rng(3), TINY.override(update_rank=4, columns=32), job, 4.0)
    heads = replace(heads, token_scales=np.full((40, 2), code))
    (outputs,) = simulate_jobs(config, [(heads, job)]).outputs
    assert np.array_equal(outputs, golden.run(config, heads, job).out)


@pytest.mark.parametrize(("bits", "expected"), [(8, 0x7A5 | 0x3C3 << 11), (1, 0xF | 7 << 4)])
def test_the_bits_of_a_word_that_an_engine_keeps(bits, expected):
    config = TINY.override(token_scale_bits=bits)
    kept = Signal(scales_layout(config))
    m = Module()
    m.d.comb += kept.as_value().eq(kept_scales(config, Const(0xFFA5 | 0x83C3 << 16, 32)))
    simulator = Simulator(m)
    found = []

    async def look(ctx):
        await ctx.delay(1e-9)
        found.append(ctx.get(kept.as_value()))

    simulator.add_testbench(look)
    simulator.run()
    assert found == [expected]
