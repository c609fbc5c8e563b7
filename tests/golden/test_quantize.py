from math import frexp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusioncim_golden.errors import InputError
from fusioncim_golden.quantize import (
    LOG2_E,
    from_integers,
    from_tokens,
    operand_max,
    quantize,
    snap_scale,
    to_integer,
)
from fusioncim_golden.reference import attention, dequantized_attention
from fusioncim_golden.schedule import Job
from fusioncim_golden.token_scale import code_values


def gaussian(seed, heads=2, queries=9, keys=11, columns=16):
    random = np.random.default_rng(seed)
    return [random.normal(0, 2, shape) for shape in ((heads, queries, columns), (keys, columns), (keys, columns))]


def exact_scale(heads):
    return heads.scale_q * heads.scale_k * heads.softmax_scale * LOG2_E


@given(st.floats(2.0**-24, 255))
def test_snapping_up_gives_the_next_grid_value(c):
    mantissa, shift = snap_scale(np.array([c]), up=True)
    assert 128 <= mantissa[0] <= 255
    assert 0 <= shift[0] <= 31
    value = mantissa[0] * 0.5 ** shift[0]
    below = (mantissa[0] - 1 if mantissa[0] > 128 else 127.5) * 0.5 ** shift[0]
    assert below < c <= value
    assert value < 1.01 * c


@given(st.floats(2.0**-24, 254))
def test_snapping_to_the_nearest_errs_by_half_a_step_at_most(c):
    mantissa, shift = snap_scale(np.array([c]), up=False)
    assert 128 <= mantissa[0] <= 255
    step = 2.0 ** (frexp(c)[1] - 8)
    assert abs(mantissa[0] * 0.5 ** shift[0] - c) <= step / 2 <= c / 256


@pytest.mark.parametrize(
    ("c", "up", "expected"),
    [
        (1.0, True, (128, 7)),
        (1.0, False, (128, 7)),
        (1.001, True, (129, 7)),
        (1.001, False, (128, 7)),
        (1.999, True, (128, 6)),  # 255.9 / 2^7 carries to 256
        (1.999, False, (128, 6)),
        (1.99, False, (255, 7)),
        (255.0, True, (255, 0)),
        (254.1, True, (255, 0)),
        (2.0**-24, True, (128, 31)),
        (0.18034, True, (185, 10)),  # log2(e) / 8: 184.67 / 2^10
        (0.18, False, (184, 10)),  # 184.32 / 2^10
    ],
)
def test_snapping_vectors(c, up, expected):
    mantissa, shift = snap_scale(np.float64(c), up=up)
    assert (int(mantissa), int(shift)) == expected


@pytest.mark.parametrize(
    ("c", "message"),
    [
        ([0.0, 1.0], "the score scale must be positive and finite, not 0.0"),
        ([1.0, -2.0], "the score scale must be positive and finite, not -2.0"),
        ([np.nan], "the score scale must be positive and finite, not nan"),
        ([np.inf], "the score scale must be positive and finite, not inf"),
        (
            [1.0, 255.6],
            "the score scale q_scale * k_scale * softmax_scale * log2(e) must be from 2^-24 to 255, not 255.6",
        ),
        (
            [2.0**-26, 1.0],
            "the score scale q_scale * k_scale * softmax_scale * log2(e) must be from 2^-24 to 255, not 1.49012e-08",
        ),
    ],
)
def test_a_score_scale_without_a_grid_value_is_refused(c, message):
    with pytest.raises(InputError) as error:
        snap_scale(np.array(c), up=False)
    assert str(error.value) == message


def test_a_score_scale_below_the_grid_goes_up_to_its_first_value():
    mantissa, shift = snap_scale(np.array([2.0**-26, 2.0**-24, 1.0]), up=True)
    assert (mantissa * 0.5**shift).tolist() == [2.0**-24, 2.0**-24, 1.0]


@given(st.integers(0, 2**32 - 1), st.sampled_from(["head", "token"]), st.sampled_from([4, 8]), st.floats(1e-2, 3))
def test_the_query_scale_grows_until_the_score_scale_is_exact(seed, granularity, bits, size):
    q, k, v = gaussian(seed)
    q *= size
    heads = quantize(q, k, v, bits=bits, granularity=granularity)
    assert np.allclose(heads.mantissa * 0.5**heads.shift, exact_scale(heads), rtol=1e-14, atol=0)
    axis = 2 if granularity == "token" else (1, 2)
    ideal = np.abs(q).max(axis=axis, keepdims=True)[..., 0] / operand_max(bits)
    assert np.all(heads.scale_q >= ideal * (1 - 1e-12))
    assert np.all(heads.scale_q < ideal * 1.01)


