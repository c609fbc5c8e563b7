"""Normalizer: O / l, once per element when a tile is done, and the log-sum-exp of each row.

A learned sink joins the row sum first. With w its mantissa in units of l, xs its exponent and d = xs - r:

    d <= 0:  l' = l + shift_round(w, -d)
    d > 0:   l' = shift_round(l, d) + w,  r' = xs,  and O counts 2^d less
    a row that has seen no key:  l' = w,  r' = xs

    z          = bit_length(l')
    mantissa   = the top 14 bits of l': floor(l' / 2^(z-14))           (l' shifted left when it has fewer)
    reciprocal = floor((2^27 - 1) / mantissa)                           14 bits, one restoring division per row
    aligned    = shift_floor(O, z - least_length - headroom + max(d, 0))
    output     = saturate(shift_round(aligned * reciprocal, 14 + guard_bits))

O is aligned before it is multiplied, so that the multiplier is as wide as the output and a few bits. The output is in
units of V's least significant bit, with 8 fraction bits (INT16) or none (INT8). A row that has seen no key gives 0.

The log-sum-exp is log2 of the sum of all 2^x, the sink's weight with them, cut off behind 12 fraction bits of the sum:

    sum = 2^E * (1 + fraction / 4096),  E = r' + z - F - probability_bits
"""

import numpy as np

from fusioncim_golden.arith import Int, bit_length, saturate, shift_floor, shift_round
from fusioncim_golden.config import OUTPUT_FRACTION_BITS, RECIPROCAL_BITS, REFERENCE_BITS, Config
from fusioncim_golden.sinks import sink_weight

LSE_FRACTION_BITS = 12
"""Fraction bits of the sum in a word of log-sum-exp."""
NO_KEY = 1 << (REFERENCE_BITS + LSE_FRACTION_BITS - 1)
"""The word of a row that has seen no key and has no sink: of the smallest sum that there is."""


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


def with_sink(config: Config, reference: Int, row_sum: Int, sink: Int) -> tuple[Int, Int, Int]:
    """Reference and row sum of rows with their sinks, and by how many bits O moves right for it.

    row_sum: 0 of a row that has seen no key. sink: words of `sinks`.
    """
    mantissa, exponent = sink_weight(config, sink)
    weight, rise = mantissa << config.row_sum_fraction, exponent - reference
    leads = (weight > 0) & ((rise > 0) | (row_sum == 0))
    moved = np.where(leads, np.maximum(rise, 0), 0)
    total = shift_round(row_sum, moved) + shift_round(weight, np.where(leads, 0, -rise))
    return np.where(leads, exponent, reference), np.where(weight > 0, total, row_sum), moved


def log_sum_exp(config: Config, reference: Int, row_sum: Int) -> Int:
    """Words 0 <= word < 2^32 of rows: E, signed, above LSE_FRACTION_BITS bits of the fraction; row_sum 0: NO_KEY."""
    length = bit_length(row_sum)
    exponent = saturate(reference + length - config.row_sum_fraction - config.probability_bits, REFERENCE_BITS)
    fraction = shift_floor(row_sum << LSE_FRACTION_BITS, np.maximum(length - 1, 0)) & ((1 << LSE_FRACTION_BITS) - 1)
    word = (exponent & ((1 << REFERENCE_BITS) - 1)) << LSE_FRACTION_BITS | fraction
    return np.where(row_sum > 0, word, NO_KEY)


def normalize(config: Config, o: Int, row_sum: Int, moved: Int | int = 0) -> Int:
    """O [..., rows, columns], row_sum and moved [..., rows], as of `with_sink`, to outputs of output_bits bits."""
    inverse, length = reciprocal(row_sum)
    right = length - least_length(config) - headroom(config) + moved
    aligned = shift_floor(o << np.maximum(-right, 0)[..., None], np.maximum(right, 0)[..., None])
    scaled = shift_round(aligned * inverse[..., None], RECIPROCAL_BITS + guard_bits(config))
    return saturate(np.where(row_sum[..., None] > 0, scaled, 0), config.output_bits)
