"""The dot product of ITA alone: its netlist, and its wires."""

from dataclasses import replace
from math import ceil, sqrt

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.table_lookup import Floats
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.netlist.netlist import Flat, flatten
from fusioncim.asic.placement.objects import ROW_UM, SITE_UM
from fusioncim.asic.placement.steiner import net_lengths
from fusioncim.asic.placement.strip import FILL, UTILIZATION, place_row
from fusioncim.asic.placement.wires import FF_UM

ROW = "ita_dotp"
"""Its module."""
SAMPLED = (0, 9)
"""Dot products whose inputs are played. All sixteen are equal, and get the same inputs and weights of the same kind."""
DOWN = ("inp1_i", "inp2_i")
"""Ports of a dot product that come down its columns."""


def dot_product(design: Design) -> Flat:
    """A dot product, with a clock and a reset beside it, which the bench needs."""
    netlist = design.netlist(ROW)
    ports = {**netlist.ports, "clk": ("input", [netlist.nets]), "rst": ("input", [netlist.nets + 1])}
    return flatten({ROW: replace(netlist, ports=ports, nets=netlist.nets + 2)}, ROW)


def own_lengths(flat: Flat, library: Library) -> Floats:
    """Wires between the cells of a module that is placed as a square, in um, by net."""
    area = sum(library.cells[part.kind].area for _, part in flat.cells) / UTILIZATION / FILL
    strip = place_row(flat, library, DOWN, left=False, strip=ceil(sqrt(area) / ROW_UM))
    objects = strip.objects
    x = (strip.x[objects.pin_object] + objects.pin_x) * SITE_UM
    y = (strip.y[objects.pin_object] + objects.pin_y) * ROW_UM
    return net_lengths(objects.pin_net, x, y, flat.nets)


def wire_loads(lengths: Floats, library: Library) -> Floats:
    """Capacitance of wires of this length, in the library's unit."""
    found: Floats = lengths * FF_UM * 1e-15 / library.units.capacitance
    return found
