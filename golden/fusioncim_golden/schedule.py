"""Schedule of a job: which query tiles are resident together, and in which order the key blocks pass them.

A job is `heads` query heads that share one K and V. Row r of the job is head r mod heads of query r div heads, and a
tile is `rows` rows: heads x tokens fill it in decode as in prefill. Tiles become resident in passes of words_per_pass
tiles per engine, half of the words unless told, so that the words of the pass before drain and load while this one
computes.

While a tile drains row by row, as where all engines drain at the same time, rows * update_rank keys pass another one
(`Config.drain_keys`). With no more keys than these a pass is one tile per engine, so that it waits for fewer drains.
With more, the first pass of a causal job would still drain longer than it computes, and the second one would not: these
two take turns in the tiles, 0 2 4 .. and 1 3 5 .. ("woven"), which gives both the same work.

During a pass every key block that any of its rows may see passes once; a word whose rows may not see it is left out.

The tiles of a pass are dealt to the engines there and back, 0 1 .. N-1, N-1 .. 1 0, ..: with two words per pass every
engine gets the same causal work. Where windows or chunks let the tiles begin at different keys they are dealt beside
each other, 0 0 1 1 ..: an engine's tiles then see nearly the same keys, with none between them that neither sees.

Every row carries the interval of keys that it sees, see `mask`, or what a table of intervals leaves of it; the blocks
that pass follow from the mask alone. The order of the blocks is one of `key_order`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fusioncim_golden.arith import Bool, Int
from fusioncim_golden.config import Config, check_range
from fusioncim_golden.errors import InputError
from fusioncim_golden.key_order import KeyOrder, Span
from fusioncim_golden.limits import MAX_HEADS, POSITIONS
from fusioncim_golden.mask import CAUSAL, Mask, blocks, sees
from fusioncim_golden.status import Status


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """Attention of `heads` x `queries` queries over `keys` keys. Without a key every output is 0.

    Members:
        queries, keys: how many there are.
        heads: query heads that share one K and V.
        mask: which keys a query sees.
        start: position of the first query; default: the last query is at the last key, and none before key 0.
        words_per_pass: tiles that are resident together in an engine; default: half of its words, or one with few keys.
        intervals: int64 [queries, 2] or None: of the keys of its mask, a query sees those with low <= key < high.
    """

    queries: int
    keys: int
    heads: int = 1
    mask: Mask = CAUSAL
    start: int | None = None
    words_per_pass: int | None = None
    intervals: Int | None = None

    def first_position(self) -> int:
        """Position of query 0 among the keys."""
        return max(self.keys - self.queries, 0) if self.start is None else self.start

    def masked(self, query: Int) -> tuple[Int, Int]:
        """Low and high of the keys that the mask shows these queries, see `mask`."""
        return self.mask.interval(self.first_position() + query, self.keys)

    def interval(self, query: Int) -> tuple[Int, Int]:
        """Low and high of the keys that these queries, 0 <= query < queries, see; none if low >= high."""
        low, high = self.masked(query)
        if self.intervals is None:
            return low, high
        return np.maximum(low, self.intervals[query, 0]), np.minimum(high, self.intervals[query, 1])

    def beside(self, config: Config, first: int, engines: int) -> bool:
        """Whether the tiles of the pass that begins with that tile are dealt beside each other.

        They are if its first query sees keys from another one on than the query `reach` queries behind it, or the last.
        """
        query = first * config.rows // self.heads
        reach = self.group(config) * engines * -(-config.rows // self.heads)
        if self._uneven(config, engines):
            reach *= 2
        low, _ = self.masked(np.array([query, min(query + reach, self.queries - 1)]))
        return bool(low[0] != low[1])

    def woven(self, config: Config, engines: int) -> bool:
        """Whether the first two passes take turns in the tiles."""
        return self._uneven(config, engines) and not self.beside(config, 0, engines)

    def _uneven(self, config: Config, engines: int) -> bool:
        """Two full passes of whole queries, more keys than a tile drains for, fewer before the middle of the first."""
        full, drain = self.group(config) * engines, config.drain_keys
        middle = self.first_position() + full * config.rows // self.heads // 2
        whole = config.rows % self.heads == 0 and self.queries * self.heads >= 2 * full * config.rows
        return whole and middle < drain < self.keys

    def check(self, config: Config) -> None:
        """Refuse a job that the engine cannot hold."""
        check_range("queries", self.queries, 1, POSITIONS)
        check_range("keys", self.keys, 0, POSITIONS)
        check_range("heads", self.heads, 1, MAX_HEADS)
        check_range("start", self.first_position(), 0, POSITIONS)
        if self.first_position() + self.queries > POSITIONS:
            raise InputError(f"start + queries must be at most {POSITIONS}, not {self.first_position() + self.queries}")
        self.mask.check()
        check_range("words_per_pass", self.group(config), 1, config.words)
        if self.intervals is not None:
            check_intervals(self.intervals, self.queries)

    def group(self, config: Config) -> int:
        """Resident tiles per pass: half of the words, so that drain and load hide behind the other half, or one."""
        if self.words_per_pass is not None:
            return self.words_per_pass
        return 1 if self.keys <= config.drain_keys else max(config.words // 2, 1)


def check_intervals(intervals: Int, queries: int) -> None:
    """Refuse intervals [queries, 2] that the chip would refuse."""
    if intervals.shape != (queries, 2):
        raise InputError(f"intervals must be [queries, 2] = {(queries, 2)}, not {intervals.shape}")
    low, high = intervals.T
    bad = intervals[(low < 0) | (low > high) | (high > POSITIONS)]
    if len(bad):
        raise InputError(f"{Status.INTERVAL.words}, not {bad[0].tolist()}")


@dataclass(frozen=True)
class Tile:
    """Rows in one word of one engine.

    Members:
        engine, word: where.
        fresh: the first tile of the job in this word.
        count: rows in use, the first ones.
        head, query: int64 [rows], of each row.
        low, high: int64 [rows], the interval of keys that each row sees; [0, 0) for the rows beyond `count`.
        hull: from the first to the last key that the mask shows any row, as low and high.
    """

    engine: int
    word: int
    fresh: bool
    count: int
    head: Int
    query: Int
    low: Int
    high: Int
    hull: tuple[int, int]

    def sees(self, position: Int) -> Bool:
        """[rows, *shape of position]: which of these keys each row sees."""
        rows = (-1, *(1 for _ in position.shape))
        return sees(position, self.low.reshape(rows), self.high.reshape(rows))

    def blocks(self, rank: int) -> range:
        """The blocks of `rank` keys that pass the tile: those of its hull, or one."""
        return blocks(*self.hull, rank)


@dataclass(frozen=True)
class Pass:
    """Tiles resident together, and the key blocks in order.

    Members:
        tiles: one after the other, as they are dealt to the engines.
        blocks: [n], index of the block, which holds keys block * rank .. block * rank + rank - 1.
        order: of which `blocks` is the result.
    """

    tiles: tuple[Tile, ...]
    blocks: Int
    order: KeyOrder

    def positions(self, config: Config) -> Int:
        """Key positions [blocks, rank] in the order in which they pass; no row sees those beyond the last key."""
        return self.blocks[:, None] * config.update_rank + self.order.within(config.update_rank)


def passes(config: Config, job: Job, engines: int = 1) -> Iterator[Pass]:
    """All passes of a job in order."""
    job.check(config)
    rows = job.queries * job.heads
    full = job.group(config) * engines
    items = list(range(-(-rows // config.rows)))
    if job.woven(config, engines):
        items = [*items[: 2 * full : 2], *items[1 : 2 * full : 2], *items[2 * full :]]
    dealt = [0] * engines
    for begin in range(0, len(items), full):
        taken = items[begin : begin + full]
        resident = []
        beside = job.beside(config, taken[0], engines)
        for item, engine in zip(taken, deal(len(taken), engines, beside), strict=True):
            resident.append(_tile(config, job, item, engine, dealt[engine]))
            dealt[engine] += 1
        last_query = int(resident[-1].query[resident[-1].count - 1])
        spans = [tile.blocks(config.update_rank) for tile in resident]
        low, high = spans[0].start, spans[-1].stop
        diagonal = (job.first_position() + last_query) // config.update_rank
        span = Span(
            low=low,
            high=high,
            diagonal=min(diagonal, high - 1),
            common=spans[0].stop,
            stride=len(spans[-1]) if spans[-1].start != low else 0,
        )
        order = config.key_order()
        yield Pass(tuple(resident), order.blocks(span), order)


def deal(count: int, engines: int, beside: bool) -> list[int]:
    """The engine of each tile of a pass: there and back, or tiles that are neighbours beside each other in one."""
    if beside:
        return [n // -(-count // engines) for n in range(count)]
    turns = (divmod(n, engines) for n in range(count))
    return [engines - 1 - place if turn % 2 else place for turn, place in turns]


def _tile(config: Config, job: Job, item: int, engine: int, number: int) -> Tile:
    """Tile `item` of the job, the `number`-th of its engine."""
    first = item * config.rows
    count = min(config.rows, job.queries * job.heads - first)
    row = first + np.arange(config.rows)
    query, head = row // job.heads, row % job.heads
    low, high = np.zeros((2, config.rows), np.int64)
    low[:count], high[:count] = job.interval(query[:count])
    first_keys, ends = job.masked(query[:count])
    hull = int(first_keys.min()), int(ends.max())
    return Tile(engine, number % config.words, number < config.words, count, head, query, low, high, hull)
