"""The arithmetic of ITA's attention, value by value."""

import numpy as np
import pytest

from fusioncim_sim.studies.ita.model import ItaHead, Scale, attention, itamax, requantized


@pytest.mark.parametrize(
    ("x", "scale", "expected"),
    [
        (5, Scale(1, 1), 3),  # half up
        (-5, Scale(1, 1), -2),
        (-7, Scale(1, 2), -2),
        (300, Scale(1, 0), 127),
        (-300, Scale(1, 0), -128),
        (100, Scale(200, 8), 78),
    ],
)
def test_a_product_is_rounded_half_up_and_clipped(x, scale, expected):
    assert requantized(np.array([x]), scale).tolist() == [expected]


def test_weights_halve_by_the_score_and_have_a_sum_below_one():
    scores = np.zeros((1, 16), np.int64)
    scores[0, :4] = 3, 2, 1, -9
    total = 256 + 128 + 64 + 12 * 32
    assert itamax(scores).tolist() == [[65280 // total >> n for n in (0, 1, 2, 12)] + [65280 // total >> 3] * 12]


def test_a_larger_score_shifts_the_sum_so_far():
    scores = np.full((1, 32), -128)
    scores[0, 0], scores[0, 16] = 0, 3
    assert itamax(scores)[0, [0, 16]].tolist() == [65280 // (256 // 8 + 256) >> 3, 65280 // (256 // 8 + 256)]


def test_attention_is_scores_weights_and_outputs():
    rng = np.random.default_rng(1)
    q, k, v = (rng.integers(-60, 60, shape) for shape in ((4, 64), (32, 64), (32, 64)))
    done = attention(ItaHead(q, k, v, Scale(128, 17), Scale(128, 15)))
    assert np.array_equal(done.scores, requantized(q @ k.T, Scale(128, 17)))
    assert np.array_equal(done.weights, itamax(done.scores))
    assert np.array_equal(done.out, requantized(done.weights @ v, Scale(128, 15)))
