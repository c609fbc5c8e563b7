"""Log-sum-exp words as numbers, and the outputs of jobs over parts of the keys merged to those of one."""

from dataclasses import replace

import numpy as np
import pytest

from fusioncim_golden.config import Config
from fusioncim_golden.engine import run
from fusioncim_golden.lse import LSE_ERROR, log2_sum_exp, log_sum_exp, merge
from fusioncim_golden.mask import FULL
from fusioncim_golden.metrics import in_lsb
from fusioncim_golden.normalizer import NO_KEY
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import LOG2_E, quantize
from fusioncim_golden.reference import dequantized_attention
from fusioncim_golden.schedule import Job
from fusioncim_golden.sinks import sinks_of

CONFIGS = {
    "small": Config(),
    "paper": PRESETS["paper"].alone(),
    "fine": Config(probability_bits=12, accumulator_bits=32, fraction_bits=10, lut_size=1024, flush=14),
}
SUM_ERROR = {"small": 0.015, "paper": 0.02, "fine": 0.002}
"""By how much of itself the engine's own sum of weights is off, at most: a step of the scores, and rounding of p."""


def heads_of(seed, keys, *, columns=64, size=1.0, queries=24, heads=2):
    random = np.random.default_rng(seed)
    k, v = random.normal(0, 1, (2, keys, columns))
    return quantize(random.normal(0, size, (heads, queries, columns)), k, v)


def over(config, heads, keys):
    """Outputs in units of V's LSB, and log-sum-exp, of a job over some of the keys."""
    part = replace(heads, k=heads.k[keys], v=heads.v[keys])
    result = run(config, part, Job(queries=heads.q.shape[1], keys=len(part.k), heads=len(heads.q), mask=FULL))
    return in_lsb(config, result.out), log_sum_exp(result.lse)


def scores_of(heads):
    """Log2 scores of all keys, exact."""
    return (heads.q @ heads.k.T) * (heads.mantissa * 0.5**heads.shift)[..., None]


def test_words_are_numbers():
    words = np.array([NO_KEY, 0, 3 << 12 | 2048, (1 << 32) - (5 << 12), NO_KEY | 1, NO_KEY - 1])
    middle = np.log2([1 + 0.5 / 4096, 1.5 + 0.5 / 4096, 1 + 0.5 / 4096, 1 + 1.5 / 4096, 2 - 0.5 / 4096])
    expected = [-np.inf, *(np.array([0, 3, -5, -(1 << 19), (1 << 19) - 1]) + middle)]
    assert np.allclose(log2_sum_exp(words), expected, rtol=0, atol=1e-10)
    assert np.allclose(log_sum_exp(words) * LOG2_E, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(("keys", "size"), [(1, 1), (7, 3), (300, 1), (300, 6), (1200, 0.2)])
@pytest.mark.parametrize("sink", [None, -4.0, 0.5, 9.0])
def test_log_sum_exp_is_that_of_the_scores(name, keys, size, sink):
    config = CONFIGS[name]
    heads = heads_of(1, keys, columns=config.columns, size=size)
    exact = np.exp2(scores_of(heads)).sum(axis=-1)
    if sink is not None:
        heads = replace(heads, sinks=sinks_of(np.array([sink, sink / 2])))
        exact += np.exp([sink, sink / 2])[:, None]
    _, found = over(config, heads, slice(None))
    assert np.abs(np.exp(found - np.log(exact)) - 1).max() <= SUM_ERROR[name] + LSE_ERROR


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(
    ("size", "cuts"), [(1, [128]), (4, [40]), (4, [1, 2, 200]), (0.1, [64, 128, 192]), (12, [250])]
)
@pytest.mark.parametrize("sink", [False, True])
def test_parts_of_the_keys_merged_are_one_job(name, size, cuts, sink):
    config = CONFIGS[name]
    heads = heads_of(2, 256, columns=config.columns, size=size)
    job = Job(queries=24, keys=256, heads=2, mask=FULL)
    with_sink = replace(heads, sinks=sinks_of(np.array([2.0, 5.0]))) if sink else heads
    parts = [slice(low, high) for low, high in zip([0, *cuts], [*cuts, 256], strict=True)]
    found = [over(config, with_sink if n == 0 else heads, each) for n, each in enumerate(parts)]
    out, lse = merge(*zip(*found, strict=True))
    one, one_lse = over(config, with_sink, slice(None))
    x = scores_of(heads)
    there = np.exp2(x).sum(axis=-1)
    share = there / (there + np.exp([2.0, 5.0])[:, None]) if sink else np.ones_like(there)
    exact = dequantized_attention(heads, job) * share[..., None]
    # No worse than one job, whose error the merged parts have each.
    error, alone = np.abs(out - exact).max(), np.abs(one - exact).max()
    assert error <= 1
    assert error <= 2 * alone + 0.1
    assert np.abs(out - one).max() <= 1.2
    assert np.abs(np.exp(lse - one_lse) - 1).max() <= 2 * SUM_ERROR[name] + 2 * LSE_ERROR


def test_merging_keeps_its_stated_bound():
    """Against the same parts merged by the sums that words cut off, for two parts and more, of any weights."""
    random = np.random.default_rng(3)
    worst = 0.0
    for parts in (2, 3, 8):
        sums = np.exp2(random.uniform(-3, 3, (parts, 4000)))
        fraction = np.floor((sums / 2 ** np.floor(np.log2(sums)) - 1) * 4096)
        words = np.floor(np.log2(sums)).astype(np.int64) << 12 & (1 << 32) - 1 | fraction.astype(np.int64)
        outs = random.choice([-127.0, 127.0], (parts, 4000, 3))
        out, lse = merge(list(outs), list(log_sum_exp(words)))
        exact = np.einsum("pn,pnc->nc", sums / sums.sum(axis=0), outs)
        bound = LSE_ERROR * (outs.max(axis=0) - outs.min(axis=0)) / (2 if parts == 2 else 1)
        error = np.abs(out - exact)
        assert (error <= bound + 1e-9).all()
        assert np.abs(np.exp(lse) / sums.sum(axis=0) - 1).max() <= LSE_ERROR * (1 + 1e-9)
        worst = max(worst, float((error / np.maximum(bound, 1e-9)).max()))
    assert worst > 0.7  # the bound is not wide


def test_parts_without_a_key_weigh_nothing():
    out, lse = merge([np.full((2, 3), 7.0), np.zeros((2, 3))], [np.array([1.5, -np.inf]), np.full(2, -np.inf)])
    assert out.tolist() == [[7.0] * 3, [0.0] * 3]
    assert lse.tolist() == [1.5, -np.inf]
