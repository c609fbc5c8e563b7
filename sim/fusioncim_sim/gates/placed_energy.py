"""What the repair of a placed engine costs in energy: one tile on its gates before and after."""

from collections.abc import Sequence
from typing import Any

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.placement.wires import wires_of
from fusioncim_golden.config import Config
from fusioncim_sim.gates.placed_figures import PlacedEngine
from fusioncim_sim.gates.tile_energy import TileResult, run_tile
from fusioncim_sim.heads.captured import captured_heads


def repair_energies(config: Config, library: Library, timed: PlacedEngine, tokens: int, jobs: int) -> dict[str, Any]:
    """Run a tile of captured heads on both netlists, with their wires and trees of clocks."""
    runs = [
        run_tile(config, library, captured_heads(config, ()), tokens, timed.period_ns, wires=wires, jobs=jobs)
        for wires in (wires_of(each, library, timed.ff_um) for each in (timed.placement, timed.repair.placement))
    ]
    return energy_figures(runs)


def energy_figures(runs: Sequence[TileResult]) -> dict[str, Any]:
    """Of runs before and after. Errors: an output bit is wrong."""
    if wrong := [run.mismatches for run in runs if not run.bit_exact]:
        raise RuntimeError(f"outputs of a placed engine must be those of the golden model, but {wrong[0]} are not")
    return {"tokens": runs[0].tokens, "fj_per_mac": [round(run.energy.total / run.macs, 1) for run in runs]}
