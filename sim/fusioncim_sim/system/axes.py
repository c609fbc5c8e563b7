"""The space of an exploration: axes, each a parameter with its values, and the chips at their crossings."""

import json
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.errors import InputError, unknown_key
from fusioncim_golden.presets import PRESETS

PAPER = PRESETS["paper"]
AXES: Mapping[str, tuple[Any, ...]] = {
    "rows": (32, 64, 128, 256),
    "engines": (2, 4, 8, 16),
    "words": (2, 4, 8),
    "buffer_bytes": (1 << 18, 1 << 19, 1 << 20, 1 << 21),
    "bus_bits": (256, 512),
    "operand_bits": (8, 4),
    "schedule": ("folded", "diagonal_first"),
}
"""The space that is explored unless another one is asked for."""


def parse_axes(texts: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Axes from KEY=V1,V2,..; values are numbers, true, false or names."""
    found: dict[str, tuple[Any, ...]] = {}
    known = PAPER.as_dict()
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not values:
            raise InputError(f"--axis must be KEY=V1,V2,.., not {text}")
        if name not in known:
            raise unknown_key(name, known)
        if name in found:
            raise InputError(f"--axis must name every parameter once, not again {name}")
        found[name] = tuple(_value(value) for value in values.split(","))
        if len(set(map(repr, found[name]))) < len(found[name]):
            raise InputError(f"--axis must have every value once, not {text}")
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def points(axes: Mapping[str, Sequence[Any]], base: ChipConfig = PAPER) -> list[dict[str, Any]]:
    """All combinations that make a chip; softmax lanes follow the rows, as one lane serves `operand_bits` of them.

    Errors: a value that makes a chip in no combination, with the rule that refuses the first of them.
    """
    found = []
    refused: dict[tuple[str, str], InputError] = {}
    taken = set()
    for values in product(*axes.values()):
        point = dict(zip(axes, values, strict=True))
        places = [(name, repr(value)) for name, value in point.items()]
        try:
            chip_of(point, base)
        except InputError as error:
            for place in places:
                refused.setdefault(place, error)
        else:
            found.append(point)
            taken.update(places)
    for (name, value), rule in refused.items():
        if (name, value) not in taken:
            raise InputError(f"no chip of the space has {name} = {value[:40]}: {rule}")
    return found


def chip_of(point: Mapping[str, Any], base: ChipConfig = PAPER) -> ChipConfig:
    """The chip of a point."""
    values = {**base.as_dict(), **point}
    rows, bits = values["rows"], values["operand_bits"]
    if "softmax_lanes" not in point and type(rows) is int and type(bits) is int and bits > 0:
        point = {**point, "softmax_lanes": max(rows // bits, 1)}
    return base.override(**point)
