"""The tables of docs/cost.md."""

import textwrap
from collections.abc import Iterable, Mapping
from statistics import fmean

from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Stored
from fusioncim_sim.system.energy_table import LOW_28NM

HEADS = (
    "Energies are of cells, banks, glitches, wires and the clock tree. The heads behind them, here and in all that "
    "follows from them, are equalized, and mean key and mean value are taken off: the default of the backend. They are "
    "of two models, SmolLM2-135M and Qwen2.5-1.5B."
)
"""What every page with the cost table says about its heads."""


def cost_part(cost: Stored) -> str:
    """The cost table, and what its heads are."""
    return f"{cost_table(cost)}\n\n{textwrap.fill(HEADS, 120)}"


def cost_table(cost: Stored) -> str:
    """Area, power and efficiency of every part: each corner beside the published figures."""
    corners = ["measured", *cost["scaling"]]
    head = [f"{cost['library']}, {cost['voltage']} V", "cells and banks alone", *cost["scaling"], "published, 28 nm"]
    rows = [("part", *head), ("---", *("---:" for _ in head))]
    order = (
        "IP-CIM",
        "OP-CIM",
        "softmax",
        "normalizer",
        "key/value buffer",
        "control",
        "hybrid engine",
        "global buffer",
    )
    for name in (*order, "network", "memory interface", "chip control", "system"):
        row = cost["table"][name]
        paper = cost["published"].get(name, {})
        cells = [_cell(row[corner], name) for corner in corners]
        cells.insert(1, f"{power_mw(row['measured'], CELLS):,.0f} mW")
        rows.append((name, *cells, _cell(paper, name)))
    return markdown(rows)


def _cell(figures: dict[str, float], name: str) -> str:
    """Power, area and what follows from them, as far as there are; an operation of the softmax is no other's."""
    units = {"mw": "mW", "mm2": "mm2", "tops_per_w": "TOPS/W", "tops_per_mm2": "TOPS/mm2"}
    shown = dict(figures)
    if "tops" in shown and "tops_per_w" not in shown:
        shown |= {"tops_per_w": shown["tops"] / shown["mw"] * 1e3, "tops_per_mm2": shown["tops"] / shown["mm2"]}
    keys = [key for key in units if key in shown and not (name == "softmax" and "tops" in key)]
    return ", ".join(f"{float(f'{shown[key]:.3g}'):,g} {units[key]}" for key in keys)


def tokens_of_table(cost: Stored) -> int:
    """Length of the causal prefill whose tiles see as many keys in the mean as those of the table."""
    return 2 * int(cost["keys_per_tile"])


ALL = ("logic", "wires", "glitches", "banks")
"""Kinds of energy, in the order of a page."""
CELLS = ("logic", "banks")
"""Those without wires and glitches."""


def of_table(cost: Stored) -> dict[str, float]:
    """What the rows of the table's OP-CIM take by the multiply-accumulate, in fJ, by kind."""
    found: dict[str, float] = cost["additions"]["lengths"][str(tokens_of_table(cost))]["fj_per_mac"]
    return {kind: found[kind] for kind in ALL}


def more_mw(cost: Stored, per_mac: Mapping[str, float]) -> dict[str, float]:
    """Power at the library's corner beyond the table's if these rows take so much, by kind."""
    rate = cost["table"]["OP-CIM"]["measured"]["tops"] / 2  # 10^12 multiply-accumulates per second
    return {kind: (per_mac[kind] - fj) * rate for kind, fj in of_table(cost).items()}


def power_mw(row: Mapping[str, float], kinds: Iterable[str]) -> float:
    """Of a row of the table: leakage and these kinds."""
    return row["leakage_mw"] + sum(row[f"{kind}_mw"] for kind in kinds)


def tops_per_w(cost: Stored, per_mac: Mapping[str, float], kinds: Iterable[str] = ()) -> str:
    """Efficiency of an engine if the rows of its OP-CIM take so much; kinds: those that count, default all."""
    kinds = tuple(kinds) or tuple(per_mac)
    engine = cost["table"]["hybrid engine"][LOW_28NM]
    more = more_mw(cost, per_mac)
    mw = power_mw(engine, kinds) + sum(more[kind] for kind in kinds) * cost["scaling"][LOW_28NM]["energy"]
    return f"{1000 * engine['tops'] / mw:.1f}"


def targets_table(cost: Stored) -> str:
    """What was asked of the hardware, and what is reached."""
    heads = [one["fj_per_mac"] for one in cost["additions"]["heads"].values()]
    table = of_table(cost)
    mean = {kind: fmean(one[kind] for one in heads) for kind in table}
    columns = [figures_of(cost, per_mac, kinds) for per_mac, kinds in ((mean, table), (table, table), (table, CELLS))]
    tokens = f"{tokens_of_table(cost):,} tokens"
    rows = [
        ("figure", "target", "captured heads", f"language models, {tokens}", "the same, cells only"),
        ("---", *["---"] * 4),
        *((name, target, *(each[name, target] for each in columns)) for name, target in columns[0]),
    ]
    return markdown(rows)


