"""Orders of the key blocks: in which order the blocks of a pass come, and the keys of a block.

Every order is a record. The golden model, the fetcher, the network and the sequencer of the hardware, and the cycle
kernel read its fields; none of them asks for an order by its name. A pass has blocks 0 .. blocks - 1. `diagonal` is the
block of its last query's own key. The blocks 0 .. common - 1 are common: every tile of the pass sees them.

    in_order         0, 1 .. blocks - 1
    diagonal_first   diagonal, diagonal - 1 .. 0, then, where keys follow the diagonal, blocks - 1 .. diagonal + 1
    sink_first       0, then as diagonal_first without 0
    folded           0, blocks - 1, common, blocks - 2, common + 1, .. until these meet, then common - 1 .. 1; as
                     sink_first where all blocks are common
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fusioncim_golden.arith import Int


@dataclass(frozen=True, kw_only=True)
class KeyOrder:
    """An order of the key blocks.

    Members:
        backward: the walk goes down from the diagonal, then down from the last block, and the keys of a block pass from
            its last to its first. Else both go up, and the walk starts at block 0.
        sink_first: block 0, where the attention sink lies, goes before a walk backward, which leaves it out.
        folded: the causal triangle, the blocks that some tiles of the pass do not see, comes next, from both ends in
            turn. So engines that see different parts of it have the same work with every pair of blocks.
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

    def blocks(self, blocks: int, diagonal: int, common: int) -> Int:
        """[blocks]: the blocks in the order in which they pass."""
        if not self.backward:
            return np.arange(blocks)
        walk = (diagonal - np.arange(blocks)) % blocks
        triangle = blocks - common
        if self.folded and triangle:
            half = np.arange(triangle) // 2
            turns = np.where(np.arange(triangle) % 2, common + half, blocks - 1 - half)
            walk = np.concatenate([turns, np.arange(common)[::-1]])
        return np.concatenate([[0], walk[walk > 0]]) if self.sink_first else walk


ORDERS: Mapping[str, KeyOrder] = {
    "in_order": KeyOrder(backward=False),
    "diagonal_first": KeyOrder(backward=True),
    "sink_first": KeyOrder(backward=True, sink_first=True),
    "folded": KeyOrder(backward=True, sink_first=True, folded=True, alone="sink_first"),
}
"""The orders by name. One engine alone has no other to share the triangle with, so that it is not folded."""