@pytest.mark.parametrize(("bits", "limit"), [(8, 127), (4, 7)])
def test_operands_are_the_nearest_integers_in_the_symmetric_range(bits, limit):
    q, k, v = gaussian(3)
    heads = quantize(q, k, v, bits=bits)
    for x, integer, scale in (
        (q, heads.q, heads.scale_q[..., None]),
        (k, heads.k, heads.scale_k),
        (v, heads.v, heads.scale_v),
    ):
        assert integer.dtype == np.int64
        assert np.abs(integer).max() <= limit
        assert np.abs(integer * scale - x).max() <= np.max(scale) / 2 * (1 + 1e-9)
    assert np.abs(heads.k).max() == limit
    assert np.abs(heads.v).max() == limit
    assert heads.scale_k == pytest.approx(np.abs(k).max() / limit)
    assert heads.scale_v == pytest.approx(np.abs(v).max() / limit)


@pytest.mark.parametrize(
    ("x", "expected"), [(0.5, 0), (1.5, 2), (-2.5, -2), (126.6, 127), (127.6, 127), (-127.6, -127), (-1000, -127)]
)
def test_rounding_of_operands(x, expected):
    assert to_integer(np.array(x), 1.0, 8) == expected


def test_scales_belong_to_the_head_or_to_the_token():
    q, k, v = gaussian(4)
    q[1] *= 4
    q[0, 2] /= 8
    per_head, per_token = (quantize(q, k, v, granularity=g) for g in ("head", "token"))
    assert [len(set(scales)) for scales in per_head.scale_q] == [1, 1]
    assert per_head.scale_q[1, 0] > 3 * per_head.scale_q[0, 0]
    assert per_token.scale_q[0, 2] < per_head.scale_q[0, 2] / 2
    # Every token uses the range but for the 1 % by which its scale grows.
    assert np.abs(per_token.q).max(axis=2).min() >= 126
    assert np.abs(per_head.q[0, 2]).max() < 64


def test_the_mean_key_does_not_change_float_attention():
    q, k, v = gaussian(5)
    job = Job(queries=9, keys=11)
    assert np.allclose(attention(q, k, v, job), attention(q, k - k.mean(axis=0), v, job), rtol=0, atol=1e-12)


def test_taking_the_mean_key_off_saves_a_head_with_a_common_offset():
    q, k, v = gaussian(6)
    k[:, 3] += 100
    job = Job(queries=9, keys=11)
    exact = attention(q, k, v, job)

    def error(subtract):
        heads = quantize(q, k, v, subtract_mean_k=subtract)
        return np.abs(dequantized_attention(heads, job) * heads.scale_v - exact).max()

    assert error(True) < error(False) / 5
    heads = quantize(q, k, v, subtract_mean_k=True)
    assert np.abs(heads.k * heads.scale_k - (k - k.mean(axis=0))).max() <= heads.scale_k / 2 * (1 + 1e-9)


@pytest.mark.parametrize("granularity", ["head", "token"])
@pytest.mark.parametrize("zero", ["q", "k", "v", "qkv"])
def test_all_zero_heads_stay_zero(zero, granularity):
    operands = {name: x * (name not in zero) for name, x in zip("qkv", gaussian(7), strict=True)}
    heads = quantize(**operands, granularity=granularity, subtract_mean_k=True)
    for name in "qkv":
        assert np.any(getattr(heads, name)) == (name not in zero)
    assert np.allclose(heads.mantissa * 0.5**heads.shift, exact_scale(heads), rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    ("name", "place", "value", "message"),
    [
        ("q", (1, 2, 3), np.nan, "q must be finite, but 1 values are not; the first is nan at (1, 2, 3)"),
        ("k", (4, 0), np.inf, "k must be finite, but 1 values are not; the first is inf at (4, 0)"),
        ("v", (0, 5), -np.inf, "v must be finite, but 1 values are not; the first is -inf at (0, 5)"),
        ("v", (slice(2, 4), 5), np.nan, "v must be finite, but 2 values are not; the first is nan at (2, 5)"),
    ],
)
def test_a_value_that_is_not_finite_is_refused_with_its_place(name, place, value, message):
    operands = dict(zip("qkv", gaussian(8), strict=True))
    operands[name][place] = value
    with pytest.raises(InputError) as error:
        quantize(**operands)
    assert str(error.value) == message


def test_an_unknown_granularity_is_refused():
    with pytest.raises(InputError, match=r"^granularity must be one of head, token, not row$"):
        quantize(*gaussian(9), granularity="row")


def test_operands_so_large_that_no_score_scale_reaches_them_are_refused():
    q, k, v = gaussian(10)
    with pytest.raises(InputError, match=r"^the score scale .* must be from 2\^-24 to 255, not "):
        quantize(q * 1e12, k, v)


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-12])
def test_operands_so_small_that_all_weights_are_nearly_equal_stay_so(size):
    q, k, v = gaussian(10)
    heads = quantize(q * size, k, v)
    assert (heads.mantissa * 0.5**heads.shift).min() >= 2**-24
    exact = (q * size) @ k.T * heads.softmax_scale
    score = (heads.q @ heads.k.T) * heads.scale_q[..., None] * heads.scale_k * heads.softmax_scale
    assert np.abs(score - exact).max() < max(0.02 * np.abs(exact).max(), 2**-10)


