"""Systems that the paper compares itself with, by their own published figures, and an A100 by its roofline.

Figures of different levels are never divided by each other: a macro's leave buffers, network and control out, a core's
the chip around it. Where a figure was not found in a source that can be named, it is None.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fusioncim_golden.config import check_choice
from fusioncim_golden.errors import InputError
from fusioncim_sim.markdown import markdown

LEVELS = ("macro", "core", "system")
PAPER = "arXiv:2604.25317, Table II"


@dataclass(frozen=True, kw_only=True)
class Published:
    """A design by its own figures; None was not found.

    Members:
        name: what it is called
        node: technology in nm
        precision: of its operands
        level: what the figures include, one of `LEVELS`
        tops_per_w: efficiency
        tops_per_mm2: density
        mhz: clock
        dataflow: what stands still, as mapped to attention
        source: where the figures are from
    """

    name: str
    node: int
    precision: str
    level: str
    tops_per_w: float | None
    tops_per_mm2: float | None
    mhz: float | None
    dataflow: str
    source: str

    def __post_init__(self) -> None:
        check_choice("level", self.level, LEVELS)


PUBLISHED: Sequence[Published] = (
    Published(
        name="paper's chip",
        node=28,
        precision="INT8",
        level="system",
        tops_per_w=25.0,
        tops_per_mm2=2.0,
        mhz=400,
        dataflow="queries and outputs stationary",
        source="arXiv:2604.25317, Table I: 52.4 TOPS, 2.1 W, 26.2 mm2 (its 29.4 TOPS/W leaves out all but the engines)",
    ),
    Published(
        name="TranCIM",
        node=28,
        precision="INT8/16",
        level="system",
        tops_per_w=12.5,
        tops_per_mm2=0.22,
        mhz=240,
        dataflow="keys and values stationary, transposed by bit lines, pipelined",
        source=f"{PAPER}; F. Tu et al., JSSC 58(6), 2023",
    ),
    Published(
        name="P3ViT",
        node=28,
        precision="INT4/8/16",
        level="macro",
        tops_per_w=23.2,
        tops_per_mm2=0.8,
        mhz=200,
        dataflow="keys and values stationary, ping-pong arrays with a transpose mode",
        source=f"{PAPER}; X. Fu et al., TCAS-I 70(12), 2023",
    ),
    Published(
        name="TensorCIM",
        node=28,
        precision="FP32",
        level="system",
        tops_per_w=8.3,
        tops_per_mm2=None,
        mhz=None,
        dataflow="weights stationary, sparse gathers",
        source="F. Tu et al., ISSCC 2023, title: 3.7 nJ per gather, 8.3 TFLOPS/W",
    ),
    Published(
        name="22 nm digital macro",
        node=22,
        precision="INT4",
        level="macro",
        tops_per_w=89.0,
        tops_per_mm2=16.3,
        mhz=None,
        dataflow="weights stationary",
        source="Y.-D. Chih et al., ISSCC 2021, 16.4, title",
    ),
    Published(
        name="28 nm output-stationary macro",
        node=28,
        precision="INT8 to INT2",
        level="macro",
        tops_per_w=20.9,
        tops_per_mm2=None,
        mhz=None,
        dataflow="outputs stationary",
        source="CICC 2025, title: 20.9 to 137.2 TOPS/W; the lowest stands for the widest operands",
    ),
    Published(
        name="TP-DCIM",
        node=28,
        precision="INT8",
        level="macro",
        tops_per_w=None,
        tops_per_mm2=None,
        mhz=None,
        dataflow="keys and values stationary, transposable array",
        source="named by arXiv:2604.25317; no figure found",
    ),
    Published(
        name="SysCIM",
        node=28,
        precision="INT8",
        level="core",
        tops_per_w=None,
        tops_per_mm2=None,
        mhz=None,
        dataflow="systolic arrays beside CIM macros",
        source="named by arXiv:2604.25317; no figure found",
    ),
)


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


def published_table() -> str:
    """Markdown."""

    def cell(value: float | None) -> str:
        return "not found" if value is None else f"{value:g}"

    rows: list[tuple[str, ...]] = [
        ("design", "level", "nm", "operands", "TOPS/W", "TOPS/mm2", "MHz", "stationary", "source"),
        ("---", "---", "---:", "---", "---:", "---:", "---:", "---", "---"),
    ]
    for each in PUBLISHED:
        figures = (cell(each.tops_per_w), cell(each.tops_per_mm2), cell(each.mhz))
        rows.append(
            (each.name, each.level, f"{each.node}", each.precision, *figures, each.dataflow, each.source),
        )
    return markdown(rows)
