"""What each parameter of `paper` costs and buys: the alternatives side by side, and the candidates for the preset.

Area is that of a row of the OP-CIM and of a softmax lane, logic only (see fusioncim.asic.synthesis.synth), and of the
row's banks; accuracy and moves are those of all captured heads.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.asic.memory.memory_array import macro_of_shape
from fusioncim.asic.synthesis.synth import synthesize
from fusioncim.build.workers import run_all
from fusioncim.engine.ip_cim import IpCimRow
from fusioncim.engine.op_cim import OpCimRow
from fusioncim.engine.softmax_lane import SoftmaxLane
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_sim.heads.judge import judge_golden
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.preset_candidates import CANDIDATES, PAPER, candidate, with_forced
from fusioncim_sim.studies.study import Request, Stored, Study, Table

ALTERNATIVES: Mapping[str, tuple[int, ...]] = {
    "update_rank": (4, 8),
    "probability_bits": (6, 7, 8, 10),
    "lut_size": (16, 32, 64),
    "fraction_bits": (4, 5, 6, 8),
    "slack": (0, 3, 5, 6),
    "flush": (8, 10, 11, 12, 14),
    "accumulator_bits": (22, 23, 24, 26),
}
"""Values tried for each parameter, the others as in `paper`; an accumulator that would be too narrow is widened."""
HEADS = {"rows": 32, "columns": 64, "softmax_lanes": 4}
"""An engine of the captured heads' dimension."""
MOST_BITS = 32


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Map to the Nangate library, and run the golden model."""
    liberty = default_liberty()
    work: dict[str, Any] = {"ip_cim_row": partial(ip_cim_row, liberty)}
    for name, values in ALTERNATIVES.items():
        for value in values:
            work[f"{name}={value}"] = partial(costs, fitting({name: value}), liberty)
    work |= {name: partial(costs, candidate(name), liberty) for name in CANDIDATES}
    done = run_all(work, jobs=request.jobs, title="parameters")
    alternatives = {
        name: {str(value): done[f"{name}={value}"] for value in values} for name, values in ALTERNATIVES.items()
    }
    yield (
        "parameters.json",
        {
            "library": liberty.name,
            "default": {name: getattr(PAPER, name) for name in ALTERNATIVES},
            "ip_cim_row": done["ip_cim_row"],
            "alternatives": alternatives,
            "candidates": {name: done[name] for name in CANDIDATES},
        },
    )


def ip_cim_row(liberty: Path) -> dict[str, Any]:
    """Area of a row of the IP-CIM; components stay in the process that made them."""
    area = synthesize(IpCimRow(PAPER), load(liberty)).area()
    return {"um2": round(area), "um2_per_mac_per_cycle": round(area * PAPER.operand_bits / PAPER.columns, 1)}


def costs(config: Config, liberty: Path) -> dict[str, Any]:
    """Area, accuracy and moves of a configuration."""
    row, lane = (synthesize(component(config), load(liberty)) for component in (OpCimRow, SoftmaxLane))
    banks = sum(macro_of_shape(shape).area_um2 * number for shape, number in row.banks().items())
    macs = config.columns / config.operand_bits
    small = config.override(**HEADS)
    results = [judge_golden(small, head) for head in load_heads(fixture(), small)]
    updates = sum(result.row_updates for result in results)
    written = updates - sum(result.skipped_row_updates for result in results)
    exact = sum(result.rescales_in_order_exact for result in results)
    moves = sum(result.rescales + result.halvings for result in results)
    return {
        "accumulator_bits": config.accumulator_bits,
        "op_cim_um2_per_mac_per_cycle": round(row.area() / macs, 1),
        "op_cim_banks_um2_per_mac_per_cycle": round(banks / macs, 1),
        "softmax_lane_um2": round(lane.area()),
        "um2_per_mac_per_cycle": round((row.area() + banks + lane.area() / config.rows_per_lane) / macs, 1),
        "worst_sqnr_db": round(min(result.sqnr_integers_db for result in results), 2),
        "worst_error_lsb": round(max(result.max_error_integers_lsb for result in results), 3),
        "moves_below_exact_percent": round(100 * (1 - moves / exact), 2),
        "writes_per_element_and_key": round(written / updates / small.update_rank, 4),
    }


def fitting(changes: Mapping[str, int]) -> Config:
    """`paper` with changes, and with the narrowest accumulator from its own on for which they are legal."""
    forced = with_forced(changes)
    for bits in range(PAPER.accumulator_bits, MOST_BITS):
        try:
            return PAPER.override(**{"accumulator_bits": bits, **forced})
        except InputError:
            continue
    return PAPER.override(**{"accumulator_bits": MOST_BITS, **forced})


COLUMNS = {
    "op_cim_um2_per_mac_per_cycle": "OP-CIM um2 per MAC/cycle",
    "op_cim_banks_um2_per_mac_per_cycle": "its banks",
    "softmax_lane_um2": "softmax lane um2",
    "writes_per_element_and_key": "writes per element and key",
    "moves_below_exact_percent": "moves fewer, %",
    "worst_sqnr_db": "SQNR dB",
    "worst_error_lsb": "largest error LSB",
}
"""Columns of a table of alternatives."""


def alternatives_table(parameters: Stored, name: str) -> str:
    """The alternatives of one parameter; those that need it with a wider accumulator."""
    default = parameters["default"]
    rows = [(name, *COLUMNS.values()), ("---:", *("---:" for _ in COLUMNS))]
    for value, one in sorted(parameters["alternatives"][name].items(), key=lambda item: int(item[0])):
        label = f"**{value}**" if value == str(default[name]) else value
        if name != "accumulator_bits" and one["accumulator_bits"] != default["accumulator_bits"]:
            label += f" ({one['accumulator_bits']} bits)"
        rows.append((label, *(f"{one[key]:,}" for key in COLUMNS)))
    return markdown(rows)


SHOWN = ("update_rank", "flush", "probability_bits", "accumulator_bits", "slack")
"""The parameters that have a table."""
STUDY = Study(
    files={"parameters.json": ("alternatives", "candidates", "default", "ip_cim_row", "library")},
    measure=measure,
    tables=[Table("docs/decisions.md", name, partial(alternatives_table, name=name), ["parameters"]) for name in SHOWN],
)
