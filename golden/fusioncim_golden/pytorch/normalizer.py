"""The end of a row as `fusioncim_golden.normalizer` has it: its sink, O / l, and its log-sum-exp."""

from typing import NamedTuple

import torch
from torch import Tensor

from fusioncim_golden.config import RECIPROCAL_BITS, REFERENCE_BITS, Config
from fusioncim_golden.normalizer import LSE_FRACTION_BITS, NO_KEY, guard_bits, headroom, least_length
from fusioncim_golden.pytorch.softmax import NOTHING, Rows
from fusioncim_golden.sinks import PRESENT, SINK_FRACTION_BITS

MOST_SHIFT = 62
"""Beyond, an element of O is 0 or -1 whatever the shift."""


class Finished(NamedTuple):
    """Rows after their sinks, int64 [lines, rows].

    Members:
        reference, row_sum: r and l; where neither key nor sink is, l is 0.
        lower: right shift of O, as the sink has moved the reference.
        empty: the row has seen no key.
    """

    reference: Tensor
    row_sum: Tensor
    lower: Tensor
    empty: Tensor


def finished(config: Config, rows: Rows, sinks: Tensor | None) -> Finished:
    """The rows with the weight of their sink, a word per row; None: no row has one."""
    reference, row_sum = rows.reference.to(torch.int64), rows.row_sum.to(torch.int64)
    empty, none = reference == NOTHING, torch.zeros_like(reference)
    if sinks is None:
        return Finished(reference, row_sum, none, empty)
    # A row that has seen no key has the sum 0 and a reference below that of every sink.
    exponent, weight, there = sink_weight(config, sinks.to(torch.int64))
    distance = exponent - reference
    above = distance.clamp(0, MOST_SHIFT)
    total = shift_round(row_sum, above) + shift_round(weight, (-distance).clamp(0, MOST_SHIFT))
    return Finished(
        torch.where(there & (distance > 0), exponent, reference),
        torch.where(there, total, row_sum),
        torch.where(there, above, none),
        empty,
    )


def sink_weight(config: Config, words: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Exponent, weight as a row sum, and whether there is a sink, of words int64."""
    exponent = (words & (PRESENT // 2 - 1)) - (words & PRESENT // 2) >> SINK_FRACTION_BITS
    index = words & ((1 << SINK_FRACTION_BITS) - 1)
    steps = config.lut_size.bit_length() - 1 - SINK_FRACTION_BITS
    table = torch.tensor(config.lut, dtype=torch.int64, device=words.device) << config.row_sum_fraction
    return exponent, table[index << steps if steps >= 0 else index >> -steps], words & PRESENT > 0


def shift_round(x: Tensor, n: Tensor) -> Tensor:
    """As `arith.shift_round`, of 0 <= x < 2^62 and 0 <= n."""
    return (x << 1 >> n) + 1 >> 1


def normalize(config: Config, o: Tensor, rows: Finished) -> Tensor:
    """O / l as `normalizer.normalize`: every product is an integer below 2^53."""
    row_sum = rows.row_sum
    length = torch.frexp(row_sum.double()).exponent.to(torch.int64)
    excess = length - RECIPROCAL_BITS
    mantissa = (row_sum >> excess.clamp(min=0)) << (-excess).clamp(min=0)
    inverse = ((1 << (2 * RECIPROCAL_BITS - 1)) - 1) // mantissa.clamp(min=1)
    right = (length - least_length(config) - headroom(config) + rows.lower).clamp_(max=MOST_SHIFT)
    aligned = (o.double() * torch.exp2(-right.double())[..., None]).floor_()
    scaled = (aligned.mul_(inverse[..., None]) * 0.5 ** (RECIPROCAL_BITS + guard_bits(config)) + 0.5).floor_()
    limit = 1 << (config.output_bits - 1)
    return scaled.clamp_(-limit, limit - 1).mul_(~rows.empty[..., None]).to(torch.int64)


def log_sum_exp(config: Config, rows: Finished) -> Tensor:
    """The words of rows: E and 12 bits of fraction of 2^E * (1 + fraction) = sum of 2^x, truncated."""
    length = torch.frexp(rows.row_sum.double()).exponent.to(torch.int64)
    exponent = rows.reference + length - config.row_sum_fraction - config.probability_bits
    limit = 1 << (REFERENCE_BITS - 1)
    exponent.clamp_(-limit, limit - 1)
    below = length - 1 - LSE_FRACTION_BITS
    fraction = (rows.row_sum >> below.clamp(min=0)) << (-below).clamp(min=0)
    fraction &= (1 << LSE_FRACTION_BITS) - 1
    word = (exponent & (2 * limit - 1)) << LSE_FRACTION_BITS | fraction
    return torch.where(rows.row_sum > 0, word, NO_KEY)
