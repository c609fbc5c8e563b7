"""Heads of a user's files for a tile at gates: float, side by side, at most the columns of an engine together."""

from collections.abc import Sequence

from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_sim.heads.judge import choose
from fusioncim_sim.heads.read import Head

TOKENS = 128
"""The token at which a tile ends unless told."""


def tile_heads(config: Config, heads: Sequence[Head], names: Sequence[str]) -> list[Head]:
    """The heads of these names, or the first ones of one shape that fit into the columns."""
    chosen = choose(heads, names)
    if not names:
        alike = [head for head in chosen if (head.q.shape, head.k.shape) == (chosen[0].q.shape, chosen[0].k.shape)]
        chosen = alike[: config.columns // chosen[0].dimension]
    for head in chosen:
        if head.is_integer:
            raise InputError(
                f"heads of a tile must be float, as they are equalized side by side, not integer: {head.name}"
            )
        if len(head.q) != len(chosen[0].q) or len(head.k) != len(chosen[0].k):
            found = ", ".join(f"{each.name} of {len(each.q)} and {len(each.k)}" for each in chosen)
            raise InputError(f"heads side by side must have as many queries and keys, not {found}")
    columns = sum(head.dimension for head in chosen)
    if columns > config.columns:
        found = " + ".join(f"{head.name} of {head.dimension}" for head in chosen)
        raise InputError(f"heads side by side must have at most columns = {config.columns}, not {columns} ({found})")
    return chosen


def tile_end(heads: Sequence[Head]) -> int:
    """The token at which a tile of these heads ends: TOKENS or the last, the last where they have fewer queries."""
    queries, keys = len(heads[0].q), len(heads[0].k)
    return min(keys, TOKENS) if queries >= keys else keys
