"""The table of docs/cost.md that has ITA beside the engine of `paper`."""

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.cost.tables import tokens_of_table
from fusioncim_sim.studies.ita.names import MACS, ROUNDS, SOFTMAX, VECTORS
from fusioncim_sim.studies.study import Stored

KINDS: Mapping[str, Iterable[str]] = {
    "cells": ("switching", "internal", "clock", "tree", "leakage"),
    "glitches": ("glitches",),
    "wires": ("wires",),
    "banks": ("memory", "memory_leakage"),
}
"""What the kinds of energy of a column are made of."""
OURS: Mapping[str, Iterable[str]] = {
    "cells": ("logic_mw", "leakage_mw"),
    "glitches": ("glitches_mw",),
    "wires": ("wires_mw",),
    "banks": ("banks_mw",),
}
"""The same in the cost table, which has all leakage in one."""
ARRAY = ("dot products", "weight buffer", "accumulator", "registers, FIFO, streams")
"""Units of ITA that do what an array of the engine does."""
NOT_USED = ("GELU and ReLU",)
"""Units of ITA that attention does not need: their area is left out."""
BOTH = ("scores", "outputs")


def ita_part(cost: Stored, ita: Stored) -> str:
    """The table, and what was measured."""
    commits = ", ".join(f"{name} {each['commit'][:10]} ({each['url']})" for name, each in ita["commits"].items())
    return f"{ita_table(cost, ita)}\n\n{textwrap.fill(f'Measured: {commits}.', 120, break_on_hyphens=False)}"


def ita_table(cost: Stored, ita: Stored) -> str:
    """The engine of the cost table; ITA on captured heads and on its own vectors."""
    heads = [name for name in ita["runs"] if name != VECTORS]
    runs = [[ita["runs"][name] for name in names] for names in (heads, [VECTORS])]
    table = {name: row["measured"] for name, row in cost["table"].items()}
    macs = table["IP-CIM"]["tops"] / 2  # 10^12 per second, of one macro
    scores = table["softmax"]["tops"]
    area = ita["area_um2"]
    used = [unit for unit in area if unit not in NOT_USED]

    def um2(units: Iterable[str]) -> float:
        return sum(area[unit]["logic"] for unit in units)

    sqnr = [ita["softmax_sqnr_db"][name] for name in heads]
    rows: list[tuple[str, ...]] = [
        ("figure", f"engine of `paper`, {tokens_of_table(cost):,} tokens", "ITA, captured heads", f"ITA, {VECTORS}"),
        ("---", *["---"] * 3),
        ("multiply-accumulates per cycle", f"{2 * cost_macs(cost):,.0f}", *[f"{MACS:,}"] * 2),
        (
            "QK^T, fJ per MAC: all",
            _sum(mine(table, ["IP-CIM"], macs)),
            *(_sum(fj(each, ARRAY, BOTH[:1], _macs(each, 1))) for each in runs),
        ),
        (
            "PV, fJ per MAC: all",
            _sum(mine(table, ["OP-CIM"], macs)),
            *(_sum(fj(each, ARRAY, BOTH[1:], _macs(each, 1))) for each in runs),
        ),
        (
            "everything, fJ per MAC: all",
            _sum(mine(table, ["hybrid engine"], 2 * macs)),
            *(_sum(fj(each, None, BOTH, _macs(each, 2))) for each in runs),
        ),
        (
            "softmax, fJ per score: all",
            _sum(mine(table, ["softmax", "normalizer"], scores)),
            *(_sum(fj(each, SOFTMAX, BOTH, _scores(each))) for each in runs),
        ),
        ("array, um2 of logic per MAC/cycle", f"{array_um2(table):.0f}", *[f"{um2(ARRAY) / MACS:.0f}"] * 2),
        (
            "everything, um2 of logic per MAC/cycle",
            f"{table['hybrid engine']['um2_per_mac_per_cycle']:.0f}",
            *[f"{um2(used) / MACS:.0f}"] * 2,
        ),
        (
            "softmax, um2 of logic",
            f"{1e6 * sum(table[name]['logic_mm2'] for name in ('softmax', 'normalizer')):,.0f}, 16 scores per cycle",
            *[f"{um2(SOFTMAX):,.0f}, {ROUNDS}"] * 2,
        ),
        (
            "SQNR of outputs if only the softmax is rounded, dB",
            "[see above](#the-published-exponential)",
            ", ".join(f"{x:.1f}" for x in sqnr),
            "",
        ),
    ]
    return markdown(rows)


def mine(table: Mapping[str, Mapping[str, float]], names: Iterable[str], per_second: float) -> dict[str, float]:
    """Energy of rows of the cost table per event, in fJ, by kind; per_second: events in 10^12."""
    return {kind: sum(table[name][key] for name in names for key in keys) / per_second for kind, keys in OURS.items()}


def fj(
    runs: Iterable[Mapping[str, Any]], units: Iterable[str] | None, phases: Iterable[str], events: float
) -> dict[str, float]:
    """Energy of units of ITA per event, in fJ, by kind; all units unless some are given."""
    chosen = None if units is None else set(units)
    found = dict.fromkeys(KINDS, 0.0)
    for run in runs:
        for phase in phases:
            for unit, each in run["phases"][phase]["fj"].items():
                if chosen is None or unit in chosen:
                    for kind, keys in KINDS.items():
                        found[kind] += sum(each[key] for key in keys) / events
    return found


def _macs(runs: Iterable[Mapping[str, Any]], phases: int) -> float:
    """Multiply-accumulates of runs in so many of the two phases."""
    return phases * sum(run["macs"] for run in runs)


def _scores(runs: Iterable[Mapping[str, Any]]) -> float:
    """Scores of runs."""
    return sum(run["scores"] for run in runs)


def _sum(kinds: Mapping[str, float]) -> str:
    """All of it, and by kind."""
    parts = ", ".join(f"{kind} {x:,.0f}" for kind, x in kinds.items())
    return f"{sum(kinds.values()):,.0f} ({parts})"


def array_um2(table: Mapping[str, Mapping[str, float]]) -> float:
    """Logic of both macros, per multiply-accumulate and cycle."""
    return (table["IP-CIM"]["um2_per_mac_per_cycle"] + table["OP-CIM"]["um2_per_mac_per_cycle"]) / 2


def cost_macs(cost: Stored) -> float:
    """Multiply-accumulates per cycle of one macro of the cost table."""
    return float(cost["table"]["IP-CIM"]["measured"]["tops"]) / 2 * 1e6 / float(cost["clock_mhz"])
