"""The table of docs/cost.md that has ITA beside the engine of `paper`."""

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.cost.tables import tokens_of_table
from fusioncim_sim.studies.ita.names import DOT_PRODUCTS, MACS, NOT_USED, REST, SOFTMAX, VECTORS
from fusioncim_sim.studies.study import Stored
from fusioncim_sim.system.energy_table import LOW_28NM

KINDS: Mapping[str, Sequence[str]] = {
    "cells": ("switching", "internal", "clock", "tree"),
    "glitches": ("glitches",),
    "wires": ("wires",),
    "banks": ("memory",),
    "leakage": ("leakage", "memory_leakage"),
}
"""Kinds of energy of the table, and what each is made of."""
OURS: Mapping[str, str] = {"cells": "logic_mw", **{kind: f"{kind}_mw" for kind in KINDS if kind != "cells"}}
"""The same in the cost table."""
SCORES, OUTPUTS = "scores", "outputs"
"""Phases of a run."""
BUFFERS = ("weight buffer", "accumulator", REST)
"""What the dot products need around them."""

Runs = Sequence[Mapping[str, Any]]


def ita_part(cost: Stored, timing: Stored, ita: Stored) -> str:
    """The table, and what was measured."""
    commits = " and ".join(f"{name} at {each['commit'][:10]}" for name, each in ita["commits"].items())
    said = f"Measured: {commits}. All outputs of both are those of their models, bit by bit."
    return f"{ita_table(cost, timing, ita)}\n\n{textwrap.fill(said, 120)}"


def ita_table(cost: Stored, timing: Stored, ita: Stored) -> str:
    """The engine of the cost table; ITA on captured heads and on its own vectors."""
    heads = [name for name in ita["runs"] if name != VECTORS]
    columns = [[ita["runs"][name] for name in names] for names in (heads, [VECTORS])]
    table = {name: row["measured"] for name, row in cost["table"].items()}
    rate, scores = table["IP-CIM"]["tops"] / 2, table["softmax"]["tops"]  # 10^12 per second, a macro

    def energies(ours: str, theirs: Callable[[Runs], str]) -> tuple[str, ...]:
        return (ours, *(theirs(runs) for runs in columns))

    area, dot_product = ita["area_um2"], ita["dot_product"]
    used = [unit for unit in area if unit not in NOT_USED]
    array, engine = (DOT_PRODUCTS, *BUFFERS), table["hybrid engine"]
    macros = [table[name] for name in ("IP-CIM", "OP-CIM")]

    def um2(units: Iterable[str], *kinds: str) -> str:
        return f"{sum(area[unit][kind] for unit in units for kind in kinds) / MACS:,.0f}"

    def both(of: str) -> tuple[str, ...]:
        return of, of

    rows = [
        ("figure", f"engine of `paper`, {tokens_of_table(cost):,} tokens", "ITA, a captured head", f"ITA, {VECTORS}"),
        ("---", *["---"] * 3),
        ("multiply-accumulates per cycle", f"{rate * 1e6 / cost['clock_mhz'] * 2:,.0f}", *both(f"{MACS:,}")),
        (
            "QK^T with registers and banks, fJ per MAC",
            *energies(shown(mine(table, ["IP-CIM"], rate)), lambda runs: shown(fj(runs, array, [SCORES], "macs"))),
        ),
        (
            "its dot products alone",
            *energies("", lambda runs: shown(fj(runs, [DOT_PRODUCTS], [SCORES], "macs"))),
        ),
        (
            "PV with registers and banks, fJ per MAC",
            *energies(shown(mine(table, ["OP-CIM"], rate)), lambda runs: shown(fj(runs, array, [OUTPUTS], "macs"))),
        ),
        (
            "its dot products alone",
            *energies("", lambda runs: shown(fj(runs, [DOT_PRODUCTS], [OUTPUTS], "macs"))),
        ),
        (
            "softmax, fJ per score",
            *energies(
                shown(mine(table, ["softmax", "normalizer"], scores)),
                lambda runs: shown(fj(runs, [SOFTMAX], [SCORES, OUTPUTS], "scores")),
            ),
        ),
        (
            "everything, fJ per MAC",
            *energies(
                shown(mine(table, ["hybrid engine"], 2 * rate)),
                lambda runs: shown(halved(fj(runs, used, [SCORES, OUTPUTS], "macs"))),
            ),
        ),
        (
            f"everything at {LOW_28NM}, TOPS/W",
            *energies(
                scaled(cost, mine(table, ["hybrid engine"], 2 * rate)),
                lambda runs: scaled(cost, halved(fj(runs, used, [SCORES, OUTPUTS], "macs"))),
            ),
        ),
        (
            "arrays, um2 of logic per MAC/cycle",
            f"{sum(each['um2_per_mac_per_cycle'] for each in macros) / 2:.0f}",
            *both(um2(array, "logic")),
        ),
        ("everything, um2 of logic per MAC/cycle", f"{engine['um2_per_mac_per_cycle']:.0f}", *both(um2(used, "logic"))),
        (
            "everything with banks, um2 per MAC/cycle",
            f"{engine['um2_per_mac_per_cycle'] * engine['mm2'] / engine['logic_mm2']:.0f}",
            *both(um2(used, "logic", "banks")),
        ),
        (
            "softmax, um2 of logic",
            f"{1e6 * sum(table[name]['logic_mm2'] for name in ('softmax', 'normalizer')):,.0f}",
            *both(f"{area[SOFTMAX]['logic']:,.0f}"),
        ),
        (
            "slowest path, ns",
            f"{timing['presets']['paper']['shortest_ns']:.2f}",
            *both(f"{dot_product['path_ns']:.2f}, with wires {dot_product['path_with_wires_ns']:.2f}: a dot product"),
        ),
        (
            "SQNR of outputs if only scores and weights are rounded, dB",
            "",
            ", ".join(f"{ita['softmax_sqnr_db'][name]:.1f}" for name in heads),
            "",
        ),
    ]
    return markdown(rows)


def mine(table: Mapping[str, Mapping[str, float]], names: Iterable[str], per_second: float) -> dict[str, float]:
    """Energy of rows of the cost table per event, in fJ, by kind; per_second: events in 10^12."""
    return {kind: sum(table[name][key] for name in names) / per_second for kind, key in OURS.items()}


def fj(runs: Runs, units: Iterable[str], phases: Iterable[str], events: str) -> dict[str, float]:
    """Energy of units of ITA in phases per event of a run, in fJ, by kind; none if one of the units was not run."""
    if any(unit not in run["phases"][phase]["fj"] for run in runs for phase in phases for unit in units):
        return {}
    count = sum(run[events] for run in runs)
    each = [run["phases"][phase]["fj"][unit] for run in runs for phase in phases for unit in units]
    return {kind: sum(fj[key] for fj in each for key in keys) / count for kind, keys in KINDS.items()}


def halved(kinds: Mapping[str, float]) -> dict[str, float]:
    """Of two phases with as many events each."""
    return {kind: x / 2 for kind, x in kinds.items()}


def scaled(cost: Stored, kinds: Mapping[str, float]) -> str:
    """Efficiency in TOPS/W of a multiply-accumulate of this energy at the library's corner, scaled: two operations."""
    return f"{2000 / (sum(kinds.values()) * cost['scaling'][LOW_28NM]['energy']):.1f}" if kinds else ""


def shown(kinds: Mapping[str, float]) -> str:
    """All of it, and by kind."""
    parts = ", ".join(f"{kind} {x:,.0f}" for kind, x in kinds.items() if x)
    return f"{sum(kinds.values()):,.0f} ({parts})" if kinds else ""
