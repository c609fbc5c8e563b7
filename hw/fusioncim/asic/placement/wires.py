"""Length and capacitance of the wires of a placement.

    length       of a Steiner tree over the pins of each net (`steiner`)
    capacitance  length times FF_UM

Capacitance of a wire of minimum width in the Nangate 45 nm library, in fF per um:

    0.05 to 0.07  its LEF (rtk-tech.lef), metal1 to metal4: CPERSQDIST x WIDTH + 2 x EDGECAPACITANCE, no neighbours
    0.083, 0.105, 0.117, 0.111  metal2 to metal5 of OpenROAD-flow-scripts (flow/platforms/nangate45/setRC.tcl); it
        takes metal3 for signals and metal5 for clocks
    0.177         its Liberty file, `capacitance` of all wire_load groups
    0.27          CACTI 7 at 45 nm, local wires with Miller factor 1.5 (`memory_technology.WIRE_FF_UM`)

FF_UM is between; LEAST_FF_UM and MOST_FF_UM are what the sources with neighbours say, between dense logic on metal2 and
the library's own estimate before layout.
"""

from dataclasses import dataclass

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.table_lookup import Floats, Ints
from fusioncim.asic.netlist.cell_groups import grouped
from fusioncim.asic.netlist.loads import net_loads
from fusioncim.asic.placement.clock_trees import ClockTrees, clock_trees
from fusioncim.asic.placement.placement import Placement
from fusioncim.asic.placement.steiner import net_lengths
from fusioncim_golden.errors import InputError

FF_UM = 0.10
LEAST_FF_UM, MOST_FF_UM = 0.09, 0.18
"""fF per um."""


@dataclass(frozen=True)
class Wires:
    """Of a placement.

    Members:
        length: in um, by net; 0 for clocks, whose wires are in `trees`.
        trees: of the clocks.
        ff_um: capacitance.
    """

    placement: Placement
    length: Floats
    trees: ClockTrees
    ff_um: float

    @property
    def total_mm(self) -> float:
        """Length of all wires."""
        return (float(self.length.sum()) + self.trees.wire_um) / 1000

    def capacitance(self, library: Library) -> Floats:
        """By net, in the library's unit; 0 for clocks."""
        return self.length * self.ff_um * 1e-15 / library.units.capacitance


def check_ff_um(ff_um: float) -> None:
    """Refuse a capacitance of wires that no source is near to."""
    if not 0.01 <= ff_um <= 1:
        raise InputError(f"the capacitance of wires must be from 0.01 to 1 fF per um, not {ff_um:g}")


def wires_of(placement: Placement, library: Library, ff_um: float = FF_UM) -> Wires:
    """The wires of a placement."""
    check_ff_um(ff_um)
    length = net_lengths(*placement.pins, placement.flat.nets)
    return Wires(placement, length, clock_trees(placement, library, ff_um), ff_um)


def nets_beyond_limits(wires: Wires, library: Library) -> Ints:
    """Nets that load the cell that drives them with more than the library allows it: no cell is sized for its wire."""
    flat = wires.placement.flat
    groups = grouped(flat, library)
    load = net_loads(flat, library, groups, {}) + wires.capacitance(library)
    limit = np.full(flat.nets, np.inf)
    for group in groups:
        for name in group.cell.outputs:
            nets = group.pins[name]
            if group.cell.kind != "icg" and group.cell.pins[name].limit:
                limit[nets[nets >= 0]] = group.cell.pins[name].limit
    limit[wires.trees.nets] = np.inf
    return np.flatnonzero(load > limit)
