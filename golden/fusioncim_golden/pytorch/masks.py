"""Masks of transformers to sequences: what each query sees is a mask of four numbers or a table, or it is refused.

A mask of booleans says for every query and key whether it sees it. Keys that no query sees are no part of a sequence.
Among the others every query must see one interval. Where these are those of a `Mask` (causal, full, a window, a chunk,
a prefix that sees itself), the row of the batch is one sequence with that mask. Else it is parted where no query sees
keys of both parts (packed sequences), and a part that is no `Mask` either has a table of intervals.

A query that does not see its own key is padding, on either side and between tokens, as long as no query of its row sees
that key. Its output is 0.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fusioncim_golden.arith import Int
from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import CAUSAL, FULL, Mask
from fusioncim_golden.pytorch.intervals import job_of, masked_job
from fusioncim_golden.pytorch.segments import Segment, whole
from fusioncim_golden.schedule import Job

OFFSET = "fusioncim_offset"
"""Attribute of a mask of which is known where among its keys the first query is."""

Bounds = tuple[Int, Int]
"""Ends of packed sequences, [sequences + 1] of queries and of keys, from 0 on."""


def masked(query: Tensor, key: Tensor, mask: Tensor, bounds: Bounds | None = None) -> tuple[Segment, ...]:
    """The sequences of query [batch, heads, queries, columns] and key [batch, key heads, keys, columns] with a mask.

    mask: [batch or 1, heads or 1, queries or 1, keys or more]; bounds: none sees keys beyond those of its own sequence.
    """
    batch, queries, keys = len(query), query.shape[2], key.shape[2]
    if mask.dim() != 4 or mask.shape[0] not in (1, batch) or mask.shape[2] not in (1, queries) or mask.shape[3] < keys:
        shape = tuple(mask.shape)
        raise InputError(f"a mask must be [{batch}, heads, {queries}, {keys}], or 1 where all are alike, not {shape}")
    shown = shown_by(mask)[..., :keys].expand(batch, queries, -1)
    if bounds is not None:
        shown = shown & same_sequence(bounds, queries, keys).to(shown.device)
    found = seen_keys(shown, getattr(mask, OFFSET, None))
    return tuple(part for row in range(batch) for part in parted(row, Seen(*(x[row] for x in found))))


def unmasked(query: Tensor, key: Tensor, seen: Mask, bounds: Bounds | None = None) -> tuple[Segment, ...]:
    """The sequences without a mask: every row of the batch is one that sees so, or those between the bounds are.

    The last query of a sequence is at its last key. Queries before its first key see nothing.
    """
    batch, queries, keys = len(query), query.shape[2], key.shape[2]
    causal = not seen.ahead
    if bounds is None:
        if causal and queries > keys:
            raise InputError(f"queries must be at most as many as keys = {keys}, not {queries}")
        return tuple(whole(Job(queries=queries, keys=keys, mask=seen), row) for row in range(batch))
    found = []
    for first, last, low, high in zip(*(end for each in bounds for end in (each[:-1], each[1:])), strict=True):
        own = min(last - first, high - low) if causal else last - first
        if own and high > low:
            job = Job(queries=int(own), keys=int(high - low), mask=seen)
            found.append(Segment(job, 0, np.arange(last - own, last), np.arange(low, high)))
    return tuple(found)


def sees_all(*, causal: bool, window: int | None) -> Mask:
    """The mask of a layer that hands over none; window: keys that a query sees up to its own, to both sides."""
    every = CAUSAL if causal else FULL
    return every if window is None else Mask(window=window, ahead=0 if causal else window - 1)


def shown_by(mask: Tensor) -> Tensor:
    """Bool [batch, queries, keys] of a mask [batch, heads, queries, keys], boolean or added to the scores."""
    if mask.shape[1] > 1 and (mask != mask[:, :1]).any():
        raise InputError(f"a mask must be the same for all heads, not one of its own for each of {mask.shape[1]}")
    mask = mask[:, 0]
    if mask.dtype == torch.bool:
        return mask
    shown = mask == 0
    biases = mask[~shown & (mask > torch.finfo(mask.dtype).min / 2)]
    if biases.numel():
        raise InputError(f"a mask must hide scores or leave them (there are no biases), not add {biases[0]:g}")
    return shown


def same_sequence(bounds: Bounds, queries: int, keys: int) -> Tensor:
    """Bool [queries, keys]: whether both are of one sequence."""
    of_query, of_key = (
        np.searchsorted(end, np.arange(n), "right") for end, n in zip(bounds, (queries, keys), strict=True)
    )
    return torch.from_numpy(of_query[:, None] == of_key)


class Seen(NamedTuple):
    """What the queries of a row see, or of all rows of a batch.

    Members:
        real: bool [queries], which are no padding and see a key.
        alive: bool [keys], which one of these sees.
        low, high: int64 [queries], the interval among the keys that are alive.
        position: int64 [queries], the place among these of a query's own key.
    """

    real: np.ndarray
    alive: np.ndarray
    low: Int
    high: Int
    position: Int


def seen_keys(shown: Tensor, offset: int | None) -> Seen:
    """What all rows see, of shown [batch, queries, keys]; offset: position of the first query, None: unknown."""
    _, queries, keys = shown.shape
    real = tokens(shown, offset)
    alive = (shown & real[..., None]).any(dim=1)
    index = alive.cumsum(dim=-1) - alive.to(torch.int64)
    place = positions(queries, keys, offset).clamp(0, keys - 1).to(shown.device)
    low = index.gather(1, shown.byte().argmax(dim=-1))
    high = index.gather(1, keys - 1 - shown.flip(-1).byte().argmax(dim=-1)) + 1
    count = shown.sum(dim=-1)
    gaps = ((high - low != count) & real).nonzero()
    if len(gaps):
        row, query = gaps[0].tolist()
        first, last = shown[row, query].nonzero()[[0, -1], 0].tolist()
        raise InputError(
            f"a query must see one interval of the keys that are seen at all, not {int(count[row, query])} of keys "
            f"{first} to {last} with a gap, as query {query} of sequence {row} does"
        )
    return Seen(*(x.cpu().numpy() for x in (real, alive, low, high, index[:, place])))


def positions(queries: int, keys: int, offset: int | None) -> Tensor:
    """Of the queries among the keys; unknown: the last query is at the last key."""
    return torch.arange(queries) + (keys - queries if offset is None else offset)


def tokens(shown: Tensor, offset: int | None) -> Tensor:
    """Bool [batch, queries]: which queries see a key and are no padding."""
    _, queries, keys = shown.shape
    sees = shown.any(dim=-1)
    if offset is None and queries != keys:
        return sees
    position = positions(queries, keys, offset).to(shown.device)
    inside = (position >= 0) & (position < keys)
    place = position.clamp(0, keys - 1)
    own = shown[:, torch.arange(queries, device=shown.device), place] & inside
    others = shown.any(dim=1)[:, place] & inside
    # Where a query leaves out its own key, though another one sees it, the mask is not one that hides padding.
    free = (sees & ~own & others).any(dim=-1)
    if offset is None:
        free |= ~own.any(dim=-1)
    return torch.where(free[:, None], sees, own)


def parted(row: int, seen: Seen) -> list[Segment]:
    """The sequences of a row of the batch."""
    queries, keys = seen.real.nonzero()[0], seen.alive.nonzero()[0]
    if not len(queries):
        return []
    low, high, position = (x[queries] for x in seen[2:])
    one = masked_job(low, high, int(position[0]))
    if one is not None:
        return [Segment(one, row, queries, keys)]
    most, least = np.maximum.accumulate(high), np.minimum.accumulate(low[::-1])[::-1]
    ends = [0, *((most[:-1] <= least[1:]).nonzero()[0] + 1), len(queries)]
    result = []
    for own in (slice(*each) for each in pairwise(ends)):
        begin, end = int(low[own].min()), int(high[own].max())
        start = max(int(position[own][0]) - begin, 0)
        result.append(Segment(job_of(low[own] - begin, high[own] - begin, start), row, queries[own], keys[begin:end]))
    return result
