"""Wires of a placed engine by unit, as JSON data.

The wire of a net counts for the unit that drives it, the tree of a clock for the unit of the pins on it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.table_lookup import Ints
from fusioncim.asic.netlist.netlist import Flat
from fusioncim.asic.placement.wires import Wires, nets_beyond_limits
from fusioncim_sim.gates.units import UNITS, unit_of


def unit_of_nets(flat: Flat, library: Library) -> Ints:
    """Number of the unit in `UNITS` that drives each net; that of `engine` for inputs and what nothing drives."""
    units = np.full(flat.nets, UNITS.index("engine"))
    for path, part in (*flat.cells, *flat.banks):
        cell = library.cells.get(part.kind)
        for pin in cell.outputs if cell else ("read_data",):
            units[list(part.pins.get(pin, ()))] = UNITS.index(unit_of(path))
    return units


def wire_figures(wires: Wires, library: Library) -> Mapping[str, Any]:
    """Lengths by unit, the trees of the clocks, and the nets that load their driver too much."""
    placement = wires.placement
    units = unit_of_nets(placement.flat, library)
    lengths = {unit: wires.length[(units == n) & (wires.length > 0)] for n, unit in enumerate(UNITS)}
    beyond = nets_beyond_limits(wires, library)
    return {
        "ff_um": wires.ff_um,
        "width_um": round(placement.width_um, 2),
        "height_um": round(placement.height_um, 2),
        "total_mm": round(wires.total_mm, 3),
        "clock_mm": round(wires.trees.wire_um / 1000, 3),
        "clock_buffers": wires.trees.buffers,
        "overloaded_nets": len(beyond),
        "units": {
            unit: {
                "nets": len(here),
                "total_mm": round(float(here.sum()) / 1000, 3),
                "mean_um": round(float(here.mean()), 2) if len(here) else 0.0,
                "overloaded_nets": int((units[beyond] == n).sum()),
            }
            for n, (unit, here) in enumerate(lengths.items())
        },
    }
