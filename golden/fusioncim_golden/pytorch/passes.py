"""Passes of a job as `schedule` has them, by its rows: computed once for all jobs of the same shape."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fusioncim_golden.arith import Int
from fusioncim_golden.config import Config
from fusioncim_golden.mask import Mask
from fusioncim_golden.schedule import Job, passes


@dataclass(frozen=True)
class PassRows:
    """A pass of a job: its rows [count], and the order of its blocks.

    source: [count], the row that was in a row's place before, -1 where none was.
    """

    rows: Int
    blocks: Int
    source: Int

    @property
    def count(self) -> int:
        """How many rows it has."""
        return len(self.rows)


class Shape(NamedTuple):
    """What of a job decides its passes: all but its intervals."""

    queries: int
    keys: int
    heads: int
    mask: Mask
    start: int
    words_per_pass: int | None

    @property
    def job(self) -> Job:
        """A job of this shape."""
        return Job(**self._asdict())


def shape_of(job: Job) -> Shape:
    """The shape of a job."""
    return Shape(job.queries, job.keys, job.heads, job.mask, job.first_position(), job.words_per_pass)


@lru_cache(maxsize=256)
def pass_rows(config: Config, shape: Shape, engines: int) -> tuple[PassRows, ...]:
    """All passes of a job."""
    job = shape.job
    within = np.arange(config.rows)
    held: dict[tuple[int, int], int] = {}
    result = []
    for group in passes(config, job, engines):
        words = [(tile.engine, tile.word) for tile in group.tiles]
        first = [int(tile.query[0]) * job.heads + int(tile.head[0]) for tile in group.tiles]
        rows = np.concatenate([row + within[: tile.count] for row, tile in zip(first, group.tiles, strict=True)])
        source = [held[word] + within if word in held else np.full(config.rows, -1) for word in words]
        held |= dict(zip(words, first, strict=True))
        result.append(PassRows(rows, group.blocks, np.concatenate(source)[: len(rows)]))
    return tuple(result)
