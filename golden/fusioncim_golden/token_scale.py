"""Scales per token of K and V, as caches have them that are quantized token by token.

A token (the position of a key of a KV head) has a code for K and one for V, and a word of 32 bits holds both: K's in
bits 15..0, V's in bits 31..16. A code has a fraction f in bits 6..0 and a shift e in bits 10..7; its other five bits
have no meaning. The scale is relative to a unit of the head:

    scale = (128 + f) / 2^(8 + e)                         from 2^-16 to 255/256

So every code is a scale, and none is 1 or more. An engine with token_scale_bits = 1 takes f as 0: its scales are powers
of two, from 2^-16 to 1/2. K's unit is a factor of the score scale, V's that of the outputs.
"""

import numpy as np
from numpy.typing import NDArray

from fusioncim_golden.arith import Int
from fusioncim_golden.errors import InputError
from fusioncim_golden.scale_table import LEAST_MANTISSA, on_grid

Float = NDArray[np.float64]
FRACTION_BITS = 7
"""Bits of f."""
TOKEN_SHIFT_BITS = 4
"""Bits of e."""
CODE_BITS = 16
"""Bits of a code in memory, with those that have no meaning."""
LEAST_SHIFT = FRACTION_BITS + 1
"""The shift of a scale whose e is 0."""
MOST_E = (1 << TOKEN_SHIFT_BITS) - 1


def pack_codes(codes: Int) -> Int:
    """Words of codes [..., 2] of K and V, 0 <= code < 2^16."""
    return codes[..., 0] | codes[..., 1] << CODE_BITS


def code_mantissa(codes: Int, bits: int) -> Int:
    """128 + f, or 128 with bits = 1; bits: token_scale_bits of the engine."""
    return LEAST_MANTISSA + (codes & ((1 << FRACTION_BITS) - 1) if bits > 1 else np.zeros_like(codes))


def code_shift(codes: Int) -> Int:
    """The shift e."""
    return codes >> FRACTION_BITS & MOST_E


def code_values(codes: Int, bits: int) -> Float:
    """The scales of codes, relative to the unit."""
    return code_mantissa(codes, bits) * 0.5 ** (LEAST_SHIFT + code_shift(codes))


def unit_for(scales: Float, bits: int) -> float:
    """The smallest unit in which all these scales can be rounded up: the largest has the largest code."""
    return float(np.max(scales)) * ((256 + 2**-30) / 255 if bits > 1 else 2.0)


def to_codes(scales: Float, unit: float, bits: int, *, up: bool = False) -> Int:
    """Codes of scales > 0: the nearest, or with `up` the next at or above each; bits: token_scale_bits of the engine.

    Of powers of two the nearest is that of the logarithm.

    Errors: a unit or a scale that is not positive and finite, a scale beyond the largest or below the smallest code.
    """
    scales = np.asarray(scales, dtype=np.float64)
    bad = scales[~(np.isfinite(scales) & (scales > 0))]
    if bad.size:
        raise InputError(f"a scale per token must be positive and finite, not {bad.flat[0]}")
    if not (np.isfinite(unit) and unit > 0):
        raise InputError(f"the unit of scales per token must be positive and finite, not {unit}")
    with np.errstate(over="ignore", under="ignore"):
        relative = np.clip(scales / unit, 2.0**-60, 2.0)  # these ends are refused as what lies beyond is
    if bits == 1:
        fraction, exponent = np.frexp(relative)
        relative = 2.0 ** (exponent - np.where(fraction > 0.5 if up else fraction >= np.sqrt(0.5), 0, 1))
    mantissa, shift = on_grid(relative, up=up)
    e = shift - LEAST_SHIFT
    largest = "255/256" if bits > 1 else "1/2"
    for wrong, rule in (e < 0, f"at most {largest} of its unit"), (e > MOST_E, "at least 2^-16 of its unit"):
        if wrong.any():
            raise InputError(f"a scale per token must be {rule} {unit:g}, not {scales[wrong].flat[0]:g}")
    return (mantissa - LEAST_MANTISSA) | e << FRACTION_BITS
