"""The hybrid engine: heads in, outputs and event counts out, every bit as the RTL.

scores -> log2 scores -> block probabilities -> row updates -> O -> O / l
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields

import numpy as np

from fusioncim_golden.arith import Bool, Int
from fusioncim_golden.config import Config, check_range
from fusioncim_golden.errors import InputError
from fusioncim_golden.ip_cim import resident, scores
from fusioncim_golden.limits import SLOPE_POSITIONS
from fusioncim_golden.mask import sees
from fusioncim_golden.normalizer import NO_KEY, log_sum_exp, normalize, with_sink
from fusioncim_golden.op_cim import accumulate
from fusioncim_golden.quantize import Heads
from fusioncim_golden.scale_table import LEAST_MANTISSA, MOST_MANTISSA, MOST_SHIFT, largest_score, score_room
from fusioncim_golden.schedule import Job, Pass, Tile, passes
from fusioncim_golden.sinks import PRESENT, check_not_centred, legal_sinks
from fusioncim_golden.slopes import legal_slopes, slope_term
from fusioncim_golden.softmax import Block, Rows, Update, Updates, log2_score, merge, probabilities
from fusioncim_golden.token_scale import CODE_BITS

SLOPE_RULE = "a slope must be 0, or have a mantissa from 128 to 255, a shift from 7 to 31 and 0 above"
SINK_RULE = f"a sink's word must be 0 or from {PRESENT:#x} to {2 * PRESENT - 1:#x}"


@dataclass
class Events:
    """Events of a job.

    Members:
        scores: visible scores.
        rescales: a row's O was shifted because its reference moved.
        halvings: a row's O was halved because its sum was about to overflow.
        zero_probabilities: visible scores that add nothing.
        row_updates: a row's block in a slot.
        skipped_row_updates: those in which the row of the OP-CIM stays still.
        slots: a block that passes a word.
        zero_slots: those in which no row adds anything.
    """

    scores: int = 0
    rescales: int = 0
    halvings: int = 0
    zero_probabilities: int = 0
    row_updates: int = 0
    skipped_row_updates: int = 0
    slots: int = 0
    zero_slots: int = 0

    @property
    def additions(self) -> int:
        """Blocks that a row adds to its O."""
        return self.row_updates - self.skipped_row_updates

    def add(self, other: "Events") -> None:
        """Add another job's events."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))


@dataclass(frozen=True)
class TileTrace:
    """Stations of one tile: score and x [rows, blocks, rank], blocks, updates and the row state at the end."""

    tile: Tile
    key_blocks: Pass
    score: Int
    x: Int
    block: Block
    updates: Updates
    rows: Rows
    o: Int


@dataclass
class Result:
    """What a job gives.

    Members:
        out: int64 [heads, queries, columns], units of V's LSB (8 fraction bits for 16-bit outputs).
        lse: int64 [heads, queries], words of the `normalizer`'s log-sum-exp.
        events: of the job.
    """

    out: Int
    lse: Int
    events: Events = field(default_factory=Events)


def check_operands(config: Config, heads: Heads) -> None:
    """Refuse operands that do not fit the configuration: shapes, ranges, and a score scale that could overflow."""
    if heads.q.ndim != 3 or heads.k.ndim != 2 or heads.k.shape != heads.v.shape:
        raise InputError(
            "q must be [heads, queries, columns], k and v [keys, columns] alike, "
            f"not {heads.q.shape}, {heads.k.shape}, {heads.v.shape}"
        )
    for name, x in (("q", heads.q), ("k", heads.k), ("v", heads.v)):
        if x.shape[-1] != config.columns:
            raise InputError(f"the head dimension of {name} must be columns = {config.columns}, not {x.shape[-1]}")
        low, high = -(1 << (config.operand_bits - 1)), (1 << (config.operand_bits - 1)) - 1
        if x.size and (x.min() < low or x.max() > high):
            worst = x.min() if x.min() < low else x.max()
            raise InputError(f"{name} must be {config.operand_bits}-bit integers from {low} to {high}, not {worst}")
    check_scale(config, heads.mantissa, heads.shift, slopes=heads.slopes is not None)
    _check_token_scales(config, heads)
    if heads.slopes is not None and not config.alibi:
        raise InputError("slopes need an engine with alibi = true, not false")
    _check_table("slopes", heads.slopes, heads, legal_slopes, SLOPE_RULE)
    _check_table("sinks", heads.sinks, heads, legal_sinks, SINK_RULE)
    if heads.sinks is not None:
        check_not_centred(heads.sinks, centred=heads.centred)


def _check_token_scales(config: Config, heads: Heads) -> None:
    """Refuse codes of scales per token that the engine cannot take."""
    codes = heads.token_scales
    if codes is None:
        return
    if not config.token_scale_bits:
        raise InputError("scales per token need an engine with token_scale_bits = 1 or 8, not 0")
    if codes.shape != (len(heads.k), 2):
        raise InputError(f"token_scales must be [keys, 2] = {(len(heads.k), 2)}, not {codes.shape}")
    bad = codes[(codes < 0) | (codes >= 1 << CODE_BITS)]
    if bad.size:
        raise InputError(f"a code of token_scales must be from 0 to {(1 << CODE_BITS) - 1}, not {bad.flat[0]}")


