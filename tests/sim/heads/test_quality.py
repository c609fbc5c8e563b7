"""The error of a head by what it comes from."""

import numpy as np
import pytest

from fusioncim_golden.config import Config
from fusioncim_golden.equalize import equalize
from fusioncim_golden.mask import CAUSAL, FULL
from fusioncim_golden.quantize import quantize
from fusioncim_golden.reference import attention
from fusioncim_golden.schedule import Job
from fusioncim_sim.heads.judge import judge_golden
from fusioncim_sim.heads.quality import head_quality, heads_quality
from fusioncim_sim.heads.read import Head

CONFIG = Config()


def head(name="a", dimension=64, queries=40, keys=40, dtype=float):
    rng = np.random.default_rng(3)
    return Head(name, *((9 * rng.normal(size=(n, dimension))).astype(dtype) / 9 for n in (queries, keys, keys)))


def sqnr(found, exact):
    return 10 * np.log10((exact**2).sum() / ((found - exact) ** 2).sum())


@pytest.mark.parametrize("dimension", [64, 20])
def test_operands_are_float_attention_on_what_is_quantized(dimension):
    one, job = head(dimension=dimension), Job(queries=40, keys=40)
    rewritten = equalize(one.q[None], one.k, one.v)
    rounded = quantize(rewritten.q, rewritten.k, rewritten.v)
    q, k, v = rounded.q * rounded.scale_q[..., None], rounded.k * rounded.scale_k, rounded.v * rounded.scale_v
    found = rewritten.outputs(attention(q, k, v, job))
    expected = sqnr(found, attention(one.q[None], one.k, one.v, job))
    assert head_quality(CONFIG, one).operands == pytest.approx(expected)


def test_the_errors_are_those_of_the_other_commands():
    one = head()
    found, judged = head_quality(CONFIG, one), judge_golden(CONFIG, one)
    assert (found.engine, found.arithmetic) == (judged.sqnr_floats_db, judged.sqnr_integers_db)
    assert found.engine < min(found.operands, found.arithmetic)


def test_fewer_bits_of_operands_are_their_error_alone():
    one = head()
    eight, four = (head_quality(CONFIG.override(operand_bits=bits, softmax_lanes=8), one) for bits in (8, 4))
    assert four.operands < eight.operands - 15


def test_integers_have_the_error_of_the_arithmetic_alone():
    one = head()
    integers = Head("a", *((20 * x).astype(np.int8) for x in (one.q, one.k, one.v)))
    found = head_quality(CONFIG, integers)
    assert (found.operands, found.engine) == (None, None)
    assert found.arithmetic > 30


def test_the_mask_is_the_one_asked_for():
    one = head()
    causal, every = (heads_quality(CONFIG, [one], mask, jobs=1)[0] for mask in (CAUSAL, FULL))
    assert every.engine == judge_golden(CONFIG, one, causal=False).sqnr_floats_db != causal.engine
