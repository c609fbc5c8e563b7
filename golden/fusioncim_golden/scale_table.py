"""The scale table of a job: which score scales mantissa / 2^shift there are, and how a word of the table holds one.

A word has 32 bits: the mantissa in bits 7..0, the shift in bits 12..8, and in bit 13 whether the head's values are
centred, see `softmax`; those of a head with a sink must not be. Above are zeros. A scale is legal if no score of the
configuration makes a log2 score of more than REFERENCE_BITS integer bits:

    2^7 <= mantissa < 2^8,  0 <= shift < 2^5,  largest score * mantissa < 2^(REFERENCE_BITS - 1 + shift)

In a job with slopes (`slopes`) the log2 score has one bit less: REFERENCE_BITS - 2 instead of REFERENCE_BITS - 1.
"""

import numpy as np
from numpy.typing import NDArray

from fusioncim_golden.arith import Bool, Int
from fusioncim_golden.config import REFERENCE_BITS, SCALE_BITS, SCALE_SHIFT_BITS, Config

LEAST_MANTISSA = 1 << (SCALE_BITS - 1)
MOST_MANTISSA = (1 << SCALE_BITS) - 1
MOST_SHIFT = (1 << SCALE_SHIFT_BITS) - 1
CENTRED_BIT = SCALE_BITS + SCALE_SHIFT_BITS
"""Set where values are centred."""


def largest_score(config: Config) -> int:
    """A bound of |q.k|: columns * 2^(2 * operand_bits - 2)."""
    return config.columns << (2 * config.operand_bits - 2)


def score_room(*, slopes: bool) -> int:
    """Bits of the magnitude of a score's part of the log2 score, in a job with slopes or without."""
    return REFERENCE_BITS - 2 if slopes else REFERENCE_BITS - 1


def least_shift(config: Config, *, slopes: bool = False) -> int:
    """The smallest legal shift; every larger one is legal with every mantissa."""
    return max((largest_score(config) * LEAST_MANTISSA).bit_length() - score_room(slopes=slopes), 0)


def most_mantissa(config: Config, *, slopes: bool = False) -> int:
    """The largest mantissa that is legal with `least_shift`."""
    room = score_room(slopes=slopes) + least_shift(config, slopes=slopes)
    return min(((1 << room) - 1) // largest_score(config), MOST_MANTISSA)


def on_grid(c: NDArray[np.float64], *, up: bool) -> tuple[Int, Int]:
    """Mantissa, 2^7 <= mantissa < 2^8, and shift of the value mantissa / 2^shift next to c > 0.

    up: the next at or above c; else the nearest.
    """
    fraction, exponent = np.frexp(c)
    scaled = fraction * (1 << SCALE_BITS)
    mantissa = (np.ceil(scaled) if up else np.rint(scaled)).astype(np.int64)
    carry = mantissa >> SCALE_BITS
    return np.where(carry > 0, LEAST_MANTISSA, mantissa), SCALE_BITS - exponent.astype(np.int64) - carry


def pack_scales(mantissa: Int, shift: Int, centred: Bool | bool = False) -> Int:
    """Words of the table."""
    return mantissa | shift << SCALE_BITS | np.asarray(centred, np.int64) << CENTRED_BIT


def legal_scales(config: Config, words: Int, *, slopes: bool = False) -> Bool:
    """Which words of a table, 0 <= word < 2^32, the chip accepts, in a job with slopes or without."""
    mantissa, shift = words & MOST_MANTISSA, (words & ~(1 << CENTRED_BIT)) >> SCALE_BITS
    room = np.int64(1) << (score_room(slopes=slopes) + np.minimum(shift, MOST_SHIFT))
    fits = largest_score(config) * mantissa < room
    return (mantissa >= LEAST_MANTISSA) & (shift <= MOST_SHIFT) & fits
