"""The pages of `fusioncim power`: where the energy of a tile goes, and which heads there are."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from rich.console import Console

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.power.power import Energy
from fusioncim.asic.synthesis.synth_recipe import fallbacks
from fusioncim_sim.gates.asic_figures import ARRAYS
from fusioncim_sim.gates.tile_energy import TileResult
from fusioncim_sim.screen.asic import warn
from fusioncim_sim.screen.tables import table

TITLES = {
    "switching": "switch-\ning",
    "internal": "inter-\nnal",
    "clock": "clock",
    "tree": "clock\ntree",
    "leakage": "leak-\nage",
    "memory": "mem-\nory",
    "memory_leakage": "memory\nleakage",
    "wires": "wires",
    "glitches": "glit-\nches",
}
"""Columns of the page, by field of `Energy`."""


def power_page(
    console: Console,
    result: TileResult,
    library: Library,
    wires: Mapping[str, Any] | None = None,
    *,
    models: Sequence[str],
) -> None:
    """Energy by unit and kind; wires: their figures, if the energies have any; models: where each head is from."""
    names = [field.name for field in fields(Energy) if wires or field.name != "wires"]
    macs = len(ARRAYS) * result.macs
    grid = table("fJ per multiply-\naccumulate", *(TITLES[name] for name in names), "total", "share")
    total = result.energy.total
    for unit, energy in {**result.energies, "all": result.energy}.items():
        values = [*(getattr(energy, name) for name in names), energy.total]
        grid.add_row(unit, *(f"{value / macs:,.1f}" for value in values), f"{energy.total / total:.1%}")
    outputs = result.queries * result.config.columns
    console.print(grid)
    idle = result.config.columns - result.columns
    zeros = f", {idle} of {result.config.columns} columns are zeros" if idle else ""
    exact = f"all {outputs:,} outputs are the golden model's"
    console.print(
        f"{' + '.join(result.heads)} of {', '.join(dict.fromkeys(models))}, equalized: "
        f"the last {result.queries} queries of {result.tokens} tokens, causal; "
        f"{result.cycles:,} cycles, {macs:,} unmasked multiply-accumulates of QK^T and PV, "
        f"use of the multipliers {result.utilization:.1%}{zeros}.\n"
        f"{library.name}, {1000 / result.period_ns:g} MHz: {result.power_mw:,.2f} mW, {total / macs:,.1f} fJ per "
        f"multiply-accumulate; gates and their glitches, {'with' if wires else 'no'} wires.\n"
        f"Bits: {exact if result.bit_exact else f'NO, {result.mismatches:,} of {outputs:,} outputs differ'}.",
        soft_wrap=True,
    )
    if wires:
        console.print(
            f"Wires: {wires['total_mm']:,.0f} mm at {wires['ff_um']:g} fF per um on {wires['width_um']:,.0f} x "
            f"{wires['height_um']:,.0f} um; in clock trees {wires['clock_mm']:,.0f} mm and {wires['clock_buffers']:,} "
            f"buffers.\nNo cell is sized for its wire: {wires['overloaded_nets']:,} nets load their driver more than "
            "the library allows.",
            soft_wrap=True,
        )
    warn(console, fallbacks(library))


def captured_page(console: Console, found: Mapping[str, Mapping[str, Any]]) -> None:
    """A row per captured head."""
    grid = table("head", "columns", "tokens", "model")
    for name, one in found.items():
        grid.add_row(name, *(str(one[key]) for key in ("columns", "tokens", "model")))
    console.print(grid)
    console.print("Heads that stand side by side must fill the columns of the engine.", soft_wrap=True)
