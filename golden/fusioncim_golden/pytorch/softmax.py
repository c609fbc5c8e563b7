"""Online softmax in powers of two, as `fusioncim_golden.softmax`, for the rows of many jobs at once.

Decisions are masks of all ones or zeros, taken from sign bits, because selecting by booleans costs a multiple of the
arithmetic. A row that has seen no key has the reference NOTHING: every visible block lies so far above it that it
counts as a rescale that empties the row, which is what a first block does.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from fusioncim_golden.config import REFERENCE_BITS, Config
from fusioncim_golden.pytorch.token_scale import KeyScales

LOWEST = -(1 << (REFERENCE_BITS - 1))
"""Least integer part of a log2 score."""
NOTHING = LOWEST + LOWEST // 2
"""Reference of a row that has seen no key."""
HIDDEN = 2 * LOWEST
"""Integer part of the log2 score of a masked key: as far below NOTHING as NOTHING lies below every score."""

MAX_COLUMNS_31 = 511
"""Largest head dimension whose scores times their scale have 31 bits."""


class Blocks(NamedTuple):
    """p int32 [jobs, rank, blocks, rows], times V's scales per token; exponent and block sum [jobs, blocks, rows]."""

    p: Tensor
    exponent: Tensor
    total: Tensor


class Rows(NamedTuple):
    """State of the rows [jobs, rows]: reference r, row sum l, and the reference that an earlier tile left (`seed`)."""

    reference: Tensor
    row_sum: Tensor
    before: Tensor | None


class Update(NamedTuple):
    """One block into the rows, [jobs, rows].

    Members:
        active: all ones where the block is added to O.
        align: right shift of the block, also where only the row sum counts it.
        move: right shift of O before; 0 is none, -1 a halving, everything else a rescale.
    """

    active: Tensor
    align: Tensor
    move: Tensor


def row_type(config: Config) -> torch.dtype:
    """Integers wide enough for twice a row sum and for a block sum before it is aligned."""
    block = config.probability_bits + config.rank_bits + config.row_sum_fraction + config.slack + 1
    return torch.int32 if max(config.row_sum_bits + 1, block) < 32 else torch.int64


def log2_score(config: Config, score: Tensor, mantissa: Tensor, shift: Tensor, scale: Tensor | None = None) -> Tensor:
    """X = floor(score * mantissa * scale * 2^fraction_bits / 2^shift), int32 [jobs, keys, rows].

    mantissa, shift: [jobs, rows]. scale: of K per token, float64 [1 or jobs, keys], None for 1.
    """
    if scale is not None:  # score * mantissas have at most 40 bits
        factor = mantissa * torch.exp2(config.fraction_bits - shift.double())
        return (score * factor[:, None]).mul_(scale[..., None]).floor_().to(torch.int32)
    # A product has at most 31 bits for up to 511 columns, and 32 for more; a shift below fraction_bits is taken from a
    # scale so large that the result is bounded by the rule for scales.
    wide = torch.int32 if config.columns <= MAX_COLUMNS_31 else torch.int64
    more = shift - config.fraction_bits
    factor = mantissa << (-more).clamp(min=0)
    x = score.to(wide).mul_(factor[:, None]).bitwise_right_shift_(more.clamp(min=0)[:, None])
    return x.to(torch.int32)


def penalty(config: Config, slope: Tensor, distance: Tensor) -> Tensor:
    """Floor(slope * distance * 2^fraction_bits), int32: what ALiBi takes off a log2 score, exact in float64.

    slope: float64 [jobs, rows]. distance: int [1 or jobs, keys, rows].
    """
    return (distance * (slope[:, None] * 2.0**config.fraction_bits)).floor_().to(torch.int32)


