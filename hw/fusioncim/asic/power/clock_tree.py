"""A stand-in for the buffers of a clock tree, which synthesis leaves out."""

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.table_lookup import toggle_energy
from fusioncim.asic.power.transitions import TRANSITION
from fusioncim_golden.errors import InputError

TREE_LOAD_FF = 40.0
"""Clock pins and buffers that one buffer of the clock tree drives."""


def clock_tree_energy(library: Library, load_ff: float) -> float:
    """Energy in fJ of an edge in the buffers of a tree, per load_ff of clock pins.

    Each buffer drives load_ff, of pins or of further buffers; it is the one of the library that takes the least energy.
    Its share of the levels above is load / (load - input).
    """
    units = library.units
    farad, joule = units.capacitance * 1e15, units.energy * 1e15
    transition, load = (np.array([x]) for x in (TRANSITION * 1e-9 / units.time, load_ff / farad))
    best = np.inf
    for cell in library.cells.values():
        if cell.kind != "comb" or len(cell.inputs) != 1 or len(cell.outputs) != 1:
            continue
        (entry,), (name,) = cell.inputs, cell.outputs
        pin, entrance = cell.pins[name], cell.pins[entry].capacitance * farad
        if pin.function != entry or entrance > load_ff / 2:
            continue
        inner = sum(float(toggle_energy(power, transition, load)[0]) for power in pin.power) * joule
        best = min(best, (inner + entrance * library.voltage**2 / 2) * load_ff / (load_ff - entrance))
    if not np.isfinite(best):
        raise InputError(f"the Liberty file must have a buffer for the clock tree, not so {library.path}")
    return float(best)
