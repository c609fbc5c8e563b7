"""Codes of scales per token: every one is legal, floats get the nearest or the next, and what has none is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusioncim_golden.errors import InputError
from fusioncim_golden.token_scale import code_mantissa, code_shift, code_values, pack_codes, to_codes, unit_for

EVERY = np.arange(1 << 11)
ALIKE = [1, 8]


def test_every_code_is_a_scale_from_2_to_the_minus_16_to_below_1():
    values = code_values(EVERY, 8)
    assert len(set(values)) == 2048
    assert (values.min(), values.max()) == (2.0**-16, 255 / 256)
    assert code_values(np.array([0, 0x7F, 0x80, 0x7FF]), 8).tolist() == [1 / 2, 255 / 256, 1 / 4, 255 / 2**23]
    assert set(code_values(EVERY, 1)) == {2.0**-n for n in range(1, 17)}


@pytest.mark.parametrize("bits", ALIKE)
def test_the_upper_five_bits_have_no_meaning(bits):
    for high in (0x800, 0xF800, 0x1000):
        assert np.array_equal(code_values(EVERY | high, bits), code_values(EVERY, bits))
        assert np.array_equal(code_shift(EVERY | high), code_shift(EVERY))


def test_with_one_bit_the_fraction_counts_as_0():
    assert set(code_mantissa(EVERY, 1)) == {128}
    assert np.array_equal(code_mantissa(EVERY, 8), 128 + EVERY % 128)


def test_a_word_has_the_code_of_the_key_below_that_of_the_value():
    assert pack_codes(np.array([[0x07FF, 0x0001], [1, 0xFFFF]])).tolist() == [0x000107FF, 0xFFFF0001]


def test_the_value_of_a_code_has_that_code():
    assert np.array_equal(to_codes(code_values(EVERY, 8) * 3.0, 3.0, 8), EVERY)
    whole = EVERY[EVERY % 128 == 0]
    assert np.array_equal(to_codes(code_values(whole, 1) * 3.0, 3.0, 1), whole)


@given(st.lists(st.floats(2.0**-15, 1.0), min_size=1), st.sampled_from(ALIKE), st.floats(1e-30, 1e30))
def test_a_scale_gets_the_nearest_code_or_the_next(scales, bits, size):
    scales = np.array(scales) * size
    unit = unit_for(scales, bits)
    nearest, above = (code_values(to_codes(scales, unit, bits, up=up), bits) * unit for up in (False, True))
    step = 2**-7 if bits > 1 else 1.0
    # In powers of two the nearest is that of the logarithm.
    worst = 2**-8 if bits > 1 else np.sqrt(2) - 1
    assert np.all(np.abs(nearest / scales - 1) <= worst * (1 + 1e-9))
    assert np.all(above >= scales * (1 - 1e-15))
    assert np.all(above < scales * (1 + step) * (1 + 1e-9))
    assert code_values(to_codes(scales, unit, bits, up=True), bits).max() == (255 / 256 if bits > 1 else 1 / 2)


@pytest.mark.parametrize("exponent", [-14, -10, -2])
def test_a_power_of_two_is_next_by_the_number_itself(exponent):
    """A logarithm in floating point does not see the last bit of a number."""
    power = 2.0**exponent
    scales = np.array([power, np.nextafter(power, 1), np.nextafter(2 * power, 0)])
    found = code_values(to_codes(scales, 1.0, 1, up=True), 1)
    assert found.tolist() == [power, 2 * power, 2 * power]
    middle = np.sqrt(2) * power  # rounded up: above the square root
    found = code_values(to_codes(np.array([np.nextafter(middle, 0), middle]), 1.0, 1), 1)
    assert found.tolist() == [power, 2 * power]


FINITE = "a scale per token must be positive and finite, not "


@pytest.mark.parametrize("bits", ALIKE)
@pytest.mark.parametrize(
    ("scales", "unit", "message"),
    [
        ([0.5, 0.0], 1.0, f"{FINITE}0.0"),
        ([0.5, -0.25], 1.0, f"{FINITE}-0.25"),
        ([np.inf], 1.0, f"{FINITE}inf"),
        ([-np.inf], 1.0, f"{FINITE}-inf"),
        ([np.nan, 0.5], 1.0, f"{FINITE}nan"),
        ([0.5], 0.0, "the unit of scales per token must be positive and finite, not 0.0"),
        ([0.5], -2.0, "the unit of scales per token must be positive and finite, not -2.0"),
        ([0.5], np.nan, "the unit of scales per token must be positive and finite, not nan"),
        ([0.5], np.inf, "the unit of scales per token must be positive and finite, not inf"),
        ([0.5, 4.0], 4.0, "a scale per token must be at most {} of its unit 4, not 4"),
        ([1e300, 0.5], 1e-300, "a scale per token must be at most {} of its unit 1e-300, not 1e+300"),
        ([0.5, 2.0**-18], 1.0, "a scale per token must be at least 2^-16 of its unit 1, not 3.8147e-06"),
        ([1e-300], 1e300, "a scale per token must be at least 2^-16 of its unit 1e+300, not 1e-300"),
    ],
)
def test_a_scale_without_a_code_is_refused(bits, scales, unit, message):
    with pytest.raises(InputError) as error:
        to_codes(np.array(scales), unit, bits)
    assert str(error.value) == message.format("255/256" if bits > 1 else "1/2")