def test_the_softmax_scale_is_that_of_the_dimension_unless_given():
    q, k, v = gaussian(11)
    assert quantize(q, k, v).softmax_scale == 0.25
    assert quantize(q, k, v, softmax_scale=0.5).softmax_scale == 0.5
    assert from_integers(np.ones((1, 2, 64)), np.ones((3, 64)), np.ones((3, 64))).softmax_scale == 0.125


def test_integer_operands_are_taken_as_they_are():
    random = np.random.default_rng(12)
    q, k, v = (random.integers(-128, 128, shape, dtype=np.int8) for shape in ((2, 5, 16), (7, 16), (7, 16)))
    heads = from_integers(q, k, v, scale_q=0.02, scale_k=0.03, scale_v=0.04)
    for given_operand, operand in ((q, heads.q), (k, heads.k), (v, heads.v)):
        assert operand.dtype == np.int64
        assert np.array_equal(operand, given_operand)
    assert heads.scale_q.tolist() == [[0.02] * 5] * 2
    assert (heads.scale_k, heads.scale_v) == (0.03, 0.04)
    # 0.02 * 0.03 * 0.25 * log2(e) = 226.9 / 2^20
    assert set(heads.mantissa.flat) == {227}
    assert set(heads.shift.flat) == {20}


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("token_scale_bits", [1, 8])
def test_keys_and_values_have_scales_per_token(bits, token_scale_bits):
    q, k, v = gaussian(13)
    k *= 2.0 ** np.linspace(0, -6, len(k))[:, None]
    k[3], v[5] = 0, 0
    v[2] *= 2.0**-40  # far below the grid of the others
    heads = quantize(q, k, v, bits=bits, token_scale_bits=token_scale_bits)
    limit = operand_max(bits)
    for x, integer, codes, unit in ((k, heads.k, 0, heads.scale_k), (v, heads.v, 1, heads.scale_v)):
        scale = unit * code_values(heads.token_scales[:, codes], token_scale_bits)[:, None]
        assert np.abs(integer * scale - x).max(axis=1) == pytest.approx(0, abs=scale.max() / 2 * (1 + 1e-9))
        assert np.all(np.abs(integer * scale - x) <= scale / 2 * (1 + 1e-9))
        used = np.abs(integer).max(axis=1)[np.abs(x).max(axis=1) > scale[:, 0]]
        assert used.min() >= (limit - 1 if token_scale_bits > 1 else limit // 2)
    assert np.allclose(heads.mantissa * 0.5**heads.shift, exact_scale(heads), rtol=1e-14, atol=0)


def test_scales_per_token_save_a_head_whose_tokens_differ():
    q, k, v = gaussian(14)
    spread = 2.0 ** np.linspace(0, -6, len(k))[:, None]
    job = Job(queries=9, keys=11)
    exact = attention(q, k * spread, v * spread, job)

    def error(token_scale_bits):
        heads = quantize(q, k * spread, v * spread, bits=4, token_scale_bits=token_scale_bits)
        return np.square(dequantized_attention(heads, job) * heads.scale_v - exact).mean() ** 0.5

    assert error(8) < error(1) < error(0)
    assert error(8) < error(0) / 1.2


def test_a_cache_that_was_quantized_token_by_token_is_taken_as_it_is():
    random = np.random.default_rng(15)
    q, k, v = (random.integers(-128, 128, shape) for shape in ((2, 5, 16), (7, 16), (7, 16)))
    scales_k, scales_v = random.uniform(0.001, 0.1, (2, 7))
    heads = from_tokens(q, k, v, scale_q=0.02, scales_k=scales_k, scales_v=scales_v, token_scale_bits=8)
    assert np.array_equal(heads.k, k)
    assert np.array_equal(heads.v, v)
    for scales, codes, unit in zip(
        (scales_k, scales_v), heads.token_scales.T, (heads.scale_k, heads.scale_v), strict=True
    ):
        assert np.allclose(unit * code_values(codes, 8), scales, rtol=2**-8, atol=0)
        assert unit == pytest.approx(scales.max() * 256 / 255)
    plain = from_integers(q, k, v, scale_q=0.02, scale_k=heads.scale_k)
    assert np.array_equal(heads.mantissa, plain.mantissa)
    with pytest.raises(InputError, match=r"^a scale per token must be positive and finite, not nan$"):
        from_tokens(q, k, v, scale_q=1.0, scales_k=scales_k * np.nan, scales_v=scales_v, token_scale_bits=8)
