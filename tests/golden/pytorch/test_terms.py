"""Scales per token, slopes, sinks and log-sum-exp in the batched arithmetic: every bit as the golden model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fusioncim_golden import engine as golden
from fusioncim_golden.config import Config
from fusioncim_golden.mask import FULL, Mask
from fusioncim_golden.normalizer import NO_KEY
from fusioncim_golden.pytorch import engine
from fusioncim_golden.pytorch.events import Events
from fusioncim_golden.pytorch.operands import Operands
from fusioncim_golden.pytorch.segments import whole
from fusioncim_golden.quantize import Heads
from fusioncim_golden.schedule import Job
from fusioncim_golden.slopes import slope_words

CONFIGS = [
    {},
    {"schedule": "in_order"},
    {"schedule": "folded", "rows": 16, "words": 6, "seed": True},
    {"update_rank": 8, "probability_bits": 12, "accumulator_bits": 20},
    {"accumulator_bits": 16, "flush": 5, "probability_bits": 8},
    {"accumulator_bits": 32, "output_bits": 8, "slack": 0},
    {"operand_bits": 4, "softmax_lanes": 8},
    {"fraction_bits": 10, "lut_size": 512},
    {"fraction_bits": 4, "lut_size": 8, "flush": 3},
]
TERMS = {
    "scales": {"codes"},
    "powers of two": {"codes", "powers"},
    "slopes": {"slopes"},
    "sinks": {"sinks"},
    "everything": {"codes", "slopes", "sinks"},
    "INT4": {"codes", "packed"},
}


def random_heads(config: Config, job: Job, terms: set[str], seed: int) -> Heads:
    """Integers of full range, with every code that there may be."""
    random = np.random.default_rng(seed)
    limit = 1 << (config.operand_bits - 1)
    q, k, v = (
        random.integers(-limit, limit, shape)
        for shape in ((job.heads, job.queries, 64), (job.keys, 64), (job.keys, 64))
    )
    if "packed" in terms:
        k, v = k // 16 * 16, v // 16 * 16
    deepest = random.choice([1, 3, 16])
    codes = random.integers(0, 1 << 16, (job.keys, 2)) & ~(15 << 7) | random.integers(0, deepest, (job.keys, 2)) << 7
    shift = random.integers(13, 22, (job.heads, 1)) - (config.operand_bits == 4) * 8
    return Heads(
        q=q,
        k=k,
        v=v,
        mantissa=np.broadcast_to(random.integers(128, 256, (job.heads, 1)), q.shape[:2]),
        shift=np.broadcast_to(shift, q.shape[:2]),
        scale_q=np.ones(q.shape[:2]),
        scale_k=1.0,
        scale_v=1.0,
        softmax_scale=0.125,
        token_scales=codes if "codes" in terms else None,
        sinks=random.integers(-(1 << 15), 1 << 15, job.heads) // (1, 16, 512)[seed % 3] & 0xFFFF | 1 << 16
        if "sinks" in terms
        else None,
        slopes=slope_words(2.0 ** -np.arange(1, job.heads + 1)) if "slopes" in terms else None,
    )


def operands(heads: Heads, job: Job) -> Operands:
    """One job's integers."""
    query = np.arange(job.queries)

    def rows(x):
        return (
            None if x is None else torch.from_numpy(np.broadcast_to(x, (job.queries, job.heads)).reshape(1, -1).copy())
        )

    low, high = (torch.from_numpy(end.repeat(job.heads))[None].int() for end in job.interval(query))
    return Operands(
        q=torch.from_numpy(heads.q.swapaxes(0, 1).reshape(1, -1, 64).copy()).float(),
        k=torch.from_numpy(heads.k)[None].float(),
        v=torch.from_numpy(heads.v)[None].float(),
        mantissa=rows(heads.mantissa.T).int(),
        shift=rows(heads.shift.T).int(),
        low=low,
        high=high,
        segments=(whole(job),),
        group=job.heads,
        scale_q=rows(heads.scale_q.T),
        scale_k=torch.ones(1),
        scale_v=torch.ones(1, 64),
        mean_v=torch.zeros(1, 64),
        token_scales=None if heads.token_scales is None else torch.from_numpy(heads.token_scales)[None].int(),
        sinks=rows(heads.sinks),
        slopes=rows(heads.slopes),
        position=rows(job.first_position() + query[:, None]).int(),
    )


def assert_equal(config: Config, heads: Heads, job: Job, engines: int = 1) -> None:
    """Outputs, log-sum-exp and events."""
    same, events = golden.run(config, heads, job, engines), Events()
    out, lse = (
        x[0].unflatten(0, (job.queries, job.heads)).transpose(0, 1).numpy()
        for x in engine.run(config, operands(heads, job), engines=engines, events=events)
    )
    assert np.array_equal(out, same.out)
    assert np.array_equal(lse, same.lse)
    for name in ("scores", "rescales", "halvings", "zero_probabilities", "slots", "additions"):
        assert getattr(events, name) == getattr(same.events, name), name


@pytest.mark.parametrize("change", CONFIGS, ids=str)
@pytest.mark.parametrize("name", [name for name in TERMS if name != "INT4"])
def test_terms_are_those_of_the_golden_model(name, change):
    check(TERMS[name], **change)


def test_operands_of_a_packed_cache_are_those_of_the_golden_model():
    check(TERMS["INT4"])


def check(terms, **change):
    config = Config(**change, token_scale_bits=1 if "powers" in terms else 8, alibi=True)
    for seed, mask in enumerate((Mask(), FULL, Mask(window=9), Mask(window=20, ahead=7), Mask(chunk=16))):
        job = Job(queries=37, keys=53, heads=2, mask=mask)
        assert_equal(config, random_heads(config, job, terms, seed), job, engines=1 + seed % 2)


@pytest.mark.parametrize("name", ["scales", "sinks", "everything"])
def test_rows_that_see_no_key(name):
    config = Config(token_scale_bits=8, alibi=True)
    empty = np.array([[0, 12], [5, 5], [3, 9], [0, 0], [11, 12]])
    job = Job(queries=5, keys=12, heads=2, mask=FULL, intervals=empty)
    heads = random_heads(config, job, TERMS[name], 1)
    assert_equal(config, heads, job)
    result = engine.run(config, operands(heads, job))
    assert not result.out[0, 2:4].any()
    assert (result.lse[0, 2:4] == NO_KEY).all() == (heads.sinks is None)


@pytest.mark.parametrize("sink", [-(1 << 15), -300, 0, 300, (1 << 15) - 1])
def test_sinks_far_below_and_above_all_scores(sink):
    config, job = Config(), Job(queries=20, keys=40, heads=2)
    heads = replace(random_heads(config, job, set(), 2), sinks=np.array([sink & 0xFFFF | 1 << 16, 0]))
    assert_equal(config, heads, job)
