from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fusioncim_golden.arith import bit_length, saturate, shift_floor, shift_round

numbers = st.integers(-(2**60), 2**60)


@pytest.mark.parametrize(
    ("x", "n", "expected"),
    [
        (0, 3, 0),
        (5, 0, 5),
        (5, 1, 3),  # 2.5 rounds up
        (-5, 1, -2),  # -2.5 rounds up as well
        (-3, 1, -1),
        (-1, 1, 0),
        (3, 2, 1),
        (6, 2, 2),  # 1.5
        (5, 2, 1),  # 1.25
        (-6, 2, -1),  # -1.5
        (-7, 2, -2),  # -1.75
        (127, 8, 0),
        (128, 8, 1),
        (-128, 8, 0),
        (-129, 8, -1),
        (3, -2, 12),
        (-3, -4, -48),
        (2**60, 61, 1),
        (2**60 - 1, 61, 0),
        (-(2**60), 61, 0),
        (-(2**60) - 1, 61, -1),
        (2**60, 63, 0),
        (-(2**60), 1000, 0),
    ],
)
def test_shift_round_vectors(x, n, expected):
    assert shift_round(np.int64(x), n) == expected


@pytest.mark.parametrize(
    ("x", "n", "expected"),
    [(7, 0, 7), (7, 1, 3), (-7, 1, -4), (-1, 5, -1), (31, 5, 0), (-32, 5, -1), (-33, 5, -2), (9, 63, 0), (-9, 99, -1)],
)
def test_shift_floor_vectors(x, n, expected):
    assert shift_floor(np.int64(x), n) == expected


@pytest.mark.parametrize(
    ("x", "bits", "expected"),
    [
        (127, 8, 127),
        (128, 8, 127),
        (-128, 8, -128),
        (-129, 8, -128),
        (2**40, 16, 32767),
        (-(2**40), 16, -32768),
        (5, 1, 0),
        (-5, 1, -1),
        (2**31, 32, 2**31 - 1),
    ],
)
def test_saturate_vectors(x, bits, expected):
    assert saturate(np.int64(x), bits) == expected


@given(numbers, st.integers(0, 100))
@example(-(2**60), 62)
@example(2**60, 62)
def test_shift_round_right_is_floor_of_x_over_2n_plus_half(x, n):
    assert shift_round(np.int64(x), n) == floor(Fraction(x, 2**n) + Fraction(1, 2))


@given(st.integers(-(2**40), 2**40), st.integers(-20, 0))
def test_shift_round_by_a_negative_amount_multiplies(x, n):
    assert shift_round(np.int64(x), n) == x * 2**-n


@given(numbers, st.integers(0, 100))
def test_shift_floor_is_floor_of_x_over_2n(x, n):
    assert shift_floor(np.int64(x), n) == floor(Fraction(x, 2**n))


@given(numbers, st.integers(1, 62))
def test_saturate_gives_the_nearest_number_of_that_many_bits(x, bits):
    assert saturate(np.int64(x), bits) == min(max(x, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)


@given(st.integers(0, 2**53 - 1))
def test_bit_length_is_that_of_python(x):
    assert bit_length(np.int64(x)) == x.bit_length()


def test_bit_length_around_every_power_of_two():
    x = np.array([(1 << n) + d for n in range(53) for d in (-1, 0, 1)])
    assert bit_length(x).tolist() == [int(v).bit_length() for v in x]


@given(st.lists(st.tuples(st.integers(-(2**40), 2**40), st.integers(-10, 70)), min_size=1, max_size=8))
def test_arrays_are_rounded_element_by_element(pairs):
    x, n = np.array(pairs, dtype=np.int64).T
    assert shift_round(x, n).tolist() == [int(shift_round(np.int64(a), b)) for a, b in pairs]
    assert shift_floor(x, np.abs(n)).tolist() == [int(shift_floor(np.int64(a), abs(b))) for a, b in pairs]
