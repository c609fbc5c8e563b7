"""Masks of transformers to jobs: which keys each query sees is four numbers per sequence, or it is refused by name.

A mask of booleans says for every query and key whether it sees it. Every query must see one interval of keys, and a
sequence's intervals must be those of a `Mask`:

    causal, full, sliding windows, also to both sides, chunks of a power of two, a prefix that sees itself

A query that does not see its own key is padding, on either side, as long as no query of its sequence sees that key. Its
output is 0. Keys that no query sees are no part of the job: the first one that is seen becomes key 0.
"""

import numpy as np
import torch
from torch import Tensor

from fusioncim_golden.arith import Bool, Int
from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import CAUSAL, EVERY, FULL, Mask
from fusioncim_golden.pytorch.quantize import Padded
from fusioncim_golden.schedule import Job

OFFSET = "fusioncim_offset"
"""Attribute of a mask of which is known where among its keys the first query is."""
RULE = "every query must see one interval of keys: causal, full, a window, a chunk or a prefix that sees itself, not"
"""How a refusal begins."""
GAPS = "right padding before new tokens or a shared prefix (these need a batch of jobs), or a tree of tokens"
"""What has gaps."""

Aligned = tuple[Tensor, Tensor, Tensor, tuple[Padded, ...]]
"""Query, keys, values and the sequences of a batch."""


def aligned(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *, causal: bool) -> Aligned:
    """Query, keys and values with the padding behind each sequence, and the sequences; causal: if there is no mask."""
    batch, queries, keys = len(query), query.shape[2], key.shape[2]
    if mask is None:
        if causal and queries > keys:
            raise InputError(f"queries must be at most as many as keys = {keys}, not {queries}")
        return query, key, value, (Padded(Job(queries=queries, keys=keys, mask=CAUSAL if causal else FULL)),) * batch
    if mask.dim() != 4 or mask.shape[0] not in (1, batch) or mask.shape[2] not in (1, queries) or mask.shape[3] < keys:
        shape = tuple(mask.shape)
        raise InputError(f"a mask must be [{batch}, heads, {queries}, {keys}], or 1 where all are alike, not {shape}")
    found = sequences(shown_by(mask)[..., :keys].expand(batch, queries, -1), getattr(mask, OFFSET, None))
    begin = torch.tensor([first for first, _ in found], device=key.device)[:, None]
    if begin.any():
        index = ((torch.arange(keys, device=key.device) + begin) % keys)[:, None, :, None]
        key, value = (x.gather(2, index.expand_as(x)) for x in (key, value))
    return query, key, value, tuple(each for _, each in found)


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


def sequences(shown: Tensor, offset: int | None) -> list[tuple[int, Padded]]:
    """The first key of each sequence, and what it is from there on.

    shown: bool [batch, queries, keys]; offset: position of the first query, None: the last query is at the last key.
    """
    _, queries, keys = shown.shape
    position = torch.arange(queries, device=shown.device) + (keys - queries if offset is None else offset)
    inside = (position >= 0) & (position < keys)
    place = position.clamp(0, keys - 1)
    real = shown[:, torch.arange(queries, device=shown.device), place] & inside
    sees = shown.any(dim=-1)
    odd = sees & ~real
    if odd.any():
        seen = (shown & real[..., None]).any(dim=1)[:, place] & inside
        # Without its offset a mask without a token of its own could be anything.
        if (odd & (seen | ((offset is None) & ~real.any(dim=1, keepdim=True)))).any():
            raise InputError(f"{RULE} one without a query's own key on {keys} keys")
    low = torch.where(real, shown.byte().argmax(dim=-1), keys)
    high = torch.where(real, keys - shown.flip(-1).byte().argmax(dim=-1), 0)
    if ((high - low != shown.sum(dim=-1)) & real).any():
        raise InputError(f"{RULE} one with a gap on {keys} keys: {GAPS}")
    first = int(position[0])
    return [sequence(first, *each) for each in zip(*(x.cpu().numpy() for x in (real, low, high)), strict=True)]


def sequence(first: int, real: Bool, low: Int, high: Int) -> tuple[int, Padded]:
    """Its first key, and what it is; real [queries]: which are its own, the first of all at that position."""
    own = real.nonzero()[0]
    if not len(own):
        return 0, Padded(Job(queries=0, keys=0))
    if own[-1] - own[0] + 1 != len(own):
        raise InputError(f"the tokens of a sequence must follow each other, not with padding after {len(own)} of them")
    low, high = low[own], high[own]
    begin, keys = int(low.min()), int(high.max() - low.min())
    start = first + int(own[0]) - begin
    mask = recognize(low - begin, high - begin, start, keys)
    return begin, Padded(Job(queries=len(own), keys=keys, mask=mask, start=start), int(own[0]))


def recognize(low: Int, high: Int, start: int, keys: int) -> Mask:
    """The mask of which these are the intervals of the queries at start, start + 1, ..; each holds its own key."""
    position = start + np.arange(len(low))
    inside = position[low > 0]
    # A prefix ends with the keys that its first query sees, or where a query sees no longer all keys.
    prefixes = dict.fromkeys((0, int(high[0]), int(inside[0]) if len(inside) else 0))
    for chunk in (0, *(1 << n for n in range(keys.bit_length()))):
        for prefix in prefixes:
            mask = fitted(position, low, high, keys, chunk, prefix)
            if all(np.array_equal(*each) for each in zip(mask.interval(position, keys), (low, high), strict=True)):
                return mask
    raise InputError(f"{RULE} {kind_of(position, low, high)} on {keys} keys")


def fitted(position: Int, low: Int, high: Int, keys: int, chunk: int, prefix: int) -> Mask:
    """The mask with that chunk and prefix that could have these intervals: its window and what is ahead."""
    first, last = Mask(ahead=EVERY, chunk=chunk).interval(position, keys)
    free = position >= prefix
    cut, reach = free & (low > first), free | (high > prefix)
    window = int((position + 1 - low)[cut].max()) if cut.any() else EVERY
    ahead = int((high - position - 1)[reach].max(initial=0))
    if ahead and (high == last).all():
        ahead = EVERY
    return Mask(window=window, ahead=ahead, chunk=chunk, prefix=prefix)


def kind_of(position: Int, low: Int, high: Int) -> str:
    """What an error calls intervals that are none of a mask."""
    if (np.diff(low) < 0).any() or (np.diff(high) < 0).any():
        return "one whose ends fall from a query to the next"
    if (high == position + 1).all():
        return "packed sequences (these need a batch of jobs) or chunks that are no power of two or have windows"
    return "several spans that see themselves, or one behind other tokens (these need a table of intervals),"
