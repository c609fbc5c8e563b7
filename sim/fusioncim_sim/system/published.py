"""What a published design says of itself, and an A100 by its roofline. The designs are in `published_designs`.

Figures of different levels are never divided by each other: a macro's leave buffers, network and control out, a core's
the chip around it; a tool has none. Where a figure was not found in a source that can be named, it is None.
"""

from dataclasses import dataclass

from fusioncim_golden.config import check_choice
from fusioncim_golden.errors import InputError

LEVELS = ("macro", "core", "system", "tool")
BASES = ("measured", "simulated", "not stated")


@dataclass(frozen=True, kw_only=True)
class Published:
    """A design by its own figures; None was not found.

    Members:
        name: what it is called
        node: technology in nm
        precision: of its operands
        level: what the figures include, one of `LEVELS`
        basis: whether they were measured on silicon, one of `BASES`
        tops_per_w: efficiency
        tops_per_mm2: density
        mhz: clock
        other: a figure of another kind that it is known by
        dataflow: what stands still, as mapped to attention
        source: where the figures are from
    """

    name: str
    node: int | None = None
    precision: str | None = None
    level: str
    basis: str
    tops_per_w: float | None = None
    tops_per_mm2: float | None = None
    mhz: float | None = None
    other: str = ""
    dataflow: str
    source: str

    def __post_init__(self) -> None:
        check_choice("level", self.level, LEVELS)
        check_choice("basis", self.basis, BASES)


def ratio(ours: Published, other: Published, figure: str) -> float | None:
    """Ours over another's figure; refused between levels, None where one is missing."""
    if ours.level != other.level:
        raise InputError(f"figures of a {ours.level} are not compared with those of a {other.level}: {other.name}")
    mine, theirs = getattr(ours, figure), getattr(other, figure)
    return None if mine is None or theirs is None else mine / theirs


A100_TOPS, A100_GB_PER_S, A100_WATTS = 624.0, 2039.0, 400.0
"""NVIDIA A100 SXM 80 GB data sheet: dense INT8, memory bandwidth, thermal design power. 7 nm."""


def a100_seconds(macs: float, moved: float) -> float:
    """Roofline: the slower one of multiplying at peak and of moving every byte once. A bound: no kernel reaches it."""
    return max(2 * macs / (A100_TOPS * 1e12), moved / (A100_GB_PER_S * 1e9))
