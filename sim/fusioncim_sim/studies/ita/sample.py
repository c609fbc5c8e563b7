"""The netlists of ITA that are simulated: a dot product alone, and everything else with models in their place.

All sixteen dot products are equal, and get the same inputs and weights of the same kind: what SAMPLED take counts for
all. GELU and ReLU are idle in attention: they are a model that takes nothing, in favour of ITA.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil, sqrt

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.table_lookup import Floats
from fusioncim.asic.netlist.loads import PortLoads, port_loads
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.netlist.netlist import Flat, Part, flatten
from fusioncim.asic.placement.objects import ROW_UM, SITE_UM
from fusioncim.asic.placement.steiner import net_lengths
from fusioncim.asic.placement.strip import FILL, UTILIZATION, place_row
from fusioncim.asic.placement.wires import FF_UM

ROW, SOFTMAX, ACTIVATION = "ita_dotp", "ita_softmax_top", "ita_activation"
SAMPLED = (0, 9)
"""Dot products whose inputs are played."""
MODELS = """\
module ita_dotp(input [575:0] inp1_i, input [511:0] inp2_i, output reg [25:0] oup_o);
  integer n;
  reg pending = 0;
  always @(inp1_i or inp2_i) if (!pending) begin
    pending = 1;
    pending <= #4 0; // inputs are still until then
  end
  always @(negedge pending) begin
    oup_o = 0;
    for (n = 0; n < 64; n = n + 1) oup_o = oup_o + $signed(inp1_i[9*n +: 9]) * $signed(inp2_i[8*n +: 8]);
  end
endmodule

module ita_activation(
  input clk_i, input rst_ni, input [15:0] b_i, input [15:0] c_i, input requant_mode_i, input [7:0] requant_mult_i,
  input [7:0] requant_shift_i, input [7:0] requant_add_i, input [1:0] activation_i, input [1:0] activation_q2_i,
  input calc_en_i, input calc_en_q_i, input [127:0] data_i, output reg [127:0] data_o
);
  reg [127:0] first, second, third;
  always @(posedge clk_i) begin
    first <= #0.001 data_i;
    second <= #0.001 first;
    third <= #0.001 second;
    data_o <= #0.001 third;
  end
endmodule
"""
"""64 products of 9 by 8 signed bits, once per cycle; four registers."""
DOWN = ("inp1_i", "inp2_i")
"""Ports of a dot product that come down its columns."""
PLACED: Mapping[str, Sequence[str]] = {ROW: (), SOFTMAX: ("i_ita.i_softmax_top",)}
"""Modules that are placed, each alone, and the path of the instance in `rest`."""


def rest(design: Design) -> Flat:
    """All of a mapped ITA but for dot products and activation, which are boxes."""
    return flatten({name: design.netlist(name) for name in design.order}, design.top, keep=(ROW, ACTIVATION))


def dot_product(design: Design) -> Flat:
    """A dot product, with a clock and a reset beside it, which the bench needs."""
    netlist = design.netlist(ROW)
    ports = {**netlist.ports, "clk": ("input", [netlist.nets]), "rst": ("input", [netlist.nets + 1])}
    return flatten({ROW: replace(netlist, ports=ports, nets=netlist.nets + 2)}, ROW)


def box_loads(design: Design) -> Mapping[str, PortLoads]:
    """Of the pins of the boxes."""
    netlists = {name: design.netlist(name) for name in design.order}
    cache: dict[str, PortLoads] = {}
    return {name: port_loads(netlists, name, design.library, cache) for name in (ROW, ACTIVATION)}


def own_lengths(flat: Flat, library: Library) -> Floats:
    """Wires between the cells of a module that is placed as a square, in um, by net."""
    area = sum(library.cells[part.kind].area for _, part in flat.cells) / UTILIZATION / FILL
    strip = place_row(flat, library, DOWN, left=False, strip=ceil(sqrt(area) / ROW_UM))
    objects = strip.objects
    x = (strip.x[objects.pin_object] + objects.pin_x) * SITE_UM
    y = (strip.y[objects.pin_object] + objects.pin_y) * ROW_UM
    return net_lengths(objects.pin_net, x, y, flat.nets)


def rest_lengths(design: Design, flat: Flat, row: Floats) -> Floats:
    """Wires of `rest` in um, by net: inside of the softmax and of the dot products; all others count as none.

    row: those of a dot product, by the nets of its module.
    """
    found = np.zeros(flat.nets)
    ports = Part("", ROW, {port: bits for port, (_, bits) in dot_product(design).ports.items()})
    for _, box in flat.boxes:
        if box.kind == ROW:
            _add(found, row, [(replace(ports, pins={pin: ports.pins[pin] for pin in box.pins}), box)])
    softmax = flatten({SOFTMAX: design.netlist(SOFTMAX)}, SOFTMAX)
    cells = {(path, part.name): part for path, part in flat.cells}
    inner = [(part, cells[(*PLACED[SOFTMAX], *path), part.name]) for path, part in softmax.cells]
    _add(found, own_lengths(softmax, design.library), inner)
    return found


def _add(found: Floats, lengths: Floats, parts: Sequence[tuple[Part, Part]]) -> None:
    """Add the wires of an instance. parts: as they are in the module, and as they are in the flat netlist."""
    nets = {
        own: whole
        for part, same in parts
        for pin, bits in part.pins.items()
        for own, whole in zip(bits, same.pins[pin], strict=True)
    }
    np.add.at(found, list(nets.values()), lengths[list(nets)])


def wire_loads(lengths: Floats, library: Library) -> Floats:
    """Capacitance of wires of this length, in the library's unit."""
    found: Floats = lengths * FF_UM * 1e-15 / library.units.capacitance
    return found
