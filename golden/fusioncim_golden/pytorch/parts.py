"""Which rows of many jobs pass the keys together, and the keys in chunks, in the order of the schedule.

A row's bits depend on the order of the blocks of which it sees a key, and on no other block. Where the order of every
pass is one walk over all blocks without those outside of the pass, all rows of all jobs take that walk together
(causal masks, chunks and windows with the blocks in order or diagonal first, causal ones with the sink first). Else
every pass of every job is a line of its own, with its own order of blocks, and lines pass their keys side by side.
`seed`, which starts rows where others ended, lets the lines of one pass after the other do so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice

import numpy as np
import torch
from torch import Tensor

from fusioncim_golden.arith import Int
from fusioncim_golden.config import Config
from fusioncim_golden.key_order import Span
from fusioncim_golden.pytorch.operands import Operands
from fusioncim_golden.pytorch.passes import PassRows, pass_rows, shape_of
from fusioncim_golden.pytorch.softmax import HIDDEN, NOTHING, Blocks, Rows, row_type

CHUNK = 64
"""Keys at a time: temporaries of a chunk stay in the cache."""
ROWS = 1 << 14
"""Rows of lines at a time; every line has a copy of its keys of a chunk."""


@dataclass(frozen=True)
class Lines:
    """The rows of the lines of a part, which are not those of the jobs.

    Members:
        job: int64 [lines], of which job.
        row: int64 [lines, rows], of which row of it.
        used: bool [lines, rows]; a short line has rows behind its last, which see no key.
    """

    job: Tensor
    row: Tensor
    used: Tensor

    def of(self, x: Tensor) -> Tensor:
        """The rows of x [jobs, rows, ..]."""
        return x[self.job[:, None], self.row]


@dataclass(frozen=True)
class Part:
    """Rows that pass the keys together.

    Members:
        operands: theirs; q and what else has rows are of the lines, k and v of the jobs.
        lines: whose rows, None for all rows of all jobs.
        blocks: int64 [1 or lines, blocks], the order for all lines or of each one.
        length: int64 [lines], how many of them a line has, never more than the line before.
        rows: state of the rows.
    """

    operands: Operands
    lines: Lines | None
    blocks: Int
    length: Int
    rows: Rows

    def of_keys(self, x: Tensor, keys: Tensor) -> Tensor:
        """Keys [1 or lines, n] of x [jobs, keys, ..], those of the first lines: [lines, n, ..]."""
        return x[:, keys[0]] if self.lines is None else x[self.lines.job[: len(keys), None], keys]

    def put(self, out: Tensor, x: Tensor) -> None:
        """Write x [lines, rows, ..] to where the rows are in out [jobs, rows, ..]."""
        if self.lines is None:
            out[:] = x.to(out.dtype)
            return
        used = self.lines.used
        out[self.lines.job[:, None].expand_as(used)[used], self.lines.row[used]] = x[used].to(out.dtype)

    def tile(self, config: Config, row: Tensor) -> Tensor:
        """The tile of these rows, counted in their line."""
        return row // config.rows


@dataclass(frozen=True)
class Chunk:
    """Blocks in the order in which they pass.

    Members:
        keys: int64 [1 or lines, blocks, rank], their keys.
        lines, rows: all others see none of them.
    """

    keys: Tensor
    lines: slice
    rows: slice

    def of(self, x: Tensor) -> Tensor:
        """Those lines and rows of x [lines, rows, ..]."""
        return x[self.lines, self.rows]


@dataclass(frozen=True)
class Step:
    """A chunk after its blocks are in the rows.

    Members:
        part, chunk: whose rows, and the blocks.
        block: their probabilities.
        active, align, move: of `Update`, int32 [blocks, lines, rows].
    """

    part: Part
    chunk: Chunk
    block: Blocks
    active: Tensor
    align: Tensor
    move: Tensor


Line = tuple[int, PassRows]
"""A job and one of its passes."""


def parts(config: Config, operands: Operands, engines: int) -> Iterator[Part]:
    """All rows, fresh. The caller brings the rows of a part to their end before it takes the next one."""
    shapes = [shape_of(each.job) for each in operands.segments]
    layout = {shape: pass_rows(config, shape, engines) for shape in dict.fromkeys(shapes)}
    every = [one for layouts in layout.values() for one in layouts]
    if not every:
        return
    walk = common_walk(config, every)
    if walk is not None and not config.seed:
        length = np.full(len(operands.q), len(walk))
        yield Part(operands, None, walk[None], length, fresh_rows(config, operands.low, None))
        return
    order = [(job, layout[shape]) for job, shape in enumerate(shapes)]
    if not config.seed:
        found = [(job, one) for job, layouts in order for one in layouts]
        for some in together(found):
            yield part_of(config, operands, some, None)
        return
    last = torch.full_like(operands.low, HIDDEN)
    for n in range(max(len(layouts) for layouts in layout.values())):
        found = [(job, layouts[n]) for job, layouts in order if n < len(layouts)]
        part = part_of(config, operands, found, last)
        yield part
        part.put(last, left_by(part.rows))


def left_by(rows: Rows) -> Tensor:
    """The references that rows leave to the next ones in their place: those before them, where they saw no key."""
    before = rows.reference if rows.before is None else rows.before
    return torch.where(rows.reference == NOTHING, before, rows.reference)


def common_walk(config: Config, every: list[PassRows]) -> Int | None:
    """The order of all blocks of which that of every pass is a part; None if there is none."""
    high = max(int(one.blocks.max()) for one in every) + 1
    walk = config.key_order().blocks(Span(low=0, high=high, diagonal=high - 1, common=high))
    low = min(int(one.blocks.min()) for one in every)
    for one in every:
        if not np.array_equal(one.blocks, walk[(one.blocks.min() <= walk) & (walk <= one.blocks.max())]):
            return None
    return walk[walk >= low]


def together(found: list[Line]) -> Iterator[list[Line]]:
    """Lines that pass their keys side by side: equal ones in rows and near each other in blocks, up to ROWS rows."""
    found = sorted(found, key=lambda line: (line[1].count, len(line[1].blocks), line[1].rows[0]))
    for count, same in groupby(found, key=lambda line: line[1].count):
        while some := list(islice(same, max(ROWS // count, 1))):
            yield some


def part_of(config: Config, operands: Operands, found: list[Line], last: Tensor | None) -> Part:
    """Those lines; last: the references that rows left, for `seed`."""
    device = operands.q.device
    found = sorted(found, key=lambda line: -len(line[1].blocks))
    job = np.array([line for line, _ in found])
    count = np.array([one.count for _, one in found])
    length = np.array([len(one.blocks) for _, one in found])
    within = np.arange(count.max())
    used = within < count[:, None]
    row = np.zeros(used.shape, np.int64)
    # No row sees the block behind the last key.
    blocks = np.full((len(found), length.max()), -(-operands.k.shape[1] // config.update_rank))
    source = np.full(used.shape, -1)
    for line, (_, one) in enumerate(found):
        blocks[line, : length[line]] = one.blocks
        row[line, : one.count], source[line, : one.count] = one.rows, one.source
    lines = Lines(*(torch.from_numpy(x).to(device) for x in (job, row, used)))
    before = None
    if last is not None:
        known = torch.from_numpy(source).to(device)
        before = torch.where(known >= 0, last[lines.job[:, None], known.clamp(min=0)], HIDDEN)
    own = operands.rows(lines.of, lines.used)
    return Part(own, lines, blocks, length, fresh_rows(config, own.low, before))


def fresh_rows(config: Config, like: Tensor, before: Tensor | None) -> Rows:
    """Rows [lines, rows] that have seen no key."""
    nothing = torch.full_like(like, NOTHING, dtype=row_type(config))
    return Rows(nothing, torch.zeros_like(nothing), None if before is None else before.to(nothing.dtype))


def chunks(config: Config, part: Part) -> Iterator[Chunk]:
    """The blocks in order; chunks of which no row sees a key are left out."""
    rank = config.update_rank
    size = max(CHUNK // rank, 1)
    within = torch.from_numpy(config.key_order().within(rank))
    low, high = part.operands.low, part.operands.high
    low = torch.where(low < high, low, part.operands.k.shape[1])
    if part.lines is None:
        low, high = low.amin(dim=0, keepdim=True), high.amax(dim=0, keepdim=True)
    # A row in front is left out with all before it, one behind with all after it.
    most = high.cummax(dim=1).values.cpu()
    least = low.flip(1).cummin(dim=1).values.flip(1).cpu()
    for start in range(0, part.blocks.shape[1], size):
        count = int(np.count_nonzero(part.length > start))
        index = torch.from_numpy(part.blocks[:count, start : start + size])
        keys = index[..., None] * rank + within
        before = most[: len(index)] <= keys.amin(dim=(1, 2))[:, None]
        until = least[: len(index)] <= keys.amax(dim=(1, 2))[:, None]
        rows = slice(int(before.sum(dim=1).min()), int(until.sum(dim=1).max()))
        if rows.start < rows.stop:
            yield Chunk(keys.to(part.operands.q.device), slice(count), rows)