def probabilities(config: Config, x: Tensor, table: Tensor, scales: KeyScales | None = None) -> Blocks:
    """Blocks of log2 scores x [jobs, rank, blocks, rows]; table: twice the LUT, so that rounding is one addition.

    scales: of V per token [1 or jobs, rank, blocks], None where the job has none.
    """
    unused = config.fraction_bits - (config.lut_size.bit_length() - 1)
    integer = x >> config.fraction_bits
    index = x.bitwise_and_((1 << config.fraction_bits) - 1)
    p = table.index_select(0, (index >> unused if unused else index).view(-1)).view(x.shape)
    if scales is not None:
        return scaled_block(config, integer, p, scales)
    exponent = integer[:, 0]
    deepest = config.probability_bits + 2  # beyond, every p is 0
    p[:, 0].bitwise_right_shift_(1)
    for n in range(1, x.shape[1]):
        highest = torch.maximum(exponent, integer[:, n])
        rise = (highest - exponent).clamp_(max=deepest)[:, None]
        p[:, :n].mul_(2).bitwise_right_shift_(rise).add_(1).bitwise_right_shift_(1)
        fall = (highest - integer[:, n]).clamp_(max=deepest)
        p[:, n].bitwise_right_shift_(fall).add_(1).bitwise_right_shift_(1)
        exponent = highest
    return Blocks(p, exponent, p.sum(dim=1, dtype=torch.int32))


def scaled_block(config: Config, integer: Tensor, twice: Tensor, scales: KeyScales) -> Blocks:
    """Blocks whose p are multiplied by V's scales; the block sum is that of the p without them.

    integer, twice: of the log2 scores, and twice their entries of the LUT.
    """
    deepest = config.probability_bits + config.rank_bits + 2  # beyond, p and sum are 0
    # Twice the scaled mantissa: as above, rounding is then one addition.
    p = (twice * scales.mantissa[..., None] + 256).bitwise_right_shift_(9).mul_(2)
    exponent, total = integer[:, 0], twice[:, 0] >> 1
    first = scales.shift[:, 0, :, None].clamp(max=deepest)
    p[:, 0].bitwise_right_shift_(first).add_(1).bitwise_right_shift_(1)
    for n in range(1, twice.shape[1]):
        highest = torch.maximum(exponent, integer[:, n])
        rise = (highest - exponent).clamp_(max=deepest)
        p[:, :n].bitwise_right_shift_(rise[:, None])
        fall = (highest - integer[:, n]).clamp_(max=deepest)
        deeper = (fall + scales.shift[:, n, :, None]).clamp_(max=deepest)
        p[:, n].bitwise_right_shift_(deeper).add_(1).bitwise_right_shift_(1)
        total = (((total << 1) >> rise) + 1 >> 1) + ((twice[:, n] >> fall) + 1 >> 1)
        exponent = highest
    return Blocks(p, exponent, total)


def merge(config: Config, rows: Rows, exponent: Tensor, total: Tensor, *, centred: bool = False) -> Update:
    """Add a block [jobs, rows] to the rows, in place."""
    flush, reach = (config.centred_flush, config.sum_flush) if centred else (config.flush, config.flush)
    reference, row_sum, before = rows
    sign = torch.iinfo(row_sum.dtype).bits - 1
    full = row_sum >> (config.row_sum_bits - 1)
    rise = exponent - reference
    distance = rise - full
    moves = (config.slack - distance) >> sign
    counted = ~((distance + reach) >> sign)
    active = ~((distance + flush + full * (reach - flush)) >> sign)
    adds = active ^ moves
    align = -distance & (counted ^ moves)
    wiped = (config.accumulator_bits - 1 - rise) >> sign
    right = (rise | (wiped & sign)).clamp_(max=sign) & moves
    halve = full & adds
    first = (reference - NOTHING - 1) >> sign
    if before is not None:
        align += (before - exponent).clamp_(0, config.seed_limit) & moves & first
        reference += align & first
    reference += (rise & moves) | halve
    old = (((row_sum << 1) >> (right | halve)) - moves) >> 1
    new = (((total << (config.row_sum_fraction + config.slack + 1)) >> (align + config.slack)) + 1) >> 1
    torch.add(old, new & counted, out=row_sum)
    return Update(active, align, (right & ~first) - halve)
