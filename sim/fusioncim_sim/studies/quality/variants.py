"""What is measured of a language model: the parts of quality.json, and the configurations of its tables."""

from collections.abc import Iterable, Mapping
from typing import Any

from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_sim.studies.preset_candidates import CANDIDATES, PAPER, candidate, with_forced

SIZES = {"default": (1024, 20), "long": (4096, 3), "candidates": (1024, 20), "large": (512, 2), "study": (1024, 2)}
"""Length and number of windows: of parts, of a model other than the default, of all else; patterns are those of the
first."""
Changes = Mapping[str, Any]


def one_at_a_time(name: str, values: Iterable[Any]) -> dict[str, Changes]:
    """A row of a table for every value of one parameter, but for the default."""
    default = PAPER.as_dict()[name]
    return {str(value): {name: value} for value in values if value != default}


VARIANTS: dict[str, dict[str, Changes]] = {
    "none": {"none": {}},
    "accumulator_bits": one_at_a_time("accumulator_bits", (16, 18, 20, 22, 24, 26, 28, 32)),
    "update_rank": one_at_a_time("update_rank", (2, 4, 16)),
    "probability_bits": one_at_a_time("probability_bits", (6, 8, 10)),
    "slack": one_at_a_time("slack", (0, 3, 5)),
    "flush": one_at_a_time("flush", (8, 10, 12, 14)),
    "lut_size": one_at_a_time("lut_size", (16, 32)),
    "fraction_bits": one_at_a_time("fraction_bits", (4, 5, 8)),
    "operand_bits": one_at_a_time("operand_bits", (4,)),
    "output_bits": one_at_a_time("output_bits", (8,)),
    "seed": one_at_a_time("seed", (True,)),
    "schedule": one_at_a_time("schedule", ("in_order", "diagonal_first")),
}
"""Tables of changes to the preset, in the order in which they are measured; what they force follows (`legal`)."""
PARTS: tuple[str, ...] = ("default", "long", "speed", "operands", "patterns", "additions", "candidates", *VARIANTS)


def configs(part: str) -> dict[str, Config]:
    """The rows of a table: the candidates, or those of VARIANTS."""
    if part == "candidates":
        return {name: candidate(name) for name in CANDIDATES}
    return {name: legal(changes) for name, changes in VARIANTS[part].items()}


def legal(changes: Changes) -> Config:
    """The preset with changes, and what they force, an earlier flush among it."""
    forced = with_forced(changes)
    for flush in (changes.get("flush", PAPER.flush), *range(PAPER.flush, 0, -1)):
        try:
            return PAPER.override(**forced | {"flush": flush})
        except InputError:
            continue
    raise InputError(f"no flush makes this configuration work: {changes}")
