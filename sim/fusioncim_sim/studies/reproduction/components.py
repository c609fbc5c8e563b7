"""Table I and what follows from it: power, area and efficiency by component."""

from collections.abc import Mapping
from typing import Any

from fusioncim_sim.studies.reproduction.row import Row
from fusioncim_sim.studies.system import CORNER

CELLS = "gates of an open 45 nm library, scaled, where the paper has a model of a custom macro"
TABLE_I = {
    "IP-CIM": f"{CELLS}; what is left are adder trees",
    "OP-CIM": f"{CELLS}; accumulators in banks are read, shifted and written for every block",
    "softmax": "four pipelined stages, no exponential and no multiplier for rescales, but state in banks",
    "hybrid engine": f"{CELLS}; with normalizer, buffer and control",
    "system": "the engines dominate both; what is around them takes less than 2 % of the power here",
}


PARTS = ("IP-CIM", "OP-CIM", "softmax")
"""Of an engine, as the paper names them."""


def component_rows(cost: Mapping[str, Any]) -> list[Row]:
    """Power and area of every part, then the efficiencies."""
    return [*_table_one(cost), *_efficiency(cost)]


def _table_one(cost: Mapping[str, Any]) -> list[Row]:
    found = []
    published = cost["published"]
    power, area = (sum(published[part][figure] for part in PARTS) for figure in ("mw", "mm2"))
    slips = {
        ("softmax", "mw"): "13.1 mW",
        ("hybrid engine", "mw"): f"its parts add up to {power:.0f} mW",
        ("hybrid engine", "mm2"): f"its parts add up to {area:.2f} mm2",
    }
    for part, why in TABLE_I.items():
        ours, theirs = cost["table"][part][CORNER], published[part]
        for figure, unit in (("mw", "mW"), ("mm2", "mm2")):
            found.append(
                Row(
                    what=f"{part}: {'power' if figure == 'mw' else 'area'}",
                    where="Table I",
                    published=(theirs[figure], theirs[figure]),
                    ours=ours[figure],
                    unit=unit,
                    why=why,
                    slip=slips.get((part, figure), ""),
                )
            )
    return found


def _efficiency(cost: Mapping[str, Any]) -> list[Row]:
    engine, system = (cost["table"][part][CORNER] for part in ("hybrid engine", "system"))
    theirs = cost["published"]["system"]
    peak = theirs["tops"] / theirs["mw"] * 1e3
    return [
        Row(
            what="efficiency of the engines alone",
            where="abstract, Table II",
            published=(29.4, 29.4),
            ours=engine["tops_per_w"],
            unit="TOPS/W",
            why="the published value is 52.4 TOPS over 16 engines of 113 mW: no buffer, network or control",
            slip=f"called that of the system, which is {peak:.1f} by Table I",
        ),
        Row(
            what="efficiency with buffer, network and control",
            where="Table I",
            published=(peak, peak),
            ours=system["tops_per_w"],
            unit="TOPS/W",
            why="52.4 TOPS over 2.1 W; what is around the engines costs 15 % there and less than 2 % here",
        ),
        Row(
            what="density",
            where="Table II",
            published=(2.03, 2.03),
            ours=system["tops_per_mm2"],
            unit="TOPS/mm2",
            why="larger arrays and a smaller buffer",
            slip=f"{theirs['tops'] / theirs['mm2']:.2f} by Table I",
        ),
    ]
