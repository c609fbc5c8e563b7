"""The numbers of the preset `paper`, weighed against each other: what they cost in gates, what a language model loses.

Costs are in choices.json (`fusioncim measure choices`), losses in quality.json (`fusioncim measure quality --part
candidates`), and the table that decides in docs/quality.md.
"""

from collections.abc import Mapping

from fusioncim_golden.config import PRESETS, Config

PAPER = PRESETS["paper"]
NAMES = ("accumulator_bits", "probability_bits", "slack")
"""What the candidates differ in: the numbers that gates are spent on."""
CANDIDATES: Mapping[str, tuple[int, ...]] = {
    name: tuple(map(int, name.split("/")))
    for name in ("21/10/3", "22/7/6", "22/8/5", "23/6/6", "23/7/6", "23/8/6", "24/8/6")
}
"""Values of NAMES by the row's name."""


def candidate(name: str) -> Config:
    """`paper` with a candidate's numbers."""
    return PAPER.override(**dict(zip(NAMES, CANDIDATES[name], strict=True)))
