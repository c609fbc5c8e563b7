"""Normalizer: O / l, once per element when a tile is done.

    z          = bit_length(l)
    mantissa   = the top 16 bits of l:  floor(l / 2^(z-16))            (l shifted left when it has fewer)
    reciprocal = floor((2^31 - 1) / mantissa)                           16 bits, one restoring division per row
    output     = saturate(shift_round(O * reciprocal, z + 15 - row_sum_fraction - dropped_bits - fraction bits))

The output is in units of V's least significant bit, with 8 fraction bits (INT16) or none (INT8). A row that has seen no
key gives 0.
"""

import numpy as np

from fusioncim_golden.arith import Int, bit_length, saturate, shift_round
from fusioncim_golden.config import OUTPUT_FRACTION_BITS, RECIPROCAL_BITS, Config


def reciprocal(row_sum: Int) -> tuple[Int, Int]:
    """Reciprocal mantissa and bit length of positive row sums."""
    length = bit_length(row_sum)
    excess = length - RECIPROCAL_BITS
    mantissa = np.where(excess >= 0, row_sum >> np.maximum(excess, 0), row_sum << np.maximum(-excess, 0))
    return ((1 << (2 * RECIPROCAL_BITS - 1)) - 1) // np.maximum(mantissa, 1), length


def output_shift(config: Config) -> int:
    """Right shift of O * reciprocal at bit length 0; the row's bit length is added."""
    fraction = OUTPUT_FRACTION_BITS if config.output_bits > OUTPUT_FRACTION_BITS else 0
    return RECIPROCAL_BITS - 1 - config.row_sum_fraction - config.dropped_bits - fraction


def normalize(config: Config, o: Int, row_sum: Int) -> Int:
    """O [..., rows, columns], row_sum [..., rows] to outputs of output_bits bits."""
    inverse, length = reciprocal(row_sum)
    scaled = shift_round(o * inverse[..., None], (length + output_shift(config))[..., None])
    return saturate(np.where(row_sum[..., None] > 0, scaled, 0), config.output_bits)
