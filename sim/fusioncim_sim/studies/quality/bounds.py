"""What the engine's arithmetic may lose in a language model, and what a configuration loses."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

LOSS, AGREEMENT, FEWER = 0.002, 0.99, 95
"""Bounds of the arithmetic alone: difference of mean losses in nats, share of equal most likely tokens; and by how much
per cent rescales are to lie below those of exact online softmax in order."""


def lost_of(one: Mapping[str, Any], intervals: int = 0) -> list[str]:
    """Bounds of the arithmetic alone that a configuration does not keep.

    intervals: by the figure itself (0), by any of its 95 % interval (1), or by all of it (-1).
    """
    loss, same = abs(one["difference"]) + intervals * one["interval"], one["top1"] - intervals * interval_of_share(one)
    return (["loss"] if loss > LOSS else []) + (["tokens"] if same < AGREEMENT else [])


def interval_of_share(one: Mapping[str, Any]) -> float:
    """Half of the 95 % interval of the share of equal most likely tokens."""
    return 1.96 * math.sqrt(one["top1"] * (1 - one["top1"]) / one["tokens"])


def verdict(lost: Sequence[str]) -> str:
    """What a configuration loses, in words."""
    return " and ".join(lost) or "nothing"