def _check_table(name: str, words: Int | None, heads: Heads, legal: Callable[[Int], Bool], rule: str) -> None:
    """Refuse a table of words per query head that has another length, or a word that breaks the rule."""
    if words is None:
        return
    if words.shape != (len(heads.q),):
        raise InputError(f"{name} must be [heads] = {(len(heads.q),)}, not {words.shape}")
    bad = words[~legal(words)]
    if bad.size:
        raise InputError(f"{rule}, not {int(bad.flat[0]):#x}")


def check_positions(job: Job) -> None:
    """Refuse a job with slopes whose distances are too large for them."""
    check_range("keys in a job with slopes", job.keys, 0, SLOPE_POSITIONS)
    check_range("start + queries in a job with slopes", job.first_position() + job.queries, 1, SLOPE_POSITIONS)


def check_scale(config: Config, mantissa: Int, shift: Int, *, slopes: bool = False) -> None:
    """Refuse score scales mantissa / 2^shift that are no word of `scale_table`, or whose log2 score could overflow."""
    for name, x, low, high in (("mantissa", mantissa, LEAST_MANTISSA, MOST_MANTISSA), ("shift", shift, 0, MOST_SHIFT)):
        for worst in (int(x.min()), int(x.max())):
            check_range(f"{name} of a score scale", worst, low, high)
    scale = float((mantissa * 0.5**shift).max())
    largest = largest_score(config)
    room = 1 << score_room(slopes=slopes)
    if scale * largest >= room:
        raise InputError(
            f"the score scale q_scale * k_scale * softmax_scale * log2(e) must be below "
            f"{room / largest:g} for this operand width and head dimension{' with slopes' * slopes}, not {scale:g}"
        )


def trace(config: Config, heads: Heads, job: Job, engines: int = 1) -> Iterator[TileTrace]:
    """Every tile of a job with all its stations, in the order of the schedule."""
    check_operands(config, heads)
    if heads.slopes is not None:
        check_positions(job)
    state: dict[tuple[int, int], Rows] = {}
    rank = config.update_rank
    padded = -(-max(job.keys, 1) // rank) * rank  # where no key is, one block passes all the same
    k, v = (_padded(x, padded) for x in (heads.k, heads.v))
    codes = None if heads.token_scales is None else _padded(heads.token_scales, padded)
    for group in passes(config, job, engines):
        position = group.positions(config)
        for tile in group.tiles:
            source = tile.head, np.minimum(tile.query, job.queries - 1)
            q, mantissa, shift = heads.q[source], heads.mantissa[source], heads.shift[source]
            score = scores(resident(q, config.operand_bits), k)[:, position]
            visible = tile.sees(position)
            of_k, of_v = (None, None) if codes is None else np.moveaxis(codes[position], -1, 0)
            x = log2_score(config, score, mantissa[:, None, None], shift[:, None, None], of_k)
            if heads.slopes is not None:
                distance = np.abs(job.first_position() + tile.query[:, None, None] - position)
                x = x - slope_term(config, heads.slopes[tile.head, None, None], distance)
            block = probabilities(config, x, visible, of_v)
            place = tile.engine, tile.word
            rows = Rows.fresh((config.rows,)) if tile.fresh else state[place].next_tile()
            updates = merge(config, rows, block, centred=heads.centred)
            o = accumulate(config, block.p, updates, v[position])
            state[place] = rows
            yield TileTrace(tile, group, score, x, block, updates, rows, o)


def _padded(x: Int, keys: int) -> Int:
    """Zeros behind the last key, up to so many."""
    return np.pad(x, ((0, keys - len(x)), (0, 0)))


def run(config: Config, heads: Heads, job: Job, engines: int = 1) -> Result:
    """All outputs and events of a job. Errors: the operands are of another number of heads, queries or keys."""
    found, wanted = (*heads.q.shape[:2], len(heads.k)), (job.heads, job.queries, job.keys)
    if found != wanted:
        raise InputError(f"heads, queries and keys must be those of the job, {wanted}, not {found}")
    result = Result(np.zeros(heads.q.shape, np.int64), np.full(heads.q.shape[:2], NO_KEY))
    sinks = np.zeros(len(heads.q), np.int64) if heads.sinks is None else heads.sinks
    for step in trace(config, heads, job, engines):
        tile, rows = step.tile, step.rows
        row_sum = np.where(rows.empty, 0, rows.row_sum)
        reference, total, moved = with_sink(config, rows.reference, row_sum, sinks[tile.head])
        out = np.where(rows.empty[:, None], 0, normalize(config, step.o, total, moved))
        place = tile.head[: tile.count], tile.query[: tile.count]
        result.out[place] = out[: tile.count]
        result.lse[place] = log_sum_exp(config, reference, total)[: tile.count]
        result.events.add(count_events(config, step))
    return result


def count_events(config: Config, step: TileTrace) -> Events:
    """The events of one tile."""
    passing = step.tile.blocks(config.update_rank)
    in_slot = sees(step.key_blocks.blocks, passing.start, passing.stop)
    slots = int(np.count_nonzero(in_slot))
    visible = step.tile.sees(step.key_blocks.positions(config))
    skipped = step.updates.kind == int(Update.SKIP)
    zero = visible & ((step.block.p == 0) | skipped[..., None])
    idle = config.rows * (len(step.key_blocks.blocks) - slots)
    return Events(
        scores=int(visible.sum()),
        rescales=int(step.updates.rescale.sum()),
        halvings=int(step.updates.halve.sum()),
        zero_probabilities=int(zero.sum()),
        row_updates=config.rows * slots,
        skipped_row_updates=int(skipped.sum()) - idle,
        slots=slots,
        zero_slots=int(np.count_nonzero(skipped.all(axis=0) & in_slot)),
    )
