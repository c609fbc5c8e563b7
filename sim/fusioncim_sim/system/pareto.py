"""The best of evaluated chips: those that no other one beats in all objectives."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

OBJECTIVES = ("mm2", "mj", "ms", "loss_db")


def front(found: Iterable[Mapping[str, Any]], objectives: Sequence[str] = OBJECTIVES) -> list[Mapping[str, Any]]:
    """Those that no other one beats: is as good in all objectives and better in one."""
    every = list(found)

    def beats(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        pairs = [(one[name], other[name]) for name in objectives]
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    return [one for one in every if not any(beats(other, one) for other in every)]


def point_name(point: Mapping[str, Any]) -> str:
    """A point in words."""
    return ", ".join(f"{name} {value}" for name, value in point.items())


def lines(found: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Points and objectives, by latency."""
    for each in sorted(found, key=lambda each: float(each["ms"])):
        figures = (f"{each['mm2']:.2f}", f"{each['mj']:.3f}", f"{each['ms']:.3f}", f"{-each['loss_db']:.1f}")
        error = f"within {each['error_percent']:.1f} %" if "error_percent" in each else "estimated"
        yield (
            point_name(each["point"]),
            *figures,
            f"{each['working']:.1%}",
            error if each["estimated"] else "measured",
        )
