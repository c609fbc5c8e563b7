"""Heads become groups and jobs by what they have in common, and their operands are those of all that share them."""

from dataclasses import replace

import numpy as np
import pytest

from fusioncim_golden.config import Config
from fusioncim_golden.equalize import equalize
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import MAX_HEADS
from fusioncim_golden.mask import CAUSAL, FULL
from fusioncim_golden.quantize import quantize
from fusioncim_sim.heads.captured import captured_heads
from fusioncim_sim.heads.grouping import jobs_of, sequence_jobs
from fusioncim_sim.heads.judge import judge_outputs
from fusioncim_sim.heads.read import Head

CONFIG = Config()


def head(name, seed=1, queries=6, keys=9, like=None, **values):
    rng = np.random.default_rng(seed)
    q, k, v = (rng.normal(size=(n, 64)) for n in (queries, keys, keys))
    return Head(name, q, like.k if like else k, like.v if like else v, **values)


def integers(one, **values):
    return replace(one, **{part: (40 * getattr(one, part)).astype(np.int8) for part in "qkv"}, **values)


def names(heads):
    return [[[one.name for one in group.heads] for group in job] for job in jobs_of(CONFIG, heads)]


A, B = head("a"), head("b", 2)
LONG = head("long", 3, keys=12)
CASES = {
    "apart": ([A, B], [[["a"], ["b"]]]),
    "shared": ([A, B, head("c", 4, like=A)], [[["a", "c"]], [["b"]]]),
    "two groups": ([A, B, head("c", 4, like=B), head("d", 5, like=A)], [[["a", "d"], ["b", "c"]]]),
    "lengths": ([A, LONG, B], [[["a"], ["b"]], [["long"]]]),
    "queries": ([A, head("c", 4, queries=5, like=A)], [[["a"]], [["c"]]]),
    "values": ([A, replace(A, name="c", v=B.v)], [[["a"], ["c"]]]),
    "kinds": ([A, integers(A, name="c")], [[["a"]], [["c"]]]),
    "scales of keys": ([integers(A), integers(A, name="c", scales=(1.0, 2.0, 1.0))], [[["a"], ["c"]]]),
    "scales of queries": ([integers(A), integers(A, name="c", scales=(0.5, 1.0, 1.0))], [[["a", "c"]]]),
    "sequences": (
        [replace(A, sequences=((2, 4), (4, 5))), replace(B, sequences=((2, 4), (4, 5))), replace(A, name="c")],
        [[["a"], ["b"]], [["c"]]],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_heads_are_grouped(case):
    heads, expected = CASES[case]
    assert names(heads) == expected


def test_a_job_has_as_many_heads_as_it_may():
    many = [head(f"{n:03}", n, queries=1, keys=1) for n in range(MAX_HEADS + 1)]
    assert [len(job) for job in names(many)] == [MAX_HEADS, 1]
    shared = [replace(one, k=A.k, v=A.v) for one in many]
    assert [[len(group) for group in job] for job in names(shared)] == [[MAX_HEADS], [1]]
    pairs = [head(f"{n:03}b", n, queries=1, like=one) for n, one in enumerate(many)]
    assert [len(job) for job in names([*many, *pairs])] == [MAX_HEADS // 2, MAX_HEADS // 2, 1]


def test_operands_are_equalized_by_all_heads_of_the_group():
    other = replace(head("c", 4, like=A), q=3 * head("c", 4).q)
    (group,) = jobs_of(CONFIG, [A, other])[0]
    rewritten = equalize(np.stack([A.q, other.q]), A.k, A.v)
    expected = quantize(rewritten.q, rewritten.k, rewritten.v, centred=True)
    for name in ("q", "k", "v", "mantissa", "shift"):
        assert np.array_equal(getattr(group.operands, name), getattr(expected, name)), name
    assert group.operands.centred
    assert not np.array_equal(A.quantized(CONFIG).k, expected.k)


def test_captured_heads_keep_the_operands_that_they_have_alone():
    heads = [one.first(40) for name in ("group0", "group1", "group2") for one in captured_heads(CONFIG, [name])]
    (group,) = jobs_of(CONFIG, heads)[0]
    for n, one in enumerate(heads):
        alone = one.quantized(CONFIG)
        assert np.array_equal(group.operands.q[n], alone.q[0])
        assert np.array_equal(group.operands.k, alone.k)
        assert np.array_equal(group.operands.v, alone.v)


@pytest.mark.parametrize("mask", [CAUSAL, FULL])
def test_a_head_of_sequences_is_judged_by_its_sequences(mask):
    """Float outputs as those of the sequences alone."""
    one = replace(A, sequences=((2, 4), (4, 5)))
    jobs = sequence_jobs(one, mask)
    assert [(job.queries, job.keys, job.mask) for job in jobs] == [(2, 4, mask), (4, 5, mask)]
    heads, zeros = one.quantized(CONFIG), np.zeros((6, 64), np.int64)
    errors = judge_outputs(CONFIG, one, heads, jobs, zeros, zeros)
    rewritten = one.equalized()
    exact = np.concatenate(
        [one.part(*part).unquantized_attention(job)[0] for part, job in zip(one.parts(), jobs, strict=True)]
    )
    lsb = heads.scale_v * rewritten.factor_v
    assert errors.max_error_floats_lsb == pytest.approx(np.abs((rewritten.mean_v - exact) / lsb).max())
    assert np.allclose(exact[2:], replace(A, q=A.q[2:], k=A.k[4:], v=A.v[4:]).unquantized_attention(jobs[1])[0])


def test_the_first_tokens_are_those_of_one_sequence():
    with pytest.raises(InputError, match="the first tokens must be those of one sequence, which a is not"):
        replace(A, sequences=((2, 4), (4, 5))).first(3)
