"""A covering array: few legal chips in which every possible pair of classes of two parameters occurs.

`python -m fusioncim_sim.coverage.array` makes it again and writes it to array.json, a chip per line; a test says when
it has to be made again.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_sim.coverage.plan import JOINED
from fusioncim_sim.coverage.space import Values, chip_of, classes, groups, pairs

FILE = Path(__file__).with_suffix(".json")
CANDIDATES = 60
"""Random chips of which the one with most new pairs is taken."""
NEARLY = 0.9
"""Of those with nearly as many new pairs the smallest array is taken, as it is simulated soonest."""
Pairs = frozenset[frozenset[tuple[str, str]]]


def stored_values() -> list[Values]:
    """The array as it is stored: values by the names of the plan."""
    found: list[Values] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def stored() -> list[ChipConfig]:
    """Its chips."""
    return [chip_of(values) for values in stored_values()]


def pairs_of(values: Values) -> Pairs:
    """The pairs of classes that a chip has."""
    return frozenset(frozenset(pair) for pair in combinations(classes(values).items(), 2))


@functools.cache
def _class_of(name: str, value: int | str) -> str:
    return classes({name: value})[name]


def covering(seed: int = 1) -> list[dict[str, Any]]:
    """An array, greedily: each chip begins with a pair that is missing, and is the best of some random ones."""
    rng = np.random.default_rng(seed)
    missing, found = set(pairs()), []
    order = sorted(missing, key=sorted)
    while missing:
        wanted = next(pair for pair in order if pair in missing)
        tried = [a_legal_one(rng, dict(wanted)) for _ in range(CANDIDATES)]
        gains = [len(pairs_of(one) & missing) for one in tried]
        good = [one for one, gain in zip(tried, gains, strict=True) if gain >= NEARLY * max(gains)]
        best = min(good, key=lambda one: one["rows"] * one["columns"])
        missing -= pairs_of(best)
        found.append({name: best[name] for name in sorted(best)})
    return found


def a_legal_one(rng: np.random.Generator, wanted: Mapping[str, str]) -> dict[str, Any]:
    """A random legal chip with these classes: its values by name."""
    while True:
        found: dict[str, Any] = {}
        for number in rng.permutation(len(groups())):
            fit = _fitting(int(number), _shared(found), tuple(sorted(wanted.items())))
            if not fit:
                break
            found.update(fit[int(rng.integers(len(fit)))])
        else:
            return found


def _shared(found: Values) -> tuple[tuple[str, Any], ...]:
    """What is known of the parameters that several groups have."""
    names = {name for a, b in combinations(JOINED, 2) for name in set(a) & set(b)}
    return tuple(sorted((name, value) for name, value in found.items() if name in names))


@functools.lru_cache(maxsize=512)
def _fitting(
    number: int, fixed: tuple[tuple[str, Any], ...], wanted: tuple[tuple[str, str], ...]
) -> Sequence[Mapping[str, Any]]:
    """The combinations of a group with these values and these classes."""
    return [
        one
        for one in groups()[number]
        if all(one.get(name, value) == value for name, value in fixed)
        and all(name not in one or _class_of(name, one[name]) == label for name, label in wanted)
    ]


def text(array: Sequence[Values]) -> str:
    """An array as it is stored."""
    return "[\n" + ",\n".join(json.dumps(values) for values in array) + "\n]\n"


if __name__ == "__main__":
    FILE.write_text(text(covering()), encoding="utf-8")
