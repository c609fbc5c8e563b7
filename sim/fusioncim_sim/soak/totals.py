"""The figures of a soak: sums over its chips."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

COUNTED = ("cases", "jobs", "compared", "cycles", "not_placed")
GROUPS = ("statuses", "options", "events")


def totals(chips: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What all chips did together; each is of `soak.soak_chip`."""
    found = list(chips)
    groups: dict[str, Counter[str]] = {name: Counter() for name in GROUPS}
    for chip in found:
        for name, counts in groups.items():
            counts.update(chip[name])
    return {
        "chips": len(found),
        "seeds": sorted(chip["seed"] for chip in found),
        **{name: sum(chip[name] for chip in found) for name in COUNTED},
        "minutes": round(sum(chip["seconds"] for chip in found) / 60, 1),
        "build_minutes": round(sum(chip["build_seconds"] for chip in found) / 60, 1),
        **{name: dict(sorted(counts.items())) for name, counts in groups.items()},
        "failures": [failure for chip in found for failure in chip["failures"]],
    }
