"""Orders of the key blocks: in which order the blocks of a pass come, and the keys of a block.

Every order is a record. The golden model, the fetcher, the network and the sequencer of the hardware, and the cycle
kernel read its fields; none of them asks for an order by its name. A pass has the blocks low .. high - 1 (`Span`).

    in_order         low, low + 1 .. high - 1
    diagonal_first   diagonal, diagonal - 1 .. low, then, where keys follow the diagonal, high - 1 .. diagonal + 1
    sink_first       low, then as diagonal_first without low
    folded           low, high - 1, common, high - 2, common + 1, .. until these meet, then common - 1 .. low + 1; as
                     sink_first where all blocks are common. Where tiles begin at different blocks (`stride`): high - 1,
                     high - 1 - stride, high - 1 - 2 stride, .. down to low, then high - 2, high - 2 - stride, ..
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fusioncim_golden.arith import Int


@dataclass(frozen=True, kw_only=True)
class Span:
    """The blocks of a pass, low .. high - 1. Of its tiles neither the first block nor the last one ever falls.

    Members:
        low, high: the first block of its first tile, the block behind the last one of its last tile.
        diagonal: of its last query's own key, or high - 1 if that is less.
        common: the block behind the last one of its first tile. If all tiles begin at low, all of them see those below.
        stride: 0 if all tiles begin at low, else the blocks that pass its last tile.
    """

    low: int
    high: int
    diagonal: int
    common: int
    stride: int = 0


@dataclass(frozen=True, kw_only=True)
class KeyOrder:
    """An order of the key blocks.

    Members:
        backward: the walk goes down from the diagonal, then down from the last block, and the keys of a block pass from
            its last to its first. Else both go up, and the walk starts at block 0.
        sink_first: block 0, where the attention sink lies, goes before a walk backward, which leaves it out.
        folded: the causal triangle, the blocks that some tiles of the pass do not see, comes next, from both ends in
            turn. So engines that see different parts of it have the same work with every pair of blocks. Tiles with
            windows see the same number of blocks, each from a place of its own: of the blocks that lie a stride apart
            every tile sees one, and these come one after the other.
        alone: name of the order that one engine takes which works alone, None for this one.
    """

    backward: bool
    sink_first: bool = False
    folded: bool = False
    alone: str | None = None

    def __post_init__(self) -> None:
        if (self.sink_first and not self.backward) or (self.folded and not self.sink_first):
            raise ValueError(f"a folded order must have the sink first, and that must go backward, not so {self}")

    @property
    def diagonal_first(self) -> bool:
        """The first block is the diagonal; else it is block 0."""
        return self.backward and not self.sink_first

    def within(self, rank: int) -> Int:
        """[rank]: the keys of a block, counted from its first, in the order in which they pass."""
        return np.arange(rank)[::-1].copy() if self.backward else np.arange(rank)

    def blocks(self, span: Span) -> Int:
        """[high - low]: the blocks in the order in which they pass."""
        low, blocks = span.low, span.high - span.low
        if not self.backward:
            return low + np.arange(blocks)
        if self.folded and span.stride:
            return np.concatenate(
                [np.arange(top, low - 1, -span.stride) for top in range(span.high - 1, span.high - 1 - span.stride, -1)]
            )
        walk = low + (span.diagonal - low - np.arange(blocks)) % blocks
        triangle = span.high - span.common
        if self.folded and triangle:
            half = np.arange(triangle) // 2
            turns = np.where(np.arange(triangle) % 2, span.common + half, span.high - 1 - half)
            walk = np.concatenate([turns, np.arange(low, span.common)[::-1]])
        return np.concatenate([[low], walk[walk > low]]) if self.sink_first else walk


ORDERS: Mapping[str, KeyOrder] = {
    "in_order": KeyOrder(backward=False),
    "diagonal_first": KeyOrder(backward=True),
    "sink_first": KeyOrder(backward=True, sink_first=True),
    "folded": KeyOrder(backward=True, sink_first=True, folded=True, alone="sink_first"),
}
"""The orders by name. One engine alone has no other to share the triangle with, so that it is not folded."""
