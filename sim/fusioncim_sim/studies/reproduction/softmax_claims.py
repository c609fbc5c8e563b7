"""Claims about the softmax macro: its pace, its table, its exponential, its precision."""

from collections.abc import Mapping
from typing import Any

from fusioncim.asic.scaling import scale
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.studies.exponential.units import FAR, FAR_TABLE, TABLE, TAYLOR
from fusioncim_sim.studies.reproduction.row import ARTICLE, Row
from fusioncim_sim.studies.system import CORNER
from fusioncim_sim.system.energy_table import CORNERS

PAPER = PRESETS["paper"].engine
SCORES = PAPER.rows / PAPER.operand_bits * CLOCK_MHZ * 1e-3
"""Of an engine, in G/s: a key for every row in as many cycles as it has planes."""


def softmax_rows(cost: Mapping[str, Any], exponential: Mapping[str, Any]) -> list[Row]:
    """All of them."""
    units = exponential["units"]
    return [*_macro(cost, units), *_exponential(cost, units), *(_precision(units, distance) for distance in FAR)]


def _macro(cost: Mapping[str, Any], units: Mapping[str, Any]) -> list[Row]:
    """Pace, operations, table."""
    operations = cost["published"]["softmax"]["tops"] * 1e3 / SCORES
    return [
        Row(
            what="scores of an engine's softmax",
            where="Table I",
            published=(SCORES, SCORES),
            ours=PAPER.softmax_lanes * CLOCK_MHZ * 1e-3,
            unit="G/s",
            why="128 rows in 8 cycles on both: 128 units there, 16 lanes of 8 rows each here",
        ),
        Row(
            what="operations per score behind the 0.2 TOPS of the softmax",
            where="Table I",
            published=(operations, operations),
            why="a lane multiplies once, looks up and shifts: nothing that could be counted alike",
        ),
        Row(
            what="table of the exponential",
            where="text",
            published=(128.0, 128.0),
            ours=units[TABLE]["table_bytes"],
            unit="bytes",
            why=f"{PAPER.lut_size} entries of {PAPER.probability_bits} bits, of which the first is always 1",
        ),
    ]


def _exponential(cost: Mapping[str, Any], units: Mapping[str, Any]) -> list[Row]:
    """The published exponential as RTL: beside the macro that it is a part of, and beside ours."""
    theirs, ours, published = units[TAYLOR], units[TABLE], cost["published"]["softmax"]
    factor = scale(CORNERS[CORNER])
    pace = theirs["cycles_per_score"] / ours["cycles_per_score"]
    whole = "published is the whole softmax; here are its exponentials alone, as RTL"
    built = "the published exponential as RTL, through the same flow"
    return [
        Row(
            what="area of 128 published exponentials",
            where="Table I",
            published=(published["mm2"], published["mm2"]),
            ours=PAPER.rows * theirs["um2"] * factor.area * 1e-6,
            unit="mm2",
            why=f"{whole}; from what the paper says of them come larger ones",
        ),
        Row(
            what="power of 128 published exponentials",
            where="Table I",
            published=(published["mw"], published["mw"]),
            ours=SCORES * theirs["fj_per_score"] * factor.energy * 1e-3,
            unit="mW",
            why=f"{whole}, a score in 8 cycles each",
        ),
        Row(
            what="area of the exponential for a score per cycle, over ours",
            where="text",
            ours=theirs["um2"] * pace / ours["um2"],
            why=f"{built}; eight units against a table and a shifter",
        ),
        Row(
            what="energy of the exponential per score, over ours",
            where="text",
            ours=theirs["fj_per_score"] / ours["fj_per_score"],
            why=f"{built}, on the same scores of captured heads",
        ),
        Row(
            what="nonlinear overhead less: energy of an exponential",
            where=ARTICLE,
            published=(60.0, 100.0),
            said="over 60 % less",
            ours=100 * (1 - ours["fj_per_score"] / theirs["fj_per_score"]),
            unit="%",
            why="a table and a shift against eight Taylor steps",
        ),
    ]


def _precision(units: Mapping[str, Any], distance: int) -> Row:
    """Precision of the exponential by score."""
    one, two = units[TABLE], units[FAR_TABLE.format(distance=distance)]
    area, energy = (two[figure] / one[figure] - 1 for figure in ("um2", "fj_per_score"))
    better = two["sqnr_db"]["mean"] - one["sqnr_db"]["mean"]
    return Row(
        what=f"precision of the exponential by score, a small table from 2^-{distance} down: energy more",
        where=ARTICLE,
        ours=100 * energy,
        unit="%",
        why=f"measured and not taken: {area:+.0%} area of the exponential, {better:+.2f} dB on the captured heads; "
        "ours is fixed when the chip is generated",
    )
