"""Equalized operands: the same attention, columns of one range, and a smaller error after quantization."""

import numpy as np
import pytest

from fusioncim_golden.config import Config
from fusioncim_golden.engine import run
from fusioncim_golden.equalize import equalize
from fusioncim_golden.metrics import in_lsb, sqnr_db
from fusioncim_golden.quantize import quantize
from fusioncim_golden.reference import attention
from fusioncim_golden.schedule import Job
from fusioncim_sim.heads.read import fixture, load_heads

SMALL = Config()
HEADS = {head.name: head for head in load_heads(fixture(), SMALL)}


def floats(name, tokens=128):
    head = HEADS[name].first(tokens)
    return head.q[None].astype(np.float64), head.k.astype(np.float64), head.v.astype(np.float64)


@pytest.mark.parametrize("name", HEADS)
def test_attention_stays_the_same(name):
    q, k, v = floats(name)
    job = Job(queries=128, keys=128)
    q2, k2, v2, g, mean = equalize(q, k, v)
    assert attention(q2, k2, v2, job) * g + mean == pytest.approx(attention(q, k, v, job), abs=1e-12)


def test_columns_get_one_range():
    q, k, v, *_ = equalize(*floats("mixed"))
    assert np.abs(q).max(axis=(0, 1)) == pytest.approx(np.abs(k).max(axis=0))
    assert np.abs(v).max(axis=0) == pytest.approx(np.ones(64))
    for x in (k, v):
        assert x.mean(axis=0) == pytest.approx(np.zeros(64), abs=1e-12)


def test_columns_of_zeros_stay():
    q, k, v = floats("mixed", 8)
    for x in (q, k, v):
        x[..., 3] = 0
    assert all(np.isfinite(x).all() for x in equalize(q, k, v))


@pytest.mark.parametrize(("small", "large"), [(1e-300, 3e38), (1e-310, 1e-310), (0, 3e38)])
def test_numbers_near_nothing_stay_finite(small, large):
    q, k, v = floats("mixed", 8)
    for part in ((q * small, k * large, v), (q * large, k * small, v * small)):
        assert all(np.isfinite(x).all() for x in equalize(*part)[:3])


@pytest.mark.parametrize("name", HEADS)
def test_int8_loses_less(name):
    q, k, v = floats(name)
    job = Job(queries=128, keys=128)
    exact = attention(q, k, v, job)

    def error(heads, g, mean):
        return sqnr_db(in_lsb(SMALL, run(SMALL, heads, job).out) * heads.scale_v * g + mean, exact)

    *parts, g, mean = equalize(q, k, v)
    assert error(quantize(*parts), g, mean) > error(quantize(q, k, v, subtract_mean_k=True), 1, 0) - 0.1
