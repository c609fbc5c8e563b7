"""Slopes of ALiBi: a term of the log2 score that falls with the distance of the key.

    x = score part - floor(slope * |p - n| * 2^fraction_bits),   slope = mantissa / 2^shift

p is the position of the query and n that of the key. A query head has a word of 32 bits: the mantissa in bits 7..0,
the shift in bits 12..8, zeros above; the word 0 is no slope. The slope is in log2 units, so that of the model times
log2(e): up to 1.44. Slopes are below 2 and distances below 2^17, so a term is below 2^18. The log2 score keeps its
REFERENCE_BITS where the score part is below 2^18, too (`scale_table.score_room`). ALiBi: Press et al.,
arXiv:2108.12409.
"""

import numpy as np
from numpy.typing import NDArray

from fusioncim_golden.arith import Bool, Int, shift_floor
from fusioncim_golden.config import SCALE_BITS, Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.quantize import LOG2_E
from fusioncim_golden.scale_table import LEAST_MANTISSA, MOST_MANTISSA, MOST_SHIFT, on_grid, pack_scales

LEAST_SLOPE_SHIFT = SCALE_BITS - 1
"""The smallest shift of a slope: with it slopes are from 1 to 255/128."""


def legal_slopes(words: Int) -> Bool:
    """Which words, 0 <= word < 2^32, are slopes."""
    mantissa, shift = words & MOST_MANTISSA, words >> SCALE_BITS
    fits = (mantissa >= LEAST_MANTISSA) & (shift >= LEAST_SLOPE_SHIFT) & (shift <= MOST_SHIFT)
    return (words == 0) | fits


def slope_words(slopes: NDArray[np.float64]) -> Int:
    """The words nearest to a model's slopes, which are factors of the distance beside q.k * softmax_scale.

    Errors: a slope that is negative or not finite, or that no word has.
    """
    slopes = np.asarray(slopes, dtype=np.float64)
    bad = slopes[~(np.isfinite(slopes) & (slopes >= 0))]
    if bad.size:
        raise InputError(f"a slope must be finite and at least 0, not {bad.flat[0]}")
    mantissa, shift = on_grid(np.where(slopes > 0, np.minimum(slopes, 2.0) * LOG2_E, 0.5), up=False)
    beyond = slopes[(shift < LEAST_SLOPE_SHIFT) | (shift > MOST_SHIFT)]
    if beyond.size:
        least = SCALE_BITS - 1 - MOST_SHIFT
        raise InputError(
            f"a slope times log2(e) must be 0 or from 2^{least} to 255/128, not {float(beyond[0]) * LOG2_E:g}"
        )
    return np.where(slopes > 0, pack_scales(mantissa, shift), 0)


def slope_values(words: Int) -> NDArray[np.float64]:
    """The slopes of these words in log2 units."""
    return (words & MOST_MANTISSA) * 0.5 ** (words >> SCALE_BITS)


def slope_term(config: Config, words: Int, distance: Int) -> Int:
    """What is taken off the log2 score: floor(slope * distance * 2^fraction_bits)."""
    return shift_floor((words & MOST_MANTISSA) * distance << config.fraction_bits, words >> SCALE_BITS)
