"""Rise and fall transition of every net, propagated from the inputs and the clocks as a timing analyser does.

Of the arcs of an output the slowest wins.
"""

import numpy as np
from numpy.typing import NDArray

from fusioncim.asic.cells.cell_library import Arc, Library
from fusioncim.asic.cells.table_lookup import Floats, lookup
from fusioncim.asic.netlist.cell_groups import Group, by_level, levels
from fusioncim.asic.netlist.netlist import Flat

TRANSITION = 0.02
"""At the inputs and the clock pins, ns: an inverter of the library driving four of its kind."""


def net_transitions(
    flat: Flat, library: Library, groups: list[Group], load: Floats, is_clock: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Rise and fall transition by net number, in the library's unit.

    load: capacitance on each net, in the library's unit. is_clock: nets of clocks, whose tree restores their edges.
    """
    rise = np.full(flat.nets, TRANSITION * 1e-9 / library.units.time)
    fall = rise.copy()
    for _, group in sorted(by_level(groups, levels(groups, flat)), key=lambda each: each[0]):
        for name in group.cell.outputs:
            nets = group.pins[name]
            used = (nets >= 0) & ~is_clock[nets]
            if not used.any():
                continue
            slow = np.zeros(len(nets)), np.zeros(len(nets))
            for arc in group.cell.pins[name].arcs:
                for edge, worst in enumerate(slow):
                    np.maximum(worst, _arc(group, load[nets], arc, edge, rise, fall), out=worst)
            if slow[0].any() or slow[1].any():
                rise[nets[used]], fall[nets[used]] = slow[0][used], slow[1][used]
    return rise, fall


def _arc(group: Group, load: Floats, arc: Arc, edge: int, rise: Floats, fall: Floats) -> Floats:
    """Transition of the outputs of a group along an arc. edge: 0 rises, 1 falls."""
    table = (arc.rise, arc.fall)[edge]
    if table is None or arc.related not in group.pins:
        return np.zeros(len(load))
    related = group.pins[arc.related]
    sides = (rise[related], fall[related])
    if group.cell.pins[arc.related].clock:
        transition = sides[0]
    elif arc.unate == "non_unate":
        transition = np.maximum(*sides)
    else:
        transition = sides[edge if arc.unate == "positive_unate" else 1 - edge]
    return lookup(table, transition, load)
