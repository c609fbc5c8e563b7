"""Online softmax in powers of two, one block of keys at a time.

For every row (query), with x the log2 score, floor(x) its integer part and f its fraction:

1. log2 score         x = floor(s * mantissa / 2^shift), fraction_bits fraction bits; a scale of the key is one more
                      factor, and a slope takes off its term (`slopes`).
2. inside a block     p_n = LUT[f_n] >> (b - floor(x_n)), b = max of floor(x_n) so far in the block; when b rises by n,
                      the block's earlier p shift right by n. So the block is a block-floating-point number 2^b * p.
                      A scale of the value is a factor of its p, and S is the sum of the p without it.
3. between blocks     each row keeps a reference r and a row sum l. A block is added at exponent e = r - b:
                      l += S * 2^-e, O += (P V) * 2^-e. A block below 2^-flush is skipped.
4. the reference      moves only when b > r + slack: then r becomes b, and l and O shift right by b - r (a rescale).
5. about to overflow  when l has reached half of its range, r rises by one and l and O are halved with the next block.

Where values are centred (their mean is taken off, and added to the outputs), what is left out should count as a value
of 0. Then O leaves out what lies below 2^-centred_flush, and l counts it all the same, down to 2^-sum_flush.

Neither a multiplier nor an exponential is needed to rescale, p never loses bits to a reference far above it, and p = 0
where a key is masked. Round, shift and limits: docs/arithmetic.md. Online softmax: Milakov & Gimelshein,
arXiv:1805.02867; powers of two: Stevens et al., Softermax, arXiv:2103.09301.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from fusioncim_golden.arith import Bool, Int, shift_floor, shift_round
from fusioncim_golden.config import Config
from fusioncim_golden.token_scale import LEAST_SHIFT, code_mantissa, code_shift


class Update(IntEnum):
    """What a row of the OP-CIM macro does with a block."""

    SKIP = 0
    """Nothing: no key is visible, or the block lies below 2^-flush."""
    LOAD = 1
    """O = D aligned: the row's first block."""
    ADD = 2
    """O = O + D aligned (after halving O if `halve`)."""
    RESCALE = 3
    """O = (O shifted right) + D: the reference moved up to this block."""


@dataclass
class Rows:
    """State of every row of a tile, arrays of one shape.

    Members:
        empty: no block was added yet.
        reference: r, an exponent of two.
        row_sum: l, with `row_sum_fraction` fraction bits.
        seeded: r is that of an earlier tile, from which a new one may start.
    """

    empty: Bool
    reference: Int
    row_sum: Int
    seeded: Bool

    @classmethod
    def fresh(cls, shape: tuple[int, ...]) -> "Rows":
        """Rows as after reset."""
        yes = np.ones(shape, dtype=bool)
        return cls(yes, np.zeros(shape, np.int64), np.zeros(shape, np.int64), ~yes)

    def next_tile(self) -> "Rows":
        """Rows at the start of the next tile in the same word: only the reference stays."""
        return Rows(np.ones_like(self.empty), self.reference, np.zeros_like(self.row_sum), self.seeded | ~self.empty)


@dataclass(frozen=True)
class Block:
    """A block's probabilities.

    Members:
        p: mantissas [..., rank], times the scales of the values.
        exponent: b [...].
        visible: whether any key of the block is, [...].
        total: S, the sum of the mantissas without these scales, [...]; at least the sum of p.
    """

    p: Int
    exponent: Int
    visible: Bool
    total: Int


@dataclass(frozen=True)
class Updates:
    """Commands to the OP-CIM rows, arrays of one shape [..., blocks].

    Members:
        kind: of `Update`.
        shift: slack + e for LOAD and ADD, b - r for RESCALE.
        halve: O is halved before the block is added.
        rescale: an O with content was shifted because the reference moved; for the counters.
    """

    kind: Int
    shift: Int
    halve: Bool
    rescale: Bool


def log2_score(config: Config, score: Int, mantissa: Int, shift: Int, codes: Int | None = None) -> Int:
    """X = floor(score * mantissa * scale * 2^fraction_bits / 2^shift); the scale is that of the key's code, or 1."""
    if codes is not None:
        mantissa = mantissa * code_mantissa(codes, config.token_scale_bits)
        shift = shift + LEAST_SHIFT + code_shift(codes)
    return shift_floor(score * mantissa << config.fraction_bits, shift)


