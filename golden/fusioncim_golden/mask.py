"""Which keys a row sees: one interval of key positions, [low, high).

A mask is four numbers. The query at position p, counted among the keys, sees

    low  = max(p + 1 - window, start of p's chunk, 0)       0 if p < prefix
    high = min(p + 1 + ahead, end of p's chunk)             prefix if that is more and p < prefix
    both at most keys

    causal                      the numbers below as they are
    full, encoders              ahead = EVERY
    sliding window              window = its keys, the query's own among them
    local attention both ways   window = half + 1, ahead = half
    chunked attention           chunk = its positions, a power of two (with ahead = EVERY: block-diagonal)
    prefix that sees itself     prefix = its keys

Ragged ends, chunks of a prefill and decode are values of p and keys. A row behind all
keys of its window sees nothing: [keys, keys). No end ever falls from a query to the next.

This is the statement of the rule. hw/fusioncim/chip/mask.py says the same in hardware, and
sim/fusioncim_sim/system/kernel/mask.h in the cycle model. tests/sim/system/test_mask.py holds both to this one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fusioncim_golden.arith import Int
from fusioncim_golden.config import POSITION_BITS
from fusioncim_golden.errors import InputError

EVERY = (1 << POSITION_BITS) - 1
"""A window, or an `ahead`, that leaves nothing out: the largest number of keys."""


@dataclass(frozen=True, kw_only=True)
class Mask:
    """A mask; default: causal.

    Members:
        window: keys that a query sees up to its own, its own included, from 1 to EVERY.
        ahead: keys behind its own that it sees, from 0 to EVERY.
        chunk: it sees those of its own chunk of so many positions: a power of two, or 0 for one chunk of all.
        prefix: the first keys, which see each other, from 0 to EVERY.
    """

    window: int = EVERY
    ahead: int = 0
    chunk: int = 0
    prefix: int = 0

    @property
    def legal(self) -> bool:
        """Whether the chip takes it."""
        chunk = self.chunk == 0 or (0 < self.chunk <= EVERY and self.chunk & (self.chunk - 1) == 0)
        return 1 <= self.window <= EVERY and 0 <= self.ahead <= EVERY and 0 <= self.prefix <= EVERY and chunk

    def check(self) -> None:
        """Refuse a mask that the chip would refuse."""
        if not self.legal:
            raise InputError(f"{RULE}, not {self}")

    @property
    def words(self) -> str:
        """What it is called."""
        parts = []
        if self.window < EVERY:
            own = f"a window of {self.window:,} tokens"
            parts.append(f"{own} and {self.ahead:,} ahead" if self.ahead else own)
        elif 0 < self.ahead < EVERY:
            parts.append(f"{self.ahead:,} tokens ahead")
        if self.chunk:
            parts.append(f"chunks of {self.chunk:,} tokens" + (", full" if self.ahead else ""))
        if self.prefix:
            parts.append(f"a prefix of {self.prefix:,} tokens")
        return ", ".join(parts) or ("full" if self.ahead else "causal")

    def interval(self, position: Int, keys: int) -> tuple[Int, Int]:
        """Low and high of the rows at these positions, arrays of the shape of `position`."""
        low = np.maximum(position + 1 - self.window, 0)
        high = position + 1 + self.ahead
        if self.chunk:
            low = np.maximum(low, position & -self.chunk)
            high = np.minimum(high, (position | (self.chunk - 1)) + 1)
        inside = position < self.prefix
        low = np.where(inside, 0, low)
        high = np.where(inside, np.maximum(high, self.prefix), high)
        return np.minimum(low, keys), np.minimum(high, keys)

    def pairs(self, start: int, queries: int, keys: int) -> int:
        """Keys that the rows at positions start .. start + queries - 1 see, all together."""
        low, high = self.interval(np.arange(start, start + queries, dtype=np.int64), keys)
        return int((high - low).sum())


RULE = f"the window must be from 1 to {EVERY}, ahead and prefix at most {EVERY}, the chunk 0 or a power of two"
"""What is legal, in words."""
CAUSAL = Mask()
"""A query sees the keys up to its own."""
FULL = Mask(ahead=EVERY)
"""A query sees all keys."""


def sees(key: Any, low: Any, high: Any) -> Any:
    """Low <= key < high: numbers or arrays that broadcast, of NumPy or PyTorch. Blocks of keys are compared alike."""
    return (low <= key) & (key < high)


def blocks(low: int, high: int, rank: int) -> range:
    """The blocks of `rank` keys that pass rows which see [low, high): at least one, as a tile needs one to end."""
    high = max(high, 1)
    return range(min(low, high - 1) // rank, -(-high // rank))
