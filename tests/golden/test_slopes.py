"""Words of slopes: which are legal, what floats get, and that no term makes a log2 score wrap."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusioncim_golden.config import REFERENCE_BITS, Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import SLOPE_POSITIONS
from fusioncim_golden.quantize import LOG2_E
from fusioncim_golden.scale_table import largest_score, legal_scales, pack_scales
from fusioncim_golden.slopes import legal_slopes, slope_term, slope_values, slope_words
from fusioncim_golden.softmax import log2_score

PAIRS = np.array([(mantissa, shift) for mantissa in range(256) for shift in range(32)]).T
WORDS = pack_scales(*PAIRS)


def test_a_word_is_0_or_a_mantissa_and_a_shift():
    mantissa, shift = PAIRS
    assert (legal_slopes(WORDS) == ((WORDS == 0) | ((mantissa >= 128) & (shift >= 7)))).all()
    good = int(pack_scales(np.array(200), np.array(12)))
    assert not legal_slopes(np.array([good | 1 << bit for bit in range(13, 32)])).any()
    assert slope_values(WORDS[legal_slopes(WORDS)]).max() == 255 / 128


@given(st.floats(2.0**-24, 1.3))
def test_a_slope_gets_the_nearest_word_in_log2_units(slope):
    slope = max(slope, 2.0**-24 / LOG2_E)
    word = slope_words(np.array([slope, 0.0]))
    assert legal_slopes(word).all()
    assert word[1] == 0
    assert slope_values(word)[0] == pytest.approx(slope * LOG2_E, rel=2**-8)


def test_the_slopes_of_alibi_have_words():
    for heads in (8, 12, 16, 112):
        slopes = 2.0 ** (-8 * np.arange(1, heads + 1) / heads)
        assert np.allclose(slope_values(slope_words(slopes)) / LOG2_E, slopes, rtol=2**-8)


@pytest.mark.parametrize(
    ("slopes", "message"),
    [
        ([0.5, -0.25], "a slope must be finite and at least 0, not -0.25"),
        ([np.nan], "a slope must be finite and at least 0, not nan"),
        ([np.inf], "a slope must be finite and at least 0, not inf"),
        ([0.5, 1.4], "a slope times log2(e) must be 0 or from 2^-24 to 255/128, not 2.01977"),
        ([1e308], "a slope times log2(e) must be 0 or from 2^-24 to 255/128, not 1.4427e+308"),
        ([1.7e308], "a slope times log2(e) must be 0 or from 2^-24 to 255/128, not inf"),
        ([1e-300], "a slope times log2(e) must be 0 or from 2^-24 to 255/128, not 1.4427e-300"),
    ],
)
def test_a_slope_without_a_word_is_refused(slopes, message):
    with pytest.raises(InputError) as error:
        slope_words(np.array(slopes))
    assert str(error.value) == message


@given(st.integers(128, 255), st.integers(7, 31), st.integers(0, SLOPE_POSITIONS), st.integers(4, 10))
def test_a_term_is_the_product_rounded_down(mantissa, shift, distance, fraction_bits):
    config = Config(fraction_bits=fraction_bits, lut_size=16)
    term = slope_term(config, pack_scales(np.array([mantissa]), np.array([shift])), np.array([distance]))
    assert term[0] == floor(Fraction(mantissa * distance * 2**fraction_bits, 2**shift))


@pytest.mark.parametrize("fraction_bits", [4, 6, 10])
def test_no_legal_scale_and_slope_make_a_log2_score_wrap(fraction_bits):
    config = Config(fraction_bits=fraction_bits, lut_size=16)
    mantissa, shift = PAIRS[:, legal_scales(config, WORDS, slopes=True)]
    steepest = slope_term(config, pack_scales(np.array(255), np.array(7)), np.array(SLOPE_POSITIONS))
    room = 1 << (REFERENCE_BITS - 1 + fraction_bits)
    lowest = log2_score(config, np.full(len(shift), -largest_score(config)), mantissa, shift) - steepest
    assert -room <= lowest.min() < -room // 2, "no bit is never used"