def probabilities(config: Config, x: Int, visible: Bool, codes: Int | None = None) -> Block:
    """Blocks of log2 scores x [..., rank] to probabilities, in the order in which the keys arrive.

    codes: of the scales of the values, of a shape that broadcasts to that of x. With them the block's earlier p are
    rounded down when b rises, so that their sum is never more than S, which is rounded to the nearest.
    """
    table = np.array(config.lut, dtype=np.int64)
    integer = x >> config.fraction_bits
    index = (x & ((1 << config.fraction_bits) - 1)) >> (config.fraction_bits - (config.lut_size.bit_length() - 1))
    mantissa = table[index]
    scaled, e = mantissa, np.zeros_like(x)
    if codes is not None:
        codes = np.broadcast_to(codes, x.shape)
        scaled = shift_round(mantissa * code_mantissa(codes, config.token_scale_bits), LEAST_SHIFT)
        e = code_shift(codes)
    move = shift_round if codes is None else shift_floor
    p = np.zeros_like(x)
    exponent, total = np.zeros((2, *x.shape[:-1]), np.int64)
    seen = np.zeros(x.shape[:-1], dtype=bool)
    for n in range(x.shape[-1]):
        now = visible[..., n]
        rise = np.where(seen, integer[..., n] - exponent, 1)
        up = now & (rise > 0)
        rises, distance = np.where(up, rise, 0), np.where(up, 0, -rise)
        p[..., :n] = move(p[..., :n], rises[..., None])
        p[..., n] = np.where(now, shift_round(scaled[..., n], distance + e[..., n]), 0)
        total = shift_round(total, rises) + np.where(now, shift_round(mantissa[..., n], distance), 0)
        exponent = np.where(up, integer[..., n], exponent)
        seen |= now
    return Block(p, exponent, seen, p.sum(axis=-1) if codes is None else total)


def merge(config: Config, rows: Rows, blocks: Block, *, centred: bool = False) -> Updates:
    """Walk the blocks [..., blocks] in order; update `rows` [...] in place and return the commands to the OP-CIM."""
    flush, reach = (config.centred_flush, config.sum_flush) if centred else (config.flush, config.flush)
    shape = blocks.exponent.shape
    kind, shift = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    halve, rescale = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    block_sum = blocks.total << config.row_sum_fraction
    half = np.int64(1) << (config.row_sum_bits - 1)
    for t in range(shape[-1]):
        b, seen = blocks.exponent[..., t], blocks.visible[..., t]
        full = rows.row_sum >= half
        distance = b - rows.reference - full
        moves = ~rows.empty & (distance > config.slack)
        counts = ~rows.empty & (distance <= config.slack) & (distance >= -reach)
        adds = counts & (full | (distance >= -flush))  # a full row sum is halved together with O
        start = np.where(config.seed & rows.seeded, np.clip(rows.reference - b, 0, config.seed_limit), 0)
        rise = b - rows.reference
        wiped = moves & (rise >= config.accumulator_bits)
        align = np.where(rows.empty, start, np.where(counts, -distance, 0))

        load, add = seen & (rows.empty | wiped), seen & adds
        move = seen & moves
        kind[..., t] = np.where(load, Update.LOAD, np.where(add, Update.ADD, np.where(move, Update.RESCALE, 0)))
        shift[..., t] = np.where(load | add, config.slack + align, np.where(move, rise, 0))
        halve[..., t] = add & full
        rescale[..., t] = move

        old = np.where(move, shift_round(rows.row_sum, rise), rows.row_sum >> (add & full))
        new = shift_round(block_sum[..., t], align)
        active = load | (seen & counts) | move
        rows.row_sum = np.where(active, np.where(load, 0, old) + new, rows.row_sum)
        rows.reference = np.where(active, b + align, rows.reference)
        rows.empty = rows.empty & ~seen
    return Updates(kind, shift, halve, rescale)


def exact_rescales(scores: Int, visible: Bool) -> int:
    """Rescales of exact online softmax: how often a row's running maximum rises after its first visible key.

    scores, visible: [..., keys] in the order in which the keys are seen.
    """
    low = np.iinfo(np.int64).min
    masked = np.where(visible, scores, low)
    best = np.maximum.accumulate(masked, axis=-1)
    before = np.concatenate([np.full_like(best[..., :1], low), best[..., :-1]], axis=-1)
    return int(np.count_nonzero(visible & (masked > before) & (before != low)))
