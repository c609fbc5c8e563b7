from math import exp, inf

import numpy as np
import pytest

from fusioncim_golden.config import Config
from fusioncim_golden.mask import CAUSAL, FULL
from fusioncim_golden.metrics import in_lsb, max_error, sqnr_db
from fusioncim_golden.quantize import Heads
from fusioncim_golden.reference import attention, dequantized_attention, visible
from fusioncim_golden.schedule import Job


def operands(seed, heads=2, queries=4, keys=6, columns=3):
    random = np.random.default_rng(seed)
    return [random.normal(size=shape) for shape in ((heads, queries, columns), (keys, columns), (keys, columns))]


@pytest.mark.parametrize(
    ("job", "seen"),
    [
        (Job(queries=3, keys=3), ["x..", "xx.", "xxx"]),
        (Job(queries=2, keys=3), ["xx.", "xxx"]),
        (Job(queries=3, keys=2), ["x.", "xx", "xx"]),
        (Job(queries=2, keys=4, start=0), ["x...", "xx.."]),
        (Job(queries=2, keys=4, start=5), ["xxxx", "xxxx"]),
        (Job(queries=2, keys=3, mask=FULL), ["xxx", "xxx"]),
    ],
)
def test_visible_keys(job, seen):
    assert ["".join("x" if see else "." for see in row) for row in visible(job)] == seen


@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize("job", [Job(queries=4, keys=6), Job(queries=4, keys=6, mask=FULL)])
def test_attention_is_its_formula(job, scale):
    q, k, v = operands(1)
    out = attention(q, k, v, job, scale)
    for head in range(2):
        for i in range(4):
            keys = range(i + 3 if job.mask == CAUSAL else 6)
            weights = [exp((scale or 3**-0.5) * sum(q[head, i] * k[n])) for n in keys]
            expected = sum(w * v[n] for w, n in zip(weights, keys, strict=True)) / sum(weights)
            assert out[head, i] == pytest.approx(expected, rel=1e-12)


def test_huge_scores_do_not_overflow():
    q, k, v = operands(2)
    assert np.isfinite(attention(1000 * q, 1000 * k, v, Job(queries=4, keys=6))).all()


def test_dequantized_attention_is_in_units_of_v():
    random = np.random.default_rng(3)
    q, k, v = (random.integers(-127, 128, shape) for shape in ((1, 4, 3), (6, 3), (6, 3)))
    scale_q = np.array([[0.01, 0.02, 0.03, 0.04]])
    one = np.ones((1, 4), np.int64)
    heads = Heads(q=q, k=k, v=v, mantissa=one, shift=one, scale_q=scale_q, scale_k=0.05, scale_v=7.0, softmax_scale=0.5)
    job = Job(queries=4, keys=6)
    assert np.allclose(dequantized_attention(heads, job), attention(q * scale_q[..., None], k * 0.05, v, job, 0.5))


@pytest.mark.parametrize(("bits", "lsb"), [(16, [1.0, -0.5, 127.99609375]), (8, [256.0, -128.0, 32767.0])])
def test_outputs_of_16_bits_have_8_fraction_bits(bits, lsb):
    assert in_lsb(Config(output_bits=bits), np.array([256, -128, 32767])).tolist() == lsb


@pytest.mark.parametrize(
    ("value", "reference", "sqnr", "largest"),
    [
        ([1.0, 2.0], [1.0, 2.0], inf, 0),
        ([11.0, 0.0], [10.0, 0.0], 20.0, 1),
        ([3.0, 4.5], [3.0, 4.0], 20.0, 0.5),
        ([0.0, -2.0], [0.0, 2.0], -6.0206, 4),
    ],
)
def test_distance_from_a_reference(value, reference, sqnr, largest):
    value, reference = np.array(value), np.array(reference)
    assert sqnr_db(value, reference) == pytest.approx(sqnr, abs=1e-4)
    assert max_error(value, reference) == largest


def test_dequantized_attention_has_the_scales_of_tokens_and_the_slopes():
    random = np.random.default_rng(4)
    q, k, v = (random.integers(-127, 128, shape) for shape in ((2, 4, 3), (6, 3), (6, 3)))
    codes = random.integers(0, 1 << 11, (6, 2))
    one = np.ones((2, 4), np.int64)
    heads = Heads(
        q=q, k=k, v=v, mantissa=one, shift=one, scale_q=0.01 * one, scale_k=0.05, scale_v=7.0, softmax_scale=0.5,
        token_scales=codes, slopes=np.array([192 | 9 << 8, 0]),
    )  # fmt: skip
    found = dequantized_attention(heads, Job(queries=4, keys=6))
    scale = [[(128 + int(c) % 128) / 2 ** (8 + int(c) // 128) for c in pair] for pair in codes]
    for head, slope in enumerate((192 / 512, 0)):
        for i in range(4):
            position = 2 + i
            x = [0.5 * sum(0.01 * q[head, i] * 0.05 * scale[n][0] * k[n]) for n in range(position + 1)]
            weights = [exp(each) * 2 ** -(slope * (position - n)) for n, each in enumerate(x)]
            total = sum(w * scale[n][1] * v[n] for n, w in enumerate(weights))
            assert found[head, i] == pytest.approx(total / sum(weights), rel=1e-12)
