"""The numbers of the preset `paper`, weighed against each other: what they cost in gates, what a language model loses.

Costs are in parameters.json (`fusioncim measure parameters`), losses in quality.json (`fusioncim measure quality --part
candidates`), and the table that decides in docs/quality.md.
"""

from collections.abc import Mapping
from typing import Any

from fusioncim_golden.config import Config
from fusioncim_golden.presets import PRESETS

PAPER = PRESETS["paper"].alone()
NAMES = ("accumulator_bits", "probability_bits", "slack", "flush")
"""What the candidates differ in: the numbers that gates and writes to O are spent on."""
CANDIDATES: Mapping[str, tuple[int, ...]] = {
    name: tuple(map(int, name.split("/")))
    for name in (
        "21/10/3/14",
        "22/7/6/14",
        "22/8/5/14",
        "23/6/6/10",
        "23/6/6/12",
        "23/6/6/14",
        "23/7/6/10",
        "23/7/6/11",
        "23/7/6/12",
        "23/7/6/14",
        "23/8/6/14",
        "24/7/6/12",
        "24/8/6/14",
    )
}
"""Values of NAMES by the row's name."""
LONG: Mapping[str, tuple[str, int]] = {
    f"arithmetic, {name} {value}": (name, value)
    for name, value in (("flush", 14), ("accumulator_bits", 24), ("accumulator_bits", 26))
}
"""Changes to `paper` that are weighed on longer texts, too, where a row adds fewer of its blocks; by part of `long`."""


def candidate(name: str) -> Config:
    """`paper` with a candidate's numbers."""
    return PAPER.override(**dict(zip(NAMES, CANDIDATES[name], strict=True)))


def with_forced(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes to `paper`, and what they force: a smaller table, more lanes."""
    forced = dict(changes)
    if "fraction_bits" in changes:
        forced["lut_size"] = min(PAPER.lut_size, 1 << changes["fraction_bits"])
    if changes.get("operand_bits") == 4:
        forced["softmax_lanes"] = 2 * PAPER.softmax_lanes
    return forced
