"""Normalizer: O / l, once per element when a tile is done.

    z          = bit_length(l)
    mantissa   = the top 14 bits of l:  floor(l / 2^(z-14))            (l shifted left when it has fewer)
    reciprocal = floor((2^27 - 1) / mantissa)                           14 bits, one restoring division per row
    aligned    = shift_floor(O, z - least_length - headroom)
    output     = saturate(shift_round(aligned * reciprocal, 14 + guard_bits))

O is aligned before it is multiplied, so that the multiplier is as wide as the output and a few bits. The output is in
units of V's least significant bit, with 8 fraction bits (INT16) or none (INT8). A row that has seen no key gives 0.
"""

import numpy as np

from fusioncim_golden.arith import Int, bit_length, saturate, shift_floor, shift_round
from fusioncim_golden.config import OUTPUT_FRACTION_BITS, RECIPROCAL_BITS, Config


def reciprocal(row_sum: Int) -> tuple[Int, Int]:
    """Reciprocal mantissa and bit length of positive row sums."""
    length = bit_length(row_sum)
    excess = length - RECIPROCAL_BITS
    mantissa = np.where(excess >= 0, row_sum >> np.maximum(excess, 0), row_sum << np.maximum(-excess, 0))
    return ((1 << (2 * RECIPROCAL_BITS - 1)) - 1) // np.maximum(mantissa, 1), length


def least_length(config: Config) -> int:
    """Bit length that no row sum falls below: its last load or rescale added a p of at least 2^(probability_bits-1)."""
    return config.probability_bits + config.row_sum_fraction - (config.seed_limit if config.seed else 0)


def guard_bits(config: Config) -> int:
    """Bits of an aligned element below the last that its output needs; a 16-bit output says little in its own last."""
    return 3 if config.output_bits == 8 else 1


def headroom(config: Config) -> int:
    """Left shift of O where the row sum is shortest: `aligned` is the output times 1 to 2, and the guard bits."""
    fraction = OUTPUT_FRACTION_BITS if config.output_bits > OUTPUT_FRACTION_BITS else 0
    return config.row_sum_fraction + config.dropped_bits + fraction + 1 + guard_bits(config) - least_length(config)


def normalize(config: Config, o: Int, row_sum: Int) -> Int:
    """O [..., rows, columns], row_sum [..., rows] to outputs of output_bits bits."""
    inverse, length = reciprocal(row_sum)
    right = length - least_length(config) - headroom(config)
    aligned = shift_floor(o << np.maximum(-right, 0)[..., None], np.maximum(right, 0)[..., None])
    scaled = shift_round(aligned * inverse[..., None], RECIPROCAL_BITS + guard_bits(config))
    return saturate(np.where(row_sum[..., None] > 0, scaled, 0), config.output_bits)
