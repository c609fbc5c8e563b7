"""The rounding and saturation rules of the whole design, each named once.

Every function works on NumPy int64 arrays and is exact for magnitudes below 2^61; the RTL implements the same rule bit
for bit. ``x >> n`` on a negative number is the arithmetic shift (floor) everywhere.
"""

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]


def shift_floor(x: Int, n: Int | int) -> Int:
    """floor(x / 2^n): drop the low n bits. Used where a row sum is halved, and on the way to the output."""
    return x >> np.minimum(n, 63)


def shift_round(x: Int, n: Int | int) -> Int:
    """floor(x / 2^n + 1/2): shift right by n, add the last bit shifted out (round half up); n <= 0 shifts left.

    The rounding bit is a carry-in of the adder that follows, so that it costs no adder of its own.
    """
    n = np.asarray(n)
    right = np.minimum(np.maximum(n, 0), 62)
    half = (np.int64(1) << right) >> 1
    return ((x + half) >> right) << np.maximum(-n, 0)


def saturate(x: Int, bits: int) -> Int:
    """Clip to the range of a signed two's complement number of `bits` bits."""
    most = (1 << (bits - 1)) - 1
    return np.minimum(np.maximum(x, -most - 1), most)


def bit_length(x: Int) -> Int:
    """Number of bits of the non-negative integer x, 0 for 0: floor(log2(x)) + 1. Exact below 2^53."""
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)
