"""Causal attention of many jobs at once, every bit as `fusioncim_golden.engine`.

    O = sum over blocks of floor(D * 2^-s + 1/2)        D = P V of a block, s = align + dropped_bits

with O shifted where a reference moved. P is scaled by 2^-s before it is multiplied, and a column of 1/2 beside it
brings the rounding, so a block is one small matrix product, a floor and an addition. All of it is exact in float32:
|D| is at most 2^22, so that a sum has at most 24 bits unless s > 24, where |D| 2^-s is below 1/4 and the floor is 0
either way. O has float64 where it needs more than 24 bits.

Causal rows see the keys of one order from a point on, and no block before it changes them. So the order is that of the
schedule for all rows together, and only `seed`, and a folded order, which every pass has of its own, have to know how
rows are dealt to tiles.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fusioncim_golden.arith import Int
from fusioncim_golden.config import OUTPUT_FRACTION_BITS, RECIPROCAL_BITS, Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.normalizer import guard_bits, headroom, least_length
from fusioncim_golden.pytorch.quantize import Operands
from fusioncim_golden.pytorch.softmax import (
    HIDDEN,
    NOTHING,
    Blocks,
    Rows,
    log2_score,
    merge,
    probabilities,
    row_type,
)
from fusioncim_golden.quantize import operand_max
from fusioncim_golden.schedule import Job, passes

CHUNK = 64
"""Keys at a time: temporaries of a chunk stay in the cache."""
MAX_COLUMNS = 1024
"""Largest head dimension of an engine; scores of it are exact in float32."""


@dataclass
class Events:
    """What happened in all jobs together: see `engine.Events`.

    Here row_updates are rows times the blocks of which they see a key, slots tiles times the blocks of which any row
    does; moved_slots: slots in which a row is rescaled or halved.
    """

    scores: int = 0
    rescales: int = 0
    halvings: int = 0
    zero_probabilities: int = 0
    row_updates: int = 0
    skipped_row_updates: int = 0
    slots: int = 0
    moved_slots: int = 0

    @property
    def additions(self) -> int:
        """As of `engine.Events`."""
        return self.row_updates - self.skipped_row_updates

    def begin(self, config: Config, visible: Tensor) -> None:
        """Add what a job's rows see, visible [jobs, rows]."""
        blocks = -(-visible // config.update_rank)
        tiles = torch.nn.functional.pad(blocks, (0, -blocks.shape[1] % config.rows)).unflatten(1, (-1, config.rows))
        self.scores += int(visible.sum())
        self.zero_probabilities += int(visible.sum())
        self.row_updates += int(blocks.sum())
        self.skipped_row_updates += int(blocks.sum())
        self.slots += int(tiles.amax(dim=2).sum())

    def count(self, config: Config, step: "Step") -> None:
        """Add a chunk's; what it adds to a row is taken off what may have added nothing."""
        added = step.active.permute(1, 0, 2)
        self.zero_probabilities += int((step.block.p.clamp(max=1) & added[:, None]).sum(dtype=torch.int64).neg())
        self.skipped_row_updates += int(added.sum(dtype=torch.int64))
        self.rescales += int((step.move > 0).sum())
        self.halvings += int((step.move < 0).sum())
        block, job, row = step.move.nonzero(as_tuple=True)
        place = torch.stack([block, job, (row + step.chunk.first) // config.rows])
        self.moved_slots += place.unique(dim=1).shape[1]


@dataclass(frozen=True)
class Chunk:
    """Blocks in the order in which they pass. keys [blocks, rank]: their keys; first: rows before it see none."""

    keys: Tensor
    first: int


def attend(config: Config, operands: Operands, *, engines: int = 1, events: Events | None = None) -> Tensor:
    """Outputs int64 [jobs, rows, columns] as of `engine.run`; counts into `events`."""
    out = torch.zeros(operands.q.shape, dtype=torch.int64, device=operands.q.device)
    for part in parts(config, operands, engines):
        if events is not None:
            events.begin(config, part.operands.visible)
        o = accumulate(config, part, events)
        out[:, part.index] = normalize(config, o, part.rows.row_sum)
    return out


def count(config: Config, operands: Operands, *, engines: int = 1) -> Events:
    """The events of `attend`, in the time of the softmax alone."""
    events = Events()
    for part in parts(config, operands, engines):
        events.begin(config, part.operands.visible)
        for step in walk(config, part):
            events.count(config, step)
    return events


@dataclass(frozen=True)
class Part:
    """Rows that pass the keys together. index: which of the job; operands: theirs; blocks: order; rows: their state."""

    index: slice | Tensor
    operands: Operands
    blocks: Int
    rows: Rows


def parts(config: Config, operands: Operands, engines: int) -> Iterator[Part]:
    """All rows, fresh; by passes where these have orders of their own, or `seed`, which starts rows where others ended.

    The caller brings the rows of a part to their end before it takes the next one.
    """
    if operands.q.shape[-1] > MAX_COLUMNS:
        raise InputError(f"the head dimension must be at most {MAX_COLUMNS}, not {operands.q.shape[-1]}")
    if not config.seed and not config.key_order().folded:
        blocks = -(-int(operands.visible.max()) // config.update_rank)
        order = config.key_order().blocks(blocks, blocks - 1, blocks) if blocks else np.arange(0)
        yield Part(slice(None), operands, order, fresh_rows(config, operands.visible, None))
        return
    if config.key_order().folded and (operands.visible != operands.visible[0]).any():
        raise InputError(f"sequences must have one length under the schedule {config.schedule}, but they are padded")
    last = torch.full_like(operands.visible, HIDDEN)
    for index, source, order in pass_rows(config, operands, engines):
        part = operands.rows(index)
        before = torch.full_like(part.visible, HIDDEN) if source is None else last[:, source]
        rows = fresh_rows(config, part.visible, before if config.seed else None)
        yield Part(index, part, order, rows)
        last[:, index] = torch.where(rows.row_sum > 0, rows.reference, before).to(last.dtype)


def pass_rows(config: Config, operands: Operands, engines: int) -> Iterator[tuple[Tensor, Tensor | None, Int]]:
    """Rows of each pass, the rows of the tiles that its words held before, and its blocks; padding counts as rows."""
    total = operands.q.shape[1]
    job = Job(queries=total // operands.group, keys=operands.k.shape[1], heads=operands.group)
    within = torch.arange(config.rows, device=operands.q.device)
    held: dict[tuple[int, int], int] = {}
    for group in passes(config, job, engines):
        words = [(tile.engine, tile.word) for tile in group.tiles]
        first = [int(tile.query[0]) * job.heads + int(tile.head[0]) for tile in group.tiles]
        index = torch.cat([start + within for start in first])
        used = index < total
        known = all(word in held for word in words)
        before = torch.cat([held[word] + within for word in words])[used] if known else None
        held |= dict(zip(words, first, strict=True))
        yield index[used], before, group.blocks


def chunks(config: Config, visible: Tensor, blocks: Int) -> Iterator[Chunk]:
    """The blocks in order; visible [jobs, rows]."""
    rank = config.update_rank
    most = visible.amax(dim=0).cummax(dim=0).values.cpu()
    size = max(CHUNK // rank, 1)
    within = torch.from_numpy(config.key_order().within(rank))
    for start in range(0, len(blocks), size):
        index = torch.from_numpy(blocks[start : start + size])
        keys = index[:, None] * rank + within
        yield Chunk(keys.to(visible.device), int(torch.searchsorted(most, int(index.min()) * rank, right=True)))


@dataclass(frozen=True)
class Step:
    """A chunk after its blocks are in the rows.

    Members:
        chunk: its blocks.
        late: the rows that see them, from chunk.first on.
        block: their probabilities.
        active, align, move: of `Update`, int32 [blocks, jobs, rows].
    """

    chunk: Chunk
    late: slice
    block: Blocks
    active: Tensor
    align: Tensor
    move: Tensor


def walk(config: Config, part: Part) -> Iterator[Step]:
    """All chunks in order, into the rows in place."""
    operands, rows = part.operands, part.rows
    jobs, rank = len(operands.q), config.update_rank
    exact = product_type()
    padding = (0, 0, 0, -operands.k.shape[1] % rank)
    k = torch.nn.functional.pad(operands.k, padding).to(exact)
    q = operands.q.clamp(min=-operand_max(config.operand_bits)).to(exact).transpose(1, 2)
    table = torch.tensor(config.lut, dtype=torch.int32, device=q.device) * 2
    for chunk in chunks(config, operands.visible, part.blocks):
        late, order = slice(chunk.first, None), chunk.keys.t().reshape(-1)
        score = torch.bmm(k[:, order], q[:, :, late])
        x = log2_score(config, score, operands.mantissa[:, late], operands.shift[:, late])
        hide(config, x, order, operands.visible[:, late])
        block = probabilities(config, x.view(jobs, rank, -1, x.shape[-1]), table)
        state = Rows(*(None if each is None else each[:, late] for each in rows))
        exponent, total = (each.to(rows.row_sum.dtype).unbind(dim=1) for each in (block.exponent, block.total))
        updates = [merge(config, state, *each) for each in zip(exponent, total, strict=True)]
        active, align, move = (torch.stack(each).to(torch.int32) for each in zip(*updates, strict=True))
        yield Step(chunk, late, block, active, align, move)


def product_type() -> torch.dtype:
    """In which products of integers are exact: float32 unless torch is told, or may be told, to round its operands."""
    try:
        return torch.float32 if torch.get_float32_matmul_precision() == "highest" else torch.float64
    except RuntimeError:  # the precision was set for one backend alone
        return torch.float64


def fresh_rows(config: Config, visible: Tensor, before: Tensor | None) -> Rows:
    """Rows [jobs, rows] that have seen no key."""
    nothing = torch.full_like(visible, NOTHING, dtype=row_type(config))
    return Rows(nothing, torch.zeros_like(nothing), None if before is None else before.to(nothing.dtype))


def accumulate(config: Config, part: Part, events: Events | None) -> Tensor:
    """O [jobs, rows, columns] in units of 2^dropped_bits after all keys, which also bring the rows to their end."""
    operands, exact = part.operands, product_type()
    padding = (0, 0, 0, -operands.v.shape[1] % config.update_rank)
    v = torch.nn.functional.pad(operands.v, padding).to(exact)
    ones = torch.ones(len(v), 1, 1, v.shape[-1], dtype=exact, device=v.device)
    o = torch.zeros_like(operands.q, dtype=exact if config.accumulator_bits <= 24 else torch.float64)
    for step in walk(config, part):
        keys = step.chunk.keys
        weight = weights(config, step.block.p, step.active, step.align, exact).transpose(2, 3).unbind()
        values = torch.cat([v[:, keys], ones.expand(-1, len(keys), -1, -1)], dim=2).unbind(dim=1)
        sums = o[:, step.late]
        for p, value, moved in zip(weight, values, moves(step.move, o.dtype), strict=True):
            if moved:
                sums[moved.place] = (sums[moved.place] * moved.factor + moved.half).floor_()
            sums += torch.bmm(p, value).floor_()
        if events is not None:
            events.count(config, step)
    return o


def hide(config: Config, x: Tensor, order: Tensor, visible: Tensor) -> None:
    """Put masked keys far below all others: x [jobs, keys, rows], order [keys], visible [jobs, rows]."""
    partly = (visible.amin(dim=0) <= order.max()).nonzero()
    if len(partly):
        some = slice(int(partly[0]), int(partly[-1]) + 1)
        masked = order[None, :, None] >= visible[:, None, some]
        x[:, :, some].masked_fill_(masked, HIDDEN << config.fraction_bits)


def weights(config: Config, p: Tensor, active: Tensor, align: Tensor, exact: torch.dtype) -> Tensor:
    """[blocks, jobs, rank + 1, rows]: p * 2^-s, then 1/2 where s > 0; all 0 where a block is skipped."""
    right = align + config.dropped_bits
    scale = (((127 - right) << 23) & active).view(torch.float32)  # the bits of 2^-right
    half = (-right >> 31).bitwise_and_(active).bitwise_and_(126 << 23).view(torch.float32)
    weight = torch.empty(len(right), len(p), p.shape[1] + 1, p.shape[-1], dtype=exact, device=p.device)
    torch.mul(p.permute(2, 0, 1, 3), scale[:, :, None], out=weight[:, :, :-1])
    weight[:, :, -1] = half
    return weight


@dataclass(frozen=True)
class Moves:
    """Rows whose O is shifted before a block: floor(O * factor + half). place: job and row of each."""

    place: tuple[Tensor, Tensor]
    factor: Tensor
    half: Tensor


def moves(move: Tensor, kind: torch.dtype) -> list[Moves | None]:
    """The shifts of O before each block of a chunk, move [blocks, jobs, rows]."""
    block, job, row = move.nonzero(as_tuple=True)
    by = move[block, job, row]
    factor, half = torch.exp2(-by.abs().to(kind))[:, None], (by > 0).to(kind)[:, None] / 2
    sizes = torch.bincount(block, minlength=len(move)).tolist()
    parts = zip(*(each.split(sizes) for each in (job, row, factor, half)), strict=True)
    return [Moves((j, r), f, h) if len(j) else None for j, r, f, h in parts]


def normalize(config: Config, o: Tensor, row_sum: Tensor) -> Tensor:
    """O / l as `normalizer.normalize`: every product is an integer below 2^53."""
    length = torch.frexp(row_sum.double()).exponent.to(torch.int64)
    excess = length - RECIPROCAL_BITS
    wide = row_sum.to(torch.int64)
    mantissa = (wide >> excess.clamp(min=0)) << (-excess).clamp(min=0)
    inverse = ((1 << (2 * RECIPROCAL_BITS - 1)) - 1) // mantissa.clamp(min=1)
    right = length - least_length(config) - headroom(config)
    aligned = (o.double() * torch.exp2(-right.double())[..., None]).floor_()
    scaled = (aligned.mul_(inverse[..., None]) * 0.5 ** (RECIPROCAL_BITS + guard_bits(config)) + 0.5).floor_()
    limit = 1 << (config.output_bits - 1)
    return scaled.clamp_(-limit, limit - 1).mul_(row_sum[..., None] > 0).to(torch.int64)


def output_unit(config: Config) -> float:
    """An output's last bit in units of V's."""
    return 0.5**OUTPUT_FRACTION_BITS if config.output_bits > OUTPUT_FRACTION_BITS else 1.0
