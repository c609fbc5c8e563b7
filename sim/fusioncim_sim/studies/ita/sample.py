"""The netlist of ITA that is simulated: two of its sixteen dot products are gates, the others a model of them.

All are equal, and get the same inputs and weights of the same kind: what two take counts eight times.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, sqrt

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.table_lookup import Floats
from fusioncim.asic.netlist.loads import PortLoads, port_loads
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.netlist.netlist import Flat, Netlist, Part, flatten
from fusioncim.asic.placement.objects import ROW_UM, SITE_UM
from fusioncim.asic.placement.steiner import net_lengths
from fusioncim.asic.placement.strip import FILL, UTILIZATION, place_row
from fusioncim.asic.placement.wires import FF_UM
from fusioncim.build.workers import run_all
from fusioncim.comparison.ita import ARRAY, ROWS, row_names

ARRAY_MODULE, ROW, SOFTMAX = "ita_sumdotp", "ita_dotp", "ita_softmax_top"
SAMPLED = (0, 8)
"""Dot products that are gates."""
SHARE = ROWS // len(SAMPLED)
"""How often what one takes counts."""
BOX = "ita_dotp_model"
MODEL = f"""\
module {BOX}(input [575:0] inp1_i, input [511:0] inp2_i, output reg [25:0] oup_o);
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
"""
"""64 products of 9 by 8 signed bits, once per cycle."""
DOWN = ("inp1_i", "inp2_i")
"""Ports of a dot product that come down its columns."""
PLACED: Mapping[str, Sequence[tuple[str, ...]]] = {
    ROW: [(ARRAY, row_names()[n]) for n in SAMPLED],
    SOFTMAX: [("i_ita.i_softmax_top",)],
}
"""Modules that are placed, each alone, and the paths of their instances."""


@dataclass(frozen=True)
class Sample:
    """What is simulated.

    Members:
        design: mapped, all of it.
        netlists: by name, BOX among them.
        flat: the boxes are of BOX.
    """

    design: Design
    netlists: Mapping[str, Netlist]
    flat: Flat

    @property
    def box_loads(self) -> Mapping[str, PortLoads]:
        """Of the pins of a box."""
        return {BOX: port_loads(self.netlists, BOX, self.design.library, {})}


def sampled(design: Design) -> Sample:
    """The netlist of a mapped ITA in which only SAMPLED are gates."""
    netlists = {name: design.netlist(name) for name in design.order}
    array = netlists[ARRAY_MODULE]
    names = [row_names()[n] for n in SAMPLED]
    parts = [replace(part, kind=BOX) if part.kind == ROW and part.name not in names else part for part in array.parts]
    netlists |= {ARRAY_MODULE: replace(array, parts=parts), BOX: replace(netlists[ROW], name=BOX)}
    return Sample(design, netlists, flatten(netlists, design.top, keep=(BOX,)))


def wire_lengths(sample: Sample, library: Library, *, jobs: int = 1) -> Floats:
    """Wires inside the modules PLACED in um, by net; all others have none, which is in favour of ITA."""
    flats = {name: flatten(sample.netlists, name) for name in PLACED}
    work = {name: partial(own_lengths, flat, library) for name, flat in flats.items()}
    lengths: dict[str, Floats] = run_all(work, jobs=jobs, title="placing")
    cells = {(path, part.name): part for path, part in sample.flat.cells}
    found = np.zeros(sample.flat.nets)
    for name, paths in PLACED.items():
        for path in paths:
            inner = [(part, cells[(*path, *below), part.name]) for below, part in flats[name].cells]
            _add(found, lengths[name], inner)
    ports = Part("", ROW, {port: bits for port, (_, bits) in flats[ROW].ports.items()})
    for _, box in sample.flat.boxes:
        _add(found, lengths[ROW], [(ports, box)])
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
