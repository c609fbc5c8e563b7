"""The buffers of a clock tree, which synthesis leaves out: a stand-in, and the buffer of a placed tree."""

from dataclasses import dataclass

import numpy as np

from fusioncim.asic.cells.cell_library import Cell, Library
from fusioncim.asic.cells.table_lookup import Floats, toggle_energy
from fusioncim.asic.power.transitions import TRANSITION
from fusioncim_golden.errors import InputError

TREE_LOAD_FF = 40.0
"""Clock pins, buffers and wire that one buffer of the clock tree drives."""


@dataclass(frozen=True)
class TreeEnergy:
    """Energy in fJ of an edge of a clock in the tree before its pins, wires included: by cell and by bank."""

    cells: Floats
    banks: Floats


@dataclass(frozen=True)
class TreeBuffer:
    """A buffer of a library."""

    library: Library
    cell: Cell

    @property
    def entry_ff(self) -> float:
        """Capacitance of its input."""
        (entry,) = self.cell.inputs
        return self.cell.pins[entry].capacitance * self.library.units.capacitance * 1e15

    def energies(self, load_ff: Floats) -> Floats:
        """Energy in fJ of an edge at each load: its own, and that of charging its input."""
        units = self.library.units
        load = load_ff / (units.capacitance * 1e15)
        transition = np.full(len(load), TRANSITION * 1e-9 / units.time)
        (name,) = self.cell.outputs
        inner = sum(
            (toggle_energy(power, transition, load) for power in self.cell.pins[name].power), np.zeros(len(load))
        )
        return inner * units.energy * 1e15 + self.entry_ff * self.library.voltage**2 / 2

    def tree_energy(self, load_ff: float) -> float:
        """Energy in fJ of an edge per load_ff of clock pins, in a tree of buffers that drive load_ff each.

        The share of the levels above is load / (load - input).
        """
        return float(self.energies(np.array([load_ff]))[0]) * load_ff / (load_ff - self.entry_ff)


def tree_buffer(library: Library, load_ff: float) -> TreeBuffer:
    """The buffer whose tree takes the least energy."""
    found = []
    for cell in library.cells.values():
        if cell.kind == "comb" and len(cell.inputs) == 1 and len(cell.outputs) == 1:
            buffer = TreeBuffer(library, cell)
            if cell.pins[cell.outputs[0]].function == cell.inputs[0] and buffer.entry_ff <= load_ff / 2:
                found.append((buffer.tree_energy(load_ff), cell.name, buffer))
    if not found:
        raise InputError(f"the Liberty file must have a buffer for the clock tree, not so {library.path}")
    return min(found, key=lambda each: each[:2])[2]


def clock_tree_energy(library: Library, load_ff: float) -> float:
    """Energy in fJ of an edge in the buffers of a tree, per load_ff of clock pins: the stand-in."""
    return tree_buffer(library, load_ff).tree_energy(load_ff)
