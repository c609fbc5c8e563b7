"""Learned sinks: one more key per query head, which has a weight in the softmax but no value.

A job may have a word of 32 bits per query head. Bits 15..0 are the log2 of the sink's weight, signed, with 8 fraction
bits: the model's sink times log2(e). Bit 16: there is one. The bits above are 0, and without a sink all are:

    weight = LUT[fraction] * 2^floor(log2)

Values of a head with a sink must not be said to be centred. Their weights do not sum to 1, so a mean that was taken off
cannot be added back, and l would count what O leaves out.

Attention sinks: Xiao et al., arXiv:2309.17453; learned ones: gpt-oss, arXiv:2508.10925.
"""

import numpy as np

from fusioncim_golden.arith import Bool, Int
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.quantize import LOG2_E, Float

SINK_LOG2_BITS = 16
"""Bits of the log2 of a sink's weight."""
SINK_FRACTION_BITS = 8
"""Fraction bits of it."""
PRESENT = 1 << SINK_LOG2_BITS
"""The bit that says that there is a sink."""
SINK_BITS = SINK_LOG2_BITS + 1
"""Bits of a word that are not always 0."""


def legal_sinks(words: Int) -> Bool:
    """Which words, 0 <= word < 2^32, are sinks, or say that there is none."""
    return (words == 0) | (words >> SINK_LOG2_BITS == 1)


def check_not_centred(words: Int, *, centred: bool) -> None:
    """Refuse sinks, legal words of any shape, of heads whose values are centred."""
    bad = words[words != 0]
    if centred and bad.size:
        raise InputError(f"a head with a sink must have values that are not centred, not so {int(bad.flat[0]):#x}")


def sinks_of(sinks: Float) -> Int:
    """The words of sinks as models have them, in nats, rounded to 2^-8 of an octave."""
    limit = 1 << (SINK_LOG2_BITS - 1)
    with np.errstate(over="ignore"):  # what is infinite is refused
        log2 = np.rint(np.asarray(sinks, np.float64) * (LOG2_E * (1 << SINK_FRACTION_BITS)))
    fits = (log2 >= -limit) & (log2 < limit)
    if not fits.all():
        unit = LOG2_E * (1 << SINK_FRACTION_BITS)
        raise InputError(
            f"a sink must be a number from {-limit / unit:.2f} to {(limit - 1) / unit:.2f}, "
            f"not {float(np.asarray(sinks)[~fits].flat[0]):g}"
        )
    return PRESENT | log2.astype(np.int64) & (PRESENT - 1)


def sink_weight(config: Config, words: Int) -> tuple[Int, Int]:
    """Mantissa, of probability_bits bits, and exponent of each sink's weight; the mantissa is 0 where there is none."""
    index = words & ((1 << SINK_FRACTION_BITS) - 1)
    steps = config.lut_size.bit_length() - 1 - SINK_FRACTION_BITS
    mantissa = np.array(config.lut, np.int64)[index << steps if steps >= 0 else index >> -steps]
    exponent = (words & (PRESENT // 2 - 1)) - (words & PRESENT // 2) >> SINK_FRACTION_BITS
    return np.where(words & PRESENT, mantissa, 0), exponent
