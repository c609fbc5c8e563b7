"""Scores of the captured heads as the units get them: a table of inputs, a row per cycle."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fusioncim.comparison import taylor_exponential as taylor
from fusioncim.comparison.float16 import bits_of
from fusioncim_golden.arith import Int
from fusioncim_golden.config import REFERENCE_BITS
from fusioncim_golden.engine import TileTrace, trace
from fusioncim_sim.heads.judge import job_of
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.studies.exponential.units import SMALL, half

ROWS, BLOCKS = 8, 4
"""Rows of a head's last tile, and blocks of keys of each, whose scores are played."""


@dataclass(frozen=True)
class Sample:
    """Scores of a head that are played, int64 or bool [rows, blocks, rank] in the order in which the keys pass.

    Members:
        x: log2 scores.
        seen: whether the row sees the key.
        exponent: largest whole part of the block so far.
        below: x minus the row's largest so far, of all keys.
    """

    x: Int
    seen: NDArray[np.bool_]
    exponent: Int
    below: Int


def sample(tile: TileTrace) -> Sample:
    """Some rows and blocks of a tile."""
    rows = np.linspace(0, SMALL.rows - 1, ROWS).astype(int)
    blocks = np.linspace(0, tile.x.shape[1] - 1, BLOCKS).astype(int)
    seen = tile.tile.sees(tile.key_blocks.positions(SMALL))
    low = np.iinfo(np.int64).min // 2
    x = np.where(seen, tile.x, low)
    exponent = np.maximum.accumulate(x >> SMALL.fraction_bits, axis=-1)
    highest = np.maximum.accumulate(x.reshape(len(x), -1), axis=-1).reshape(x.shape)
    return Sample(*(each[rows][:, blocks] for each in (tile.x, seen, exponent, tile.x - highest)))


@cache
def samples() -> Sequence[Sample]:
    """Of all captured heads: their last tile, whose rows see the most keys."""
    return [
        sample(list(trace(SMALL, head.quantized(SMALL), job_of(head)))[-1]) for head in load_heads(fixture(), SMALL)
    ]


def table_inputs(of: Sequence[Sample]) -> dict[str, list[str]]:
    """A score in every cycle, key after key, the rows of a lane one after the other."""
    rows = []
    for each in of:
        for block, key, row in np.ndindex(BLOCKS, SMALL.update_rank, ROWS):
            place = row, block, key
            if each.seen[place]:
                rows.append((1, int(each.x[place]), int(each.exponent[place])))
    columns = zip(*rows, strict=True)
    bits = {"enable": 1, "x": SMALL.fraction_bits + REFERENCE_BITS, "exponent": REFERENCE_BITS}
    return {
        name: [f"{x & ((1 << width) - 1):x}" for x in column]
        for (name, width), column in zip(bits.items(), columns, strict=True)
    }


def taylor_inputs(of: Sequence[Sample]) -> dict[str, list[str]]:
    """A score in every eight cycles, row after row."""
    found: dict[str, list[str]] = {"start": [], "x": []}
    for each in of:
        for place in np.ndindex(ROWS, BLOCKS, SMALL.update_rank):
            if each.seen[place]:
                found["start"] += ["1", *"0" * (taylor.STEPS - 1)]
                found["x"] += [f"{bits_of(half(int(each.below[place]))):x}"] * taylor.STEPS
    return found
