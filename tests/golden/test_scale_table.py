"""Which words of the scale table are legal, and that none of them makes a log2 score wrap."""

from dataclasses import replace

import numpy as np
import pytest

from fusioncim_golden.config import Config
from fusioncim_golden.engine import check_scale
from fusioncim_golden.errors import InputError
from fusioncim_golden.ip_cim import resident
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.scale_table import least_shift, legal_scales, most_mantissa, pack_scales
from fusioncim_golden.softmax import log2_score

CODES = np.array([(mantissa, shift) for mantissa in range(256) for shift in range(32)]).T
SHAPES = [(bits, columns) for bits in (4, 8) for columns in range(bits, 1025, bits)]


def shaped(bits, columns):
    return Config(operand_bits=bits, columns=columns, update_rank=1, rows=4, softmax_lanes=4)


def test_every_legal_code_keeps_the_largest_log2_score_within_its_bits():
    """Extreme operands of every shape that a configuration can have, with every code."""
    for bits, columns in SHAPES:
        config = shaped(bits, columns)
        mantissa, shift = CODES[:, legal_scales(config, pack_scales(*CODES))]
        assert set(mantissa) <= set(range(128, 256))
        low = -(1 << (bits - 1))
        q = resident(np.array([low, -low - 1]), bits)
        scores = columns * np.outer(q, [low, -low - 1])
        for score in (scores.min(), scores.max()):
            x = log2_score(config, np.full(len(shift), score), mantissa, shift)
            assert (-(1 << (config.log2_bits - 1)) <= x).all(), (bits, columns)
            assert (x < 1 << (config.log2_bits - 1)).all(), (bits, columns)


def test_what_the_hardware_compares_is_the_rule():
    """A mantissa from 128 on, and a shift above the least, or the least with a mantissa up to the most."""
    mantissa, shift = CODES
    for bits, columns in SHAPES:
        config = shaped(bits, columns)
        least, most = least_shift(config), most_mantissa(config)
        fits = (shift > least) | ((shift == least) & (mantissa <= most))
        assert (legal_scales(config, pack_scales(mantissa, shift)) == (fits & (mantissa >= 128))).all(), (bits, columns)


def test_a_job_with_slopes_has_one_bit_less():
    """What is legal there is legal elsewhere with a shift that is one less."""
    mantissa, shift = CODES
    for bits, columns in SHAPES[::7]:
        config = shaped(bits, columns)
        found = legal_scales(config, pack_scales(mantissa, shift), slopes=True)
        less = legal_scales(config, pack_scales(mantissa, np.maximum(shift - 1, 0)))
        assert (found == less)[shift > 0].all()


def test_bits_above_the_shift_are_refused():
    config = PRESETS["small"].engine
    good = int(pack_scales(np.array(200), np.array(12)))
    words = np.array([good, *(good | 1 << bit for bit in range(14, 32)), (1 << 32) - 1, 0, 0xFF])
    assert legal_scales(config, np.array(good | 1 << 13))
    assert legal_scales(config, words).tolist() == [True] + [False] * (len(words) - 1)


@pytest.mark.parametrize(
    ("mantissa", "shift", "message"),
    [
        (0, 10, "mantissa of a score scale must be from 128 to 255, not 0"),
        (127, 10, "mantissa of a score scale must be from 128 to 255, not 127"),
        (256, 10, "mantissa of a score scale must be from 128 to 255, not 256"),
        (128, -1, "shift of a score scale must be from 0 to 31, not -1"),
        (128, 32, "shift of a score scale must be from 0 to 31, not 32"),
    ],
)
def test_a_scale_that_is_no_word_is_refused(mantissa, shift, message):
    codes = np.array([[130, mantissa]]), np.array([[20, shift]])
    with pytest.raises(InputError) as error:
        check_scale(PRESETS["small"].engine, *codes)
    assert str(error.value) == message


def test_operands_are_refused_where_words_are():
    config = replace(PRESETS["tiny"].engine, columns=48)
    for mantissa, shift in CODES.T[CODES[0] >= 128]:
        try:
            check_scale(config, np.array([[mantissa]]), np.array([[shift]]))
        except InputError:
            accepted = False
        else:
            accepted = True
        assert accepted == legal_scales(config, pack_scales(mantissa, shift))
