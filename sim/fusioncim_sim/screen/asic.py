"""The pages of `fusioncim synth` and `fusioncim timing`: area by module, slowest paths, those of a placed engine."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.synthesis.synth_recipe import fallbacks
from fusioncim.asic.timing import Timing
from fusioncim_sim.screen.tables import table


def synth_page(console: Console, figures: Mapping[str, Any]) -> None:
    """Modules, classes of cells, banks, and the sums."""
    modules = table(
        "module", "copies", "own cells\num2", "all below\num2", "share", "way", "depth", "cells", "flip-flops"
    )
    total = figures["area_um2"]
    shares = {name: each["copies"] * each["area"] / total for name, each in figures["modules"].items()}
    for name in sorted(shares, key=lambda name: -shares[name]):
        each = figures["modules"][name]
        modules.add_row(
            *(name, f"{each['copies']:,}", f"{each['area']:,.0f}", f"{each['area_below']:,.0f}"),
            *(f"{shares[name]:.1%}", each["way"], f"{each['depth']}", f"{sum(each['cells'].values()):,}"),
            f"{each['flip_flops']:,}",
        )
    classes = table("cells", "count")
    for kind, count in sorted(figures["classes"].items(), key=lambda each: -each[1]):
        classes.add_row(kind, f"{count:,}")
    console.print(modules, classes)
    if figures["banks"]:
        banks = table("bank", "count", "um2 each", "um2")
        for shape, bank in figures["banks"].items():
            banks.add_row(shape, f"{bank['count']:,}", f"{bank['um2']:,.0f}", f"{bank['count'] * bank['um2']:,.0f}")
        console.print(banks)
    macs, whole = figures["macs_per_cycle"], figures["um2_per_mac_per_cycle_with_banks"]
    node = f"{figures['node_nm']} nm" if figures["node_nm"] else "a node that is not stated (--node)"
    banks_too = f"{whole:,.1f} with banks" if whole is not None else f"banks are not added, the cells are of {node}"
    console.print(
        f"{figures['top']} on {figures['library']}: cells {total:,.0f} um2, banks {figures['banks_um2']:,.0f} um2 "
        f"(memory model, 45 nm). No wires, no clock tree.\n"
        f"{macs:,g} multiply-accumulates per cycle, QK^T and PV: {figures['um2_per_mac_per_cycle']:,.1f} um2 each, "
        f"{banks_too}.",
        soft_wrap=True,
    )
    warn(console, figures["fallbacks"])


def warn(console: Console, fallbacks: list[str]) -> None:
    """What the library lacks, and what was done instead."""
    for line in fallbacks:
        console.print(f"fallback: {line}", soft_wrap=True)


def timing_page(console: Console, timing: Timing, library: Library) -> None:
    """The slowest path of every module, and the critical path."""
    grid = table("module", "slowest path", "slack\nns", "shortest\nperiod ns", "MHz")
    grid.columns[1].justify = "left"
    for path in timing.paths:
        frequency = f"{1000 / path.period_ns:,.0f}" if path.period_ns > 0 else "-"
        way = f"{path.start}\nto {path.end}"
        grid.add_row(path.module, way, f"{path.slack_ns:.3f}", f"{path.period_ns:.3f}", frequency)
    console.print(grid)
    console.print(timing.report, soft_wrap=True)
    asked = 1000 / timing.period_ns
    console.print(
        f"\n{timing.top} on {library.name}: at most {timing.frequency_mhz:,.0f} MHz "
        f"({timing.shortest_ns:.3f} ns; banks: {timing.bank_ns:.3f} ns). One corner, ideal clock, no wires.",
        soft_wrap=True,
    )
    if not timing.reached:
        console.print(
            f"unreachable: {asked:g} MHz; {timing.top} reaches {timing.frequency_mhz:,.1f} MHz", soft_wrap=True
        )
    warn(console, fallbacks(library))


def placed_page(console: Console, report: str, figures: Mapping[str, Any]) -> None:
    """A placed engine without wires, with them, and with buffers for them; the report of the last; the buffers."""
    grid = table("engine", "shortest\nperiod ns", "MHz", "slowest path")
    grid.columns[3].justify = "left"
    for name, each in figures["paths"].items():
        way = f"{each['start']}\nto {each['end']}"
        grid.add_row(name, f"{each['shortest_ns']:.3f}", f"{each['frequency_mhz']:,.0f}", way)
    console.print(grid)
    console.print(report, soft_wrap=True)
    before, after = (sum(figures["buffers"][name].values()) for name in ("of_synthesis", "by_place"))
    areas = figures["buffers"]["cells_um2"]
    console.print(
        f"\n{after:,} buffers by place instead of {before:,} of synthesis, {figures['buffers']['other_strength']:,} "
        f"cells of another strength: {areas[1]:,.0f} um2 of cells instead of {areas[0]:,.0f}, "
        f"{areas[1] / areas[0] - 1:+.1%}.\nWires: {figures['wire_ff_um']:g} fF and {figures['wire_ohm_um']:g} ohm "
        "per um. One corner, ideal clock, no routing; buffers are not legalized.",
        soft_wrap=True,
    )
    if not figures["reached"]:
        console.print(
            f"unreachable: {1000 / figures['period_ns']:g} MHz; the engine reaches "
            f"{1000 / figures['shortest_period_ns']:,.1f} MHz",
            soft_wrap=True,
        )
    warn(console, figures["fallbacks"])
