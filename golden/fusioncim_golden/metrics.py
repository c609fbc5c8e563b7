"""Distance of an output from a reference."""

import numpy as np

from fusioncim_golden.arith import Int
from fusioncim_golden.config import OUTPUT_FRACTION_BITS, Config
from fusioncim_golden.quantize import Float


def in_lsb(config: Config, out: Int) -> Float:
    """Outputs in units of V's least significant bit."""
    fraction = OUTPUT_FRACTION_BITS if config.output_bits > OUTPUT_FRACTION_BITS else 0
    return out / float(1 << fraction)


def sqnr_db(value: Float, reference: Float) -> float:
    """10 log10(sum reference^2 / sum (value - reference)^2), dB; infinity where they are equal."""
    noise = float(np.sum((value - reference) ** 2))
    return float("inf") if noise == 0 else 10 * float(np.log10(np.sum(reference**2) / noise))


def max_error(value: Float, reference: Float) -> float:
    """Largest absolute difference."""
    return float(np.max(np.abs(value - reference)))
