"""Which keys a row sees: one interval of key positions, [low, high).

    low  = 0
    high = min(position + 1, keys) if causal, else keys        position: of the row's query among the keys

This is the statement of the rule. hw/fusioncim/chip/mask.py says the same in hardware, and
sim/fusioncim_sim/system/kernel/mask.h in the cycle model. tests/sim/system/test_mask.py holds both to this one. Causal
and full attention, ragged ends, chunks of a prefill and decode are all this interval. A row of padding sees [0, 0).

No mask of today raises `low`, and the hardware has no `low`. Users take both ends all the same, but for PyTorch's
engine, which computes causal jobs alone.
"""

from typing import Any

import numpy as np

from fusioncim_golden.arith import Int


def interval(position: Int, keys: int, *, causal: bool) -> tuple[Int, Int]:
    """Low and high of the rows at these positions, arrays of the shape of `position`."""
    low = np.zeros_like(position)
    high = np.minimum(position + 1, keys) if causal else np.full_like(position, keys)
    return low, high


def sees(key: Any, low: Any, high: Any) -> Any:
    """Low <= key < high: numbers or arrays that broadcast, of NumPy or PyTorch. Blocks of keys are compared alike."""
    return (low <= key) & (key < high)


def blocks(low: int, high: int, rank: int) -> range:
    """The blocks of `rank` keys of which some key is in [low, high)."""
    return range(low // rank, -(-high // rank))


def pairs(start: int, queries: int, keys: int, *, causal: bool) -> int:
    """Keys that the rows at positions start .. start + queries - 1 see, all together."""
    low, high = interval(np.arange(start, start + queries, dtype=np.int64), keys, causal=causal)
    return int((high - low).sum())
