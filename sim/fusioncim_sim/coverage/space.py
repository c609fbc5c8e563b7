"""Which values of parameters go together: found by the configuration's own rules, none of which is repeated here.

The rules join few parameters (`plan.JOINED`). Of each such group all combinations are tried, beside values of the
others that every rule allows. A configuration is legal where every group is.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, product
from typing import Any

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.errors import InputError
from fusioncim_sim.coverage.plan import CHIP, ENGINE, JOINED, Value, class_of

SPANS = {**ENGINE, **CHIP}
HARMLESS: Mapping[str, Value] = {
    "rows": 1,
    "columns": 256,
    "softmax_lanes": 1,
    "drain_rows": 1,
    "update_rank": 4,
    "accumulator_bits": 32,
    "flush": 1,
    "slack": 0,
    "fraction_bits": 10,
    "lut_size": 8,
    "token_scale_bits": 0,
    "output_bits": 8,
    "bus_bits": 1024,
    "buffer_blocks": 4,
    "streams": 1,
}
"""Values that every rule allows beside any legal values of a group that they are not in."""
Values = Mapping[str, Value]


def chip_of(values: Values) -> ChipConfig:
    """The chip of these values by the names of the plan; what is not named is as by default. Errors: it is illegal."""
    own: dict[str, Any] = {name: value for name, value in values.items() if name != "buffer_blocks"}
    for name in ("seed", "alibi"):
        if name in own:
            own[name] = bool(own[name])
    vector = 2 * own["update_rank"] * own["columns"] * own.get("operand_bits", 8) // 8
    return ChipConfig().override(**own, buffer_bytes=int(values["buffer_blocks"]) * vector)


def tries(name: str) -> list[Value]:
    """All values of a parameter that are tried."""
    return [value for one in SPANS[name] for value in one.tries]


@functools.cache
def groups() -> tuple[tuple[Values, ...], ...]:
    """The legal combinations of every group of JOINED, and of every parameter that no rule joins."""
    free = [(name,) for name in SPANS if not any(name in names for names in JOINED)]
    return tuple(tuple(legal(names)) for names in (*JOINED, *free))


def legal(names: Iterable[str]) -> Iterator[Values]:
    """The combinations of values of some parameters that are legal beside harmless values of the others."""
    names = tuple(names)
    for values in product(*map(tries, names)):
        found = dict(zip(names, values, strict=True))
        try:
            chip_of({**HARMLESS, **found})
        except InputError:
            continue
        yield found


def classes(values: Values) -> dict[str, str]:
    """The classes of values, by name."""
    return {name: class_of(SPANS[name], value) for name, value in values.items()}


@functools.cache
def pairs() -> frozenset[frozenset[tuple[str, str]]]:
    """The pairs of classes of two parameters that a legal configuration has.

    Two groups that share parameters agree on these; so a pair is possible where one of both groups has it, for some
    values of what they share, and no third group forbids these.
    """
    shared = sorted({name for a, b in combinations(JOINED, 2) for name in set(a) & set(b)})
    found: set[frozenset[tuple[str, str]]] = set()
    for common in product(*map(tries, shared)):
        fixed = dict(zip(shared, common, strict=True))
        each = []
        for group in groups():
            fit = [one for one in group if all(one.get(name, value) == value for name, value in fixed.items())]
            each.append({tuple(sorted(classes(one).items())) for one in fit})
        if all(each):
            singles = [{item for one in rows for item in one} for rows in each]
            for rows in each:
                found.update(frozenset(pair) for one in rows for pair in combinations(one, 2))
            for a, b in combinations(singles, 2):
                found.update(frozenset(pair) for pair in product(a, b) if pair[0][0] != pair[1][0])
    return frozenset(found)
