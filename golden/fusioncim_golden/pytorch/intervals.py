"""Intervals of keys, one per query, to jobs: masks of four numbers that say the same, or a table under such a mask.

Query n sees the keys [low[n], high[n]). Masks count from the position of the first query, its own key, or, if there is
no mask that does, as if the last key that it sees were its own.
"""

import numpy as np

from fusioncim_golden.arith import Int
from fusioncim_golden.mask import EVERY, Mask
from fusioncim_golden.schedule import Job


def masked_job(low: Int, high: Int, start: int) -> Job | None:
    """The job whose mask these are, its first query at `start` if that may be; None if there is none."""
    keys = int(high.max())
    for first in dict.fromkeys((start, int(high[0]) - 1)):
        mask = exact(low, high, first, keys)
        if mask is not None:
            return Job(queries=len(low), keys=keys, mask=mask, start=first)
    return None


def job_of(low: Int, high: Int, start: int) -> Job:
    """The same, or the job with a table of these intervals."""
    keys, table = int(high.max()), np.stack([low, high], axis=1)
    return masked_job(low, high, start) or Job(
        queries=len(low), keys=keys, mask=hull(low, high, start, keys), start=start, intervals=table
    )


def exact(low: Int, high: Int, start: int, keys: int) -> Mask | None:
    """The mask of which these are the intervals of queries at start, start + 1, .., None if there is none."""
    position = start + np.arange(len(low))
    inside = position[low > 0]
    # A prefix ends with the keys that its first query sees, or where a query sees no longer all keys.
    prefixes = dict.fromkeys((0, int(high[0]), int(inside[0]) if len(inside) else 0))
    for chunk in (0, *(1 << n for n in range(keys.bit_length()))):
        for prefix in prefixes:
            mask = fitted(position, low, high, keys, chunk, prefix)
            if all(np.array_equal(*each) for each in zip(mask.interval(position, keys), (low, high), strict=True)):
                return mask
    return None


def fitted(position: Int, low: Int, high: Int, keys: int, chunk: int, prefix: int) -> Mask:
    """The mask with that chunk and prefix that could have these intervals: its window and what is ahead."""
    first, last = Mask(ahead=EVERY, chunk=chunk).interval(position, keys)
    free = position >= prefix
    cut, reach = free & (low > first), free | (high > prefix)
    window = max(int((position + 1 - low)[cut].max()), 1) if cut.any() else EVERY
    ahead = int((high - position - 1)[reach].max(initial=0))
    if ahead and (high == last).all():
        ahead = EVERY
    return Mask(window=window, ahead=ahead, chunk=chunk, prefix=prefix)


def hull(low: Int, high: Int, start: int, keys: int) -> Mask:
    """The tightest window and `ahead` that hide none of these keys: a query of a table sees no key outside of it."""
    position = start + np.arange(len(low))
    window = max(int((position + 1 - low).max()), 1)
    ahead = max(int((high - position - 1).max()), 0)
    return Mask(window=EVERY if window > position[-1] else window, ahead=EVERY if ahead + start + 1 >= keys else ahead)
