"""The exponentials that are compared, and the weights that each makes of the scores of a row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from fusioncim.comparison import taylor_exponential as taylor
from fusioncim.comparison.float16 import rounded
from fusioncim.comparison.table_exponential import Far, exponential
from fusioncim_golden.arith import Int
from fusioncim_golden.config import Config
from fusioncim_golden.presets import PRESETS

LANE = PRESETS["paper"].engine
SMALL = LANE.override(rows=32, columns=64, softmax_lanes=4)
"""An engine of the captured heads' dimension with the numbers of `paper`."""
TAYLOR, TABLE = "eight Taylor steps, FP16", "a table of 64, as in a lane"
FAR = (2, 4)
"""Powers of two below the block's largest score from which on the second table is taken."""
FAR_ENTRIES = 16
FAR_TABLE = f"a table of 64, one of {FAR_ENTRIES} from 2^-{{distance}} down"


@dataclass(frozen=True)
class LaneTable:
    """A lane's exponential.

    Members:
        entries: of the table.
        far: a second table.
    """

    entries: int
    far: Far | None = None

    @property
    def config(self) -> Config:
        """The configuration of the lane."""
        return LANE.override(lut_size=self.entries)

    @property
    def bytes(self) -> float:
        """Of the tables; the first bit of an entry is always 1 and in none."""
        entries = self.entries + (self.far.entries if self.far else 0)
        return entries * (self.config.probability_bits - 1) / 8


TABLES: Mapping[str, LaneTable] = {
    TABLE: LaneTable(LANE.lut_size),
    "a table of 16": LaneTable(FAR_ENTRIES),
    **{
        FAR_TABLE.format(distance=distance): LaneTable(LANE.lut_size, Far(distance=distance, entries=FAR_ENTRIES))
        for distance in FAR
    },
}


def half(below: int) -> float:
    """A difference of log2 scores as the number that the Taylor unit gets: its natural logarithm, rounded."""
    return rounded(below / (1 << SMALL.fraction_bits) * log(2))


Weights = Callable[[Int], NDArray[np.float64]]
"""Weights of log2 scores [rows, keys], whole blocks of keys; any scale per row."""


def table_weights(this: LaneTable, x: Int) -> NDArray[np.float64]:
    """Of a lane's exponential: every block has the exponent of its largest score."""
    blocks = x.reshape(len(x), -1, this.config.update_rank)
    exponent = blocks.max(axis=-1, keepdims=True) >> this.config.fraction_bits
    p = exponential(this.config, blocks, np.broadcast_to(exponent, blocks.shape), this.far)
    found: NDArray[np.float64] = np.ldexp(p.astype(np.float64), exponent - exponent.max(axis=1, keepdims=True))
    return found.reshape(x.shape)


def taylor_weights(x: Int) -> NDArray[np.float64]:
    """Of the published exponential."""
    below, place = np.unique(x - x.max(axis=-1, keepdims=True), return_inverse=True)
    return np.array([taylor.exponential(half(int(each))) for each in below])[place].reshape(x.shape)


def exact_weights(x: Int) -> NDArray[np.float64]:
    """Without an error."""
    found: NDArray[np.float64] = np.exp2((x - x.max(axis=-1, keepdims=True)) / (1 << SMALL.fraction_bits))
    return found
