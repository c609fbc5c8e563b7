"""The table of docs/cost.md that has ITA beside the engine of `paper`."""

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.cost.tables import tokens_of_table
from fusioncim_sim.studies.ita.names import DOT_PRODUCTS, MACS, NOT_USED, REST, SOFTMAX, VECTORS
from fusioncim_sim.studies.study import Stored

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
BUFFERS = ("weight buffer", "accumulator", REST)
"""What the dot products need around them."""

Runs = Sequence[Mapping[str, Any]]


def ita_part(cost: Stored, timing: Stored, ita: Stored) -> str:
    """The table, and what was measured."""
    commits = " and ".join(f"{name} at {each['commit'][:10]}" for name, each in ita["commits"].items())
    said = f"Measured: {commits}. All products are right, bit by bit."
    return f"{ita_table(cost, timing, ita)}\n\n{textwrap.fill(said, 120)}"


def ita_table(cost: Stored, timing: Stored, ita: Stored) -> str:
    """The engine of the cost table; ITA on captured heads and on its own vectors."""
    heads = [name for name in ita["runs"] if name != VECTORS]
    columns = [[ita["runs"][name] for name in names] for names in (heads, [VECTORS])]
    table = {name: row["measured"] for name, row in cost["table"].items()}
    rate = table["IP-CIM"]["tops"] / 2  # 10^12 per second, a macro

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
        (
            "figure",
            f"engine of `paper`, {tokens_of_table(cost):,} tokens",
            "dot products of ITA, a captured head",
            f"the same, {VECTORS}",
        ),
        ("---", *["---"] * 3),
        ("multiply-accumulates per cycle", f"{rate * 1e6 / cost['clock_mhz'] * 2:,.0f}", *both(f"{MACS:,}")),
        (
            "QK^T, fJ per MAC",
            *energies(shown(mine(table, ["IP-CIM"], rate)), lambda runs: shown(fj(runs, "scores"))),
        ),
        (
            "PV, fJ per MAC",
            *energies(shown(mine(table, ["OP-CIM"], rate)), lambda runs: shown(fj(runs, "outputs"))),
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


def fj(runs: Runs, phase: str) -> dict[str, float]:
    """Energy of the dot products of ITA in a phase per multiply-accumulate, in fJ, by kind."""
    macs = sum(run["macs"] for run in runs)
    each = [run["phases"][phase]["fj"][DOT_PRODUCTS] for run in runs]
    return {kind: sum(fj[key] for fj in each for key in keys) / macs for kind, keys in KINDS.items()}


def shown(kinds: Mapping[str, float]) -> str:
    """All of it, and by kind."""
    parts = ", ".join(f"{kind} {x:,.0f}" for kind, x in kinds.items() if x)
    return f"{sum(kinds.values()):,.0f} ({parts})"
