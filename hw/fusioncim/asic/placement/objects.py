"""What stands on a chip: the cells of a flat netlist and the pieces of its banks, with their sizes and pins.

Cells stand in rows of ROW_UM on sites of SITE_UM; a cell has the sites of its area. Their pins are in their middle.

A bank of a compute array is one cell per bit of its words: its cells stand between the gates that take `read_data`
(`memory_array`). So is a bank with WIDE times as many bits as words: it is columns side by side, in any order. Every
other bank is a rigid block as wide as its rows, in pieces of SUBARRAY columns, each with its own drivers; the data pins
are on its lower edge in the order of the bits, the other pins in the corner of the first piece. What runs inside of a
bank is in the bank's model.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.table_lookup import Floats, Ints
from fusioncim.asic.memory.memory_array import bank_macro
from fusioncim.asic.memory.memory_technology import SUBARRAY
from fusioncim.asic.netlist.netlist import ONE, ZERO, Flat, Part, clock_nets

ROW_UM, SITE_UM = 1.4, 0.19
"""Nangate 45 nm Open Cell Library, stdcells.lef, SITE FreePDK45_38x28_10R_NP_162NW_34O."""
SITE_UM2 = ROW_UM * SITE_UM
EXACT = 1e-6
"""Sites by which an area may miss a whole number of them."""
WIDE = 16
"""Bits per word of a bank whose columns stand apart."""


@dataclass(frozen=True)
class Objects:
    """Objects, cells first, in the order of the netlist; all lengths in sites and rows, from the lower left corner.

    Members:
        cells: their number.
        bank: number of the bank that the object is a piece of, -1 for cells.
        width, height: in sites and in rows.
        pin_object, pin_net, pin_x, pin_y: of every pin but those of clocks and on constants.
        clock_object, clock_net: of every pin of a clock, in the middle of the object.
        bit_line: whether the pin is the write data of a bank of an array, which the array's model has in all rows.
    """

    cells: int
    bank: Ints
    width: Ints
    height: Ints
    pin_object: Ints
    pin_net: Ints
    pin_x: Floats
    pin_y: Floats
    clock_object: Ints
    clock_net: Ints
    bit_line: Ints

    @property
    def blocks(self) -> Ints:
        """Numbers of the rigid blocks."""
        return np.flatnonzero(self.height > 1)

    def pins_of(self, chosen: Ints, x: Ints, y: Ints) -> "Ends":
        """Pins of the chosen objects, whose left and lower edges are at x and y."""
        number = np.full(len(self.width), -1)
        number[chosen] = np.arange(len(chosen))
        at = number[self.pin_object]
        here = at >= 0
        return self.pin_net[here], x[at[here]] + self.pin_x[here], y[at[here]] + self.pin_y[here]


Ends = tuple[Ints, Floats, Floats]
"""Net, x and y of pins that have their place, in sites and rows."""


@dataclass(frozen=True)
class Piece:
    """An object of a bank: its size, the nets on its data pins (a row for each port), and on its other pins."""

    width: int
    height: int
    data: list[list[int]]
    control: list[int]


def objects_of(flat: Flat, library: Library) -> Objects:
    """The objects of a netlist."""
    clocks = clock_nets(flat, library)
    skipped = {ZERO, ONE, *clocks}
    width = [ceil(library.cells[part.kind].area / SITE_UM2 - EXACT) for _, part in flat.cells]
    height = [1] * len(width)
    bank = [-1] * len(width)
    pins = [
        (n, net, width[n] / 2, 0.5, 0)
        for n, (_, part) in enumerate(flat.cells)
        for bits in part.pins.values()
        for net in bits
        if net not in skipped
    ]
    ends = [
        (n, net)
        for n, (_, part) in enumerate(flat.cells)
        for pin, bits in part.pins.items()
        for net in bits
        if net in clocks and library.cells[part.kind].pins[pin].clock
    ]
    for number, (_, part) in enumerate(flat.banks):
        array = bool(part.parameters.get("ARRAY"))
        apart = array or part.parameters["WIDTH"] >= WIDE * part.parameters["DEPTH"]
        ends += [(len(width), net) for net in part.pins["clk"] if net in clocks]
        for piece in _cells_of_bank(part) if apart else _blocks_of_bank(part):
            here, columns = len(width), len(piece.data[0]) if piece.data else 0
            middle = 0.5 if apart else 0.0
            pins += [(here, net, 0.0, middle, 0) for net in piece.control if net not in skipped]
            for port, nets in enumerate(piece.data):
                pins += [
                    (here, net, (n + 0.5) / columns * piece.width, middle, int(array and port == 0))
                    for n, net in enumerate(nets)
                    if net not in skipped
                ]
            width.append(piece.width)
            height.append(piece.height)
            bank.append(number)
    table = np.array(pins, float).reshape(-1, 5)
    clock_pins = np.array(ends, np.int64).reshape(-1, 2)
    integers = table[:, (0, 1, 4)].astype(np.int64)
    return Objects(
        cells=len(flat.cells),
        bank=np.array(bank, np.int64),
        width=np.array(width, np.int64),
        height=np.array(height, np.int64),
        pin_object=integers[:, 0],
        pin_net=integers[:, 1],
        pin_x=table[:, 2],
        pin_y=table[:, 3],
        clock_object=clock_pins[:, 0],
        clock_net=clock_pins[:, 1],
        bit_line=integers[:, 2],
    )


def _data(part: Part) -> list[list[int]]:
    """Nets of the write data and of each port's read data."""
    width = part.parameters["WIDTH"]
    read = list(part.pins["read_data"])
    return [list(part.pins["write_data"]), *(read[n : n + width] for n in range(0, len(read), width))]


def _control(part: Part) -> list[int]:
    """Nets of addresses and enables."""
    return [net for pin, bits in part.pins.items() if pin not in ("clk", "write_data", "read_data") for net in bits]


def _cells_of_bank(part: Part) -> Iterator[Piece]:
    """One cell per bit, in which all words of the bit are; they have the area of the bank."""
    bits = part.parameters["WIDTH"]
    data = _data(part)
    ends = np.floor(np.arange(1, bits + 1) * bank_macro(part.parameters).area_um2 / SITE_UM2 / bits + EXACT)
    widths = np.diff(ends, prepend=0).astype(int).tolist()
    for n, sites in enumerate(widths):
        yield Piece(max(sites, 1), 1, [[nets[n]] for nets in data], _control(part) if n == 0 else [])


def _blocks_of_bank(part: Part) -> Iterator[Piece]:
    """Blocks of the columns of a bank."""
    macro, bits = bank_macro(part.parameters), part.parameters["WIDTH"]
    data = _data(part)
    for first in range(0, bits, SUBARRAY):
        columns = min(SUBARRAY, bits - first)
        sites = macro.area_um2 * columns / bits / SITE_UM2
        width = ceil(macro.row_um * columns / bits / SITE_UM)
        yield Piece(
            width, ceil(sites / width), [nets[first : first + columns] for nets in data], _control(part) * (not first)
        )