def figures_of(cost: Stored, per_mac: Mapping[str, float], kinds: Iterable[str]) -> dict[tuple[str, str], str]:
    """Figures that were asked for and their targets, and what they are if the rows of the OP-CIM take so much.

    kinds: those of energy that count.
    """
    table = {name: dict(row["measured"]) for name, row in cost["table"].items()}
    engine, softmax, normalizer = table["hybrid engine"], table["softmax"], table["normalizer"]
    gmacs = table["IP-CIM"]["tops"] / 2 * 1e3  # 10^9 per second, of one macro
    more = more_mw(cost, per_mac)
    for row in (table["OP-CIM"], engine):
        for kind, mw in more.items():
            row[f"{kind}_mw"] += mw
    dynamic = sum(engine[f"{kind}_mw"] for kind in per_mac)
    overhead = cost["overhead_percent"] * (1 - sum(more.values()) / dynamic)
    for row in table.values():
        row["mw"] = power_mw(row, kinds)

    def share(figure: str) -> str:
        return f"{100 * (softmax[figure] + normalizer[figure]) / engine[figure]:.1f} %"

    def fj(name: str) -> str:
        return f"{table[name]['mw'] / gmacs * 1e3:.0f}"

    return {
        ("IP-CIM, fJ per MAC with banks and leakage", "400"): fj("IP-CIM"),
        ("OP-CIM, the same", "330"): fj("OP-CIM"),
        ("softmax and normalizer, share of the engine's energy", "8 %"): share("mw"),
        ("control, clock tree and broadcast, share of the engine's energy", "10 %"): (
            f"{overhead:.1f} %" if all(kind in kinds for kind in per_mac) else ""
        ),
        ("engine at 28 nm and 0.72 V, TOPS/W", "20; captured heads 17"): tops_per_w(cost, per_mac, kinds),
        ("IP-CIM logic, um2 per MAC/cycle", "400"): f"{table['IP-CIM']['um2_per_mac_per_cycle']:.0f}",
        ("whole engine without banks, um2 per 2,048 MAC/cycle", "900"): f"{2 * engine['um2_per_mac_per_cycle']:.0f}",
        ("softmax for 16 scores per cycle, um2", "30,000"): f"{softmax['logic_mm2'] * 1e6:,.0f}",
        ("softmax and normalizer, share of the engine's logic area", "5 %"): share("logic_mm2"),
    }


def additions_table(cost: Stored) -> str:
    """What captured heads, and language models by length, add to O, and what that takes."""
    rows = [
        ("heads", "blocks added per eight keys", *(f"{kind}, fJ per MAC" for kind in ALL), "engine, TOPS/W"),
        ("---", *["---:"] * (2 + len(ALL))),
    ]
    found = cost["additions"]
    lengths = {f"language models, {int(n):,} tokens": found["lengths"][n] for n in sorted(found["lengths"], key=int)}
    for name, one in {**found["heads"], **lengths}.items():
        per_mac = one["fj_per_mac"]
        cells = *(f"{per_mac[kind]:.0f}" for kind in ALL), tops_per_w(cost, per_mac)
        rows.append((name, f"{8 * one['per_key']:.2f}", *cells))
    return markdown(rows)


def wires_table(cost: Stored) -> str:
    """What wires add to the units of the smallest engine that was run, by the multiply-accumulate of one macro."""
    rows, run = min(cost["engine"]["sizes"].items(), key=lambda each: int(each[0]))
    phases = [phase["fj"] for name, phase in run["phases"].items() if name != "idle"]
    found = {}
    for unit in phases[0]:
        kinds = {kind: sum(phase[unit][kind] for phase in phases) / run["macs"] for kind in phases[0][unit]}
        found[unit] = kinds.pop("wires"), sum(kinds.values())
    found["all"] = sum(wires for wires, _ in found.values()), sum(others for _, others in found.values())
    head = (f"unit, of {rows} rows", "without wires, fJ", "wires, fJ")
    cells = [(unit, f"{others:,.1f}", f"{wires:,.1f}") for unit, (wires, others) in found.items()]
    return markdown([head, ("---", "---:", "---:"), *cells])


def lengths_table(cost: Stored) -> str:
    """Length of the wires in the largest engine that was run and in the published size, by unit."""
    lengths = {int(rows): each for rows, each in cost["wires_mm"].items()}
    few, many = sorted(lengths)
    head = ("unit", f"{few} rows, m", f"{many} rows, m", "energy per row, times")
    rows = [
        (unit, f"{mm / 1000:.2f}", f"{lengths[many][unit] / 1000:.2f}", f"{cost['wires_growth'][unit]:.2f}")
        for unit, mm in lengths[few].items()
    ]
    total = ("all", *(f"{sum(lengths[n].values()) / 1000:.2f}" for n in (few, many)), "")
    return markdown([head, ("---", "---:", "---:", "---:"), *rows, total])
