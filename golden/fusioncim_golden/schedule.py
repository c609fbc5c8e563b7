"""Schedule of a job: which query tiles are resident together, and in which order the key blocks pass them.

A job is `heads` query heads that share one K and V. Its tiles (tile t of head h is item t * heads + h) become resident
in passes of `words_per_pass` words; item i sits in word i mod words, so that the words of the pass before drain while
the next pass computes. During a pass every key block that any of its rows may see passes once; a word whose rows may
not see it is left out.

Every row carries the number of keys it may see, a prefix: min(position + 1, keys) if causal, keys if full, 0 for
padding. Causal masks, ragged ends, chunked prefill and decode are all that one number.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fusioncim_golden.arith import Int
from fusioncim_golden.config import POSITION_BITS, Config, check_range
from fusioncim_golden.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Job:
    """Attention of `heads` x `queries` queries over `keys` keys.

    Members: start, the position of the first query (default: the last query at the last key, at least 0); causal;
    words_per_pass, resident tiles per pass.
    """

    queries: int
    keys: int
    heads: int = 1
    causal: bool = True
    start: int | None = None
    words_per_pass: int | None = None

    def first_position(self) -> int:
        """Position of query 0 among the keys."""
        return max(self.keys - self.queries, 0) if self.start is None else self.start

    def check(self, config: Config) -> None:
        """Refuse a job that the engine cannot hold."""
        limit = (1 << POSITION_BITS) - 1
        check_range("queries", self.queries, 1, limit)
        check_range("keys", self.keys, 1, limit)
        check_range("heads", self.heads, 1, 256)
        check_range("start", self.first_position(), 0, limit)
        if self.causal and self.first_position() + self.queries > limit:
            raise InputError(f"start + queries must be at most {limit}, not {self.first_position() + self.queries}")
        check_range("words_per_pass", self.group(config), 1, config.words)

    def group(self, config: Config) -> int:
        """Resident tiles per pass: half of the words, so that drain and load hide behind the other half."""
        return max(config.words // 2, 1) if self.words_per_pass is None else self.words_per_pass


@dataclass(frozen=True)
class Tile:
    """`rows` queries of one head in one word. visible [rows]: keys that each row may see."""

    word: int
    head: int
    first_query: int
    visible: Int


@dataclass(frozen=True)
class Pass:
    """Tiles resident together, and the key blocks in order.

    blocks [n]: index of the block, which holds keys block * rank .. block * rank + rank - 1.
    """

    tiles: tuple[Tile, ...]
    blocks: Int
    descending: bool

    def positions(self, config: Config) -> Int:
        """Key positions [blocks, rank] in the order in which they pass; no row sees those beyond the last key."""
        within = np.arange(config.update_rank)
        return self.blocks[:, None] * config.update_rank + (within[::-1] if self.descending else within)


def passes(config: Config, job: Job) -> Iterator[Pass]:
    """All passes of a job in order."""
    job.check(config)
    tiles = -(-job.queries // config.rows)
    items = range(tiles * job.heads)
    group = job.group(config)
    for first in items[::group]:
        resident = tuple(_tile(config, job, item) for item in items[first : first + group])
        last_query = min(resident[-1].first_query + config.rows, job.queries) - 1
        longest = max(int(tile.visible.max()) for tile in resident)
        blocks = -(-longest // config.update_rank)
        diagonal = min(blocks - 1, (job.first_position() + last_query) // config.update_rank)
        yield Pass(resident, block_order(config.schedule, blocks, diagonal), config.schedule != "in_order")


def _tile(config: Config, job: Job, item: int) -> Tile:
    first = (item // job.heads) * config.rows
    query = first + np.arange(config.rows)
    seen = np.minimum(job.first_position() + query + 1, job.keys) if job.causal else np.full(config.rows, job.keys)
    return Tile(item % config.words, item % job.heads, first, np.where(query < job.queries, seen, 0))


def block_order(schedule: str, blocks: int, diagonal: int) -> Int:
    """Indices of the blocks 0..blocks-1 in order; `diagonal` is the block of the pass's last query.

    in_order: ascending. diagonal_first: from the diagonal back to 0, then, where keys follow the diagonal, from the
    last block back to the diagonal. sink_first: block 0, then as diagonal_first.
    """
    if schedule == "in_order":
        return np.arange(blocks)
    backward = (diagonal - np.arange(blocks)) % blocks
    return np.concatenate([[0], backward[backward > 0]]) if schedule == "sink_first" else backward
