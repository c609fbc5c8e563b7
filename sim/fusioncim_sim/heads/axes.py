"""Axes of q, k and v: which of their arrays are heads of their own, and which queries share keys and values.

    [tokens, dimension]                     one head
    [heads, tokens, dimension]              heads; those of q are a multiple of those of k and v
    [batch, heads, tokens, dimension]       the same for every member of a batch

Query head h has key and value head h div (heads of q / heads of k), as in models with grouped heads. The heads may also
be behind the tokens, as FlashAttention has them, where a user says so. Neither shape says which of the two it is. Keys
that would have as many heads as tokens or more are refused until a user does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from numpy.typing import NDArray

from fusioncim_golden.config import POSITION_BITS, check_range
from fusioncim_golden.errors import InputError
from fusioncim_sim.heads.arrays import Header
from fusioncim_sim.heads.names import PARTS, Named

MAX_TOKENS = (1 << POSITION_BITS) - 1
MOST_HEADS = 1 << 14
"""Heads of an array, over all of its batch."""
SHAPES = "[tokens, dimension], [heads, tokens, dimension] or [batch, heads, tokens, dimension]"


class Axes(StrEnum):
    """The order of the two axes before the last one."""

    HEADS_TOKENS = "heads,tokens"
    TOKENS_HEADS = "tokens,heads"


CHOICE = " or ".join(f"--axes {axes}" for axes in Axes)


@dataclass(frozen=True)
class Place:
    """One query head in the arrays.

    Members:
        name: of the head.
        batch, head, kv_head: where it is.
    """

    name: str
    batch: int
    head: int
    kv_head: int


@dataclass(frozen=True)
class Layout:
    """How the arrays of a name are heads.

    Members:
        axes: as many as each array has.
        swapped: the heads are behind the tokens.
        batch, heads, kv_heads: how many there are.
    """

    axes: int
    swapped: bool
    batch: int
    heads: int
    kv_heads: int

    @property
    def group(self) -> int:
        """Query heads that share keys and values."""
        return self.heads // self.kv_heads

    def whole(self, x: NDArray[Any]) -> NDArray[Any]:
        """An array as [batch, heads, tokens, dimension], not copied."""
        x = x.reshape((1,) * (4 - x.ndim) + x.shape)
        return x.swapaxes(1, 2) if self.swapped else x

    def places(self, named: Named) -> Iterator[Place]:
        """Every query head: NAME, NAME.head3 or NAME.batch1.head3, and without NAME where the arrays have none."""
        name = [named.name] if named.before or self.axes == 2 else []
        for batch in range(self.batch):
            for head in range(self.heads):
                own = [*name, *[f"batch{batch}", f"head{head}"][4 - self.axes :]]
                yield Place(".".join(own), batch, head, head // self.group)


def layout_of(named: Named, q: Header, k: Header, v: Header, axes: Axes | None) -> Layout:
    """How these arrays are heads; shapes that are none are refused."""
    for part, header in zip(PARTS, (q, k, v), strict=True):
        if not 2 <= len(header.shape) <= 4 or 0 in header.shape:
            raise InputError(
                f"{named.array(part)} must be {SHAPES} with at least one of each, not of shape {header.shape}"
            )
    found = f"{q.shape}, {k.shape}, {v.shape}"
    if len({len(each.shape) for each in (q, k, v)}) > 1:
        raise InputError(f"{named.labels} must have as many axes each, {SHAPES}, not {found}")
    if len({each.shape[-1] for each in (q, k, v)}) > 1:
        dimensions = ", ".join(str(each.shape[-1]) for each in (q, k, v))
        raise InputError(f"{named.labels} must have the same dimension, not {dimensions}")
    if k.shape != v.shape:
        raise InputError(
            f"{named.array('k')} and {named.array('v')} must have the same shape, not {k.shape} and {v.shape}"
        )
    swapped = axes is Axes.TOKENS_HEADS and len(q.shape) > 2
    (batch, heads, tokens), (batch_k, kv_heads, keys) = (_sizes(each.shape, swapped) for each in (q, k))
    if batch != batch_k:
        raise InputError(f"{named.labels} must have the same batch, not {found}")
    if heads % kv_heads:
        raise InputError(
            f"the heads of {named.array('q')} must be a multiple of those of {named.array('k')}, "
            f"not {heads} and {kv_heads} (shapes {found} as {'tokens,heads' if swapped else 'heads,tokens'}; "
            f"{CHOICE} says which it is)"
        )
    if len(k.shape) > 2 and axes is None and kv_heads >= keys and kv_heads > 1:
        raise InputError(
            f"{named.array('k')} must have more tokens than heads where its axes are not named ({CHOICE}), "
            f"not {keys} and {kv_heads} (shapes {found})"
        )
    for part, count in zip(PARTS, (tokens, keys, keys), strict=True):
        check_range(f"the tokens of {named.array(part)}", count, 1, MAX_TOKENS)
    check_range(f"the heads of {named.array('q')}", batch * heads, 1, MOST_HEADS)
    return Layout(len(q.shape), swapped, batch, heads, kv_heads)


def _sizes(shape: tuple[int, ...], swapped: bool) -> tuple[int, int, int]:
    """Batch, heads and tokens."""
    batch, first, second = (1,) * (4 - len(shape)) + shape[:-1]
    return (batch, second, first) if swapped else (batch, first, second)
