"""Energy of a tile at gates as JSON data."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.placement.wires import Wires
from fusioncim.asic.synthesis.synth_recipe import fallbacks
from fusioncim_sim.gates.asic_figures import ARRAYS
from fusioncim_sim.gates.tile_energy import TileResult
from fusioncim_sim.gates.wire_figures import wire_figures


def power_figures(
    result: TileResult, library: Library, wires: Wires | None = None, *, models: Sequence[str]
) -> dict[str, Any]:
    """Everything that `fusioncim power` finds; wires: that are in the energies; models: where each head is from."""

    def energies(energy: Any) -> Mapping[str, float]:
        return {name: round(value, 1) for name, value in asdict(energy).items()}

    return {
        "library": library.name,
        "fallbacks": fallbacks(library),
        "parameters": result.config.as_dict(),
        "heads": list(result.heads),
        "models": list(models),
        "equalized": True,
        "tokens": result.tokens,
        "queries": result.queries,
        "period_ns": result.period_ns,
        "cycles": result.cycles,
        "clock_cycles": result.clock_cycles,
        "macs": len(ARRAYS) * result.macs,
        "columns": result.columns,
        "bit_exact": result.bit_exact,
        "mismatches": result.mismatches,
        "energy_fj": {unit: energies(energy) for unit, energy in result.energies.items()},
        "total_fj": round(result.energy.total, 1),
        "fj_per_mac": round(result.energy.total / (len(ARRAYS) * result.macs), 2),
        "power_mw": round(result.power_mw, 4),
        "wires": wire_figures(wires, library) if wires else None,
    }
