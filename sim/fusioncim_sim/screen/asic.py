"""Area, timing and power as tables for a terminal."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from rich.console import Console
from rich.markup import escape

from fusioncim.asic.cell_library import Library
from fusioncim.asic.power import Energy
from fusioncim.asic.timing import Timing
from fusioncim_sim.gates.asic_figures import ARRAYS
from fusioncim_sim.gates.tile_energy import TileResult
from fusioncim_sim.screen.config_and_heads import table

TITLES = {
    "switching": "switch-\ning",
    "internal": "inter-\nnal",
    "clock": "clock",
    "tree": "clock\ntree",
    "leakage": "leak-\nage",
    "memory": "mem-\nory",
    "memory_leakage": "memory\nleakage",
}


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
    macs = figures["macs_per_cycle"]
    console.print(
        f"{figures['top']} on {figures['library']}: cells {total:,.0f} um2, banks {figures['banks_um2']:,.0f} um2 "
        f"(memory model, 45 nm). No wires, no clock tree.\n"
        f"{macs:,g} multiply-accumulates per cycle, QK^T and PV: {figures['um2_per_mac_per_cycle']:,.1f} um2 each, "
        f"{figures['um2_per_mac_per_cycle_with_banks']:,.1f} with banks.",
        soft_wrap=True,
    )
    warn(console, figures["fallbacks"])


def warn(console: Console, fallbacks: list[str]) -> None:
    """What the library lacks, and what was done instead."""
    for line in fallbacks:
        console.print(f"fallback: {line}", soft_wrap=True, markup=False)


def timing_page(console: Console, timing: Timing, library: Library) -> None:
    """The slowest path of every module, and the critical path."""
    grid = table("module", "slowest path", "slack\nns", "shortest\nperiod ns", "MHz")
    grid.columns[1].justify = "left"
    for path in timing.paths:
        frequency = f"{1000 / path.period_ns:,.0f}" if path.period_ns > 0 else "-"
        way = f"{path.start}\nto {path.end}"
        grid.add_row(path.module, escape(way), f"{path.slack_ns:.3f}", f"{path.period_ns:.3f}", frequency)
    console.print(grid)
    console.print(timing.report, markup=False, soft_wrap=True)
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


def power_page(console: Console, result: TileResult, library: Library) -> None:
    """Energy by unit and kind."""
    names = [field.name for field in fields(Energy)]
    macs = len(ARRAYS) * result.macs
    grid = table("fJ per multiply-\naccumulate", *(TITLES[name] for name in names), "total", "share")
    total = result.energy.total
    for unit, energy in {**result.energies, "all": result.energy}.items():
        values = [*(getattr(energy, name) for name in names), energy.total]
        grid.add_row(unit, *(f"{value / macs:,.1f}" for value in values), f"{energy.total / total:.1%}")
    outputs = result.queries * result.config.columns
    console.print(grid)
    exact = f"all {outputs:,} outputs are the golden model's"
    console.print(
        f"{' + '.join(result.heads)}: the last {result.queries} queries of {result.tokens} tokens, causal; "
        f"{result.cycles:,} cycles, {macs:,} unmasked multiply-accumulates of QK^T and PV, "
        f"use of the multipliers {result.utilization:.1%}.\n"
        f"{library.name}, {1000 / result.period_ns:g} MHz: {result.power_mw:,.2f} mW, {total / macs:,.1f} fJ per "
        f"multiply-accumulate; gates looked at once per cycle, no wires.\n"
        f"Bits: {exact if result.bit_exact else f'NO, {result.mismatches:,} of {outputs:,} outputs differ'}.",
        soft_wrap=True,
    )
