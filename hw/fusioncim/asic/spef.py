"""Resistance and capacitance of the wires of a placement, as a SPEF file (IEEE 1481) for OpenSTA.

The capacitance of a net is that of its Steiner tree. Its resistance is that of the shortest way to each pin, and these
ways lie on top of each other: from the driver the wire goes to the nearest pin, on to the next, and so on. A pin so has
the resistance that it needs at least, and all that is further away as a load: a tree of shortest ways is no slower.
"""

from collections.abc import Iterator
from itertools import pairwise

from fusioncim.asic.cells.table_lookup import Floats
from fusioncim.asic.netlist.netlist import Flat
from fusioncim.asic.placement.placed_pins import PlacedPins

OHM_UM = 3.6
"""Of metal3, which OpenROAD-flow-scripts takes for signals (flow/platforms/nangate45/setRC.tcl: 3.59 ohm per um)."""
LEAST_OHM = 0.1
"""Between two pins."""

HEAD = """\
*SPEF "IEEE 1481-1998"
*DESIGN "{name}"
*DATE ""
*VENDOR ""
*PROGRAM ""
*VERSION ""
*DESIGN_FLOW ""
*DIVIDER /
*DELIMITER :
*BUS_DELIMITER [ ]
*T_UNIT 1 NS
*C_UNIT 1 FF
*R_UNIT 1 OHM
*L_UNIT 1 HENRY
"""


def spef(flat: Flat, pins: PlacedPins, wire_ff: Floats, ohm_um: float = OHM_UM) -> Iterator[str]:
    """The file in parts. Names are those of `flat_sta`; wire_ff: of the wires, by net number."""
    yield HEAD.format(name=flat.name)
    order, first = (each.tolist() for each in pins.by_net(flat.nets))
    part, name, bit, drives = (each.tolist() for each in (pins.part, pins.name, pins.bit, pins.drives))
    x, y, wired = pins.x.tolist(), pins.y.tolist(), pins.wired.tolist()
    cells = len(flat.cells)
    for net, total in enumerate(wire_ff.tolist()):
        here = order[first[net] : first[net + 1]]
        if total <= 0 or len(here) < 2 or not drives[here[0]]:
            continue
        x0, y0 = x[here[0]], y[here[0]]
        away = {n: abs(x[n] - x0) + abs(y[n] - y0) if wired[n] else 0.0 for n in here}
        along = [here[0], *sorted(here[1:], key=away.__getitem__)]
        nodes = []
        for n in along:
            pin = pins.names[name[n]]
            wide = f"[{bit[n]}]" if part[n] >= cells and pin != "write_enable" else ""
            nodes.append(f"g{part[n]}:{pin}{wide}" if part[n] >= 0 else f"n{net}")
        far = away[along[-1]]
        half = [total / 2 * ((away[b] - away[a]) / far if far else 1 / (len(here) - 1)) for a, b in pairwise(along)]
        lines = [f"*D_NET n{net} {total:.4f}", "*CONN"]
        for n, node in zip(along, nodes, strict=True):
            lines.append(f"*{'P' if part[n] < 0 else 'I'} {node} {'O' if drives[n] == (part[n] >= 0) else 'I'}")
        lines.append("*CAP")
        for n, node in enumerate(nodes):
            load = (half[n] if n < len(half) else 0.0) + (half[n - 1] if n else 0.0)
            lines.append(f"{n + 1} {node} {load:.5f}")
        lines.append("*RES")
        for n, (a, b) in enumerate(pairwise(along)):
            ohm = max((away[b] - away[a]) * ohm_um, LEAST_OHM)
            lines.append(f"{n + 1} {nodes[n]} {nodes[n + 1]} {ohm:.3f}")
        yield "\n".join([*lines, "*END", "", ""])
