"""The pins of a placed netlist and its ports: of which part, on which net, where."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.table_lookup import Floats, Ints
from fusioncim.asic.memory.memory_technology import INPUT_FF
from fusioncim.asic.netlist.netlist import ONE, ZERO, clock_nets
from fusioncim.asic.placement.objects import ROW_UM, SITE_UM
from fusioncim.asic.placement.placement import Placement


@dataclass(frozen=True)
class PlacedPins:
    """Pins of cells and banks, and bits of ports, but for those of clocks and on constants.

    Members:
        part: number of the cell, or of the bank behind all cells; -1 of a port.
        name: of the pin, as a number in `names`.
        bit: of the pin; of a port its number in the placement.
        drives: whether it is an output, or a port that is an input.
        ff: capacitance of an input.
        x, y: in um.
        wired: whether a wire goes there, see `Placement.wired`.
    """

    part: Ints
    name: Ints
    names: list[str]
    bit: Ints
    net: Ints
    drives: NDArray[np.bool_]
    ff: Floats
    x: Floats
    y: Floats
    wired: NDArray[np.bool_]

    def by_net(self, nets: int) -> tuple[Ints, Ints]:
        """The pins in the order of their nets, and where those of each net begin; outputs first."""
        order = np.lexsort((~self.drives, self.net))
        return order, np.searchsorted(self.net[order], np.arange(nets + 1))


def placed_pins(placement: Placement, library: Library) -> PlacedPins:
    """The pins of a placement."""
    flat, farad = placement.flat, library.units.capacitance * 1e15
    skipped = {ZERO, ONE, *clock_nets(flat, library)}
    names: dict[str, int] = {}
    rows: list[tuple[int, int, int, int, bool, float]] = []
    kinds = {
        name: {pin: (names.setdefault(pin, len(names)), each.direction == "output", each.capacitance * farad)
               for pin, each in cell.pins.items()}
        for name, cell in library.cells.items()
    }  # fmt: skip
    for number, (_, part) in enumerate(flat.cells):
        pins = kinds[part.kind]
        for pin, bits in part.pins.items():
            for bit, net in enumerate(bits):
                if net not in skipped:
                    name, drives, ff = pins[pin]
                    rows.append((number, name, bit, net, drives, 0.0 if drives else ff))
    for number, (_, part) in enumerate(flat.banks, len(flat.cells)):
        for pin, bits in part.pins.items():
            if pin != "clk":
                name, drives = names.setdefault(pin, len(names)), pin == "read_data"
                rows += [(number, name, bit, net, drives, 0.0 if drives else INPUT_FF)
                         for bit, net in enumerate(bits) if net not in skipped]  # fmt: skip
    inputs = {net for way, bits in flat.ports.values() if way == "input" for net in bits}
    port = {int(net): n for n, net in enumerate(placement.port_net.tolist())}
    rows += [(-1, names.setdefault("", len(names)), n, net, net in inputs, 0.0) for net, n in port.items()]
    table = np.array(rows, float).reshape(-1, 6)
    whose, which, bits_of, nets = (table[:, n].astype(np.int64) for n in range(4))
    x, y, wired = _places(placement, whose, bits_of, nets)
    return PlacedPins(whose, which, list(names), bits_of, nets, table[:, 4].astype(bool), table[:, 5], x, y, wired)


def _places(placement: Placement, part: Ints, bit: Ints, net: Ints) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Places of pins, and which have a wire."""
    objects, cells = placement.objects, len(placement.flat.cells)
    x, y = np.zeros(len(part)), np.zeros(len(part))
    wired = np.ones(len(part), bool)
    of_cell = (part >= 0) & (part < cells)
    x[of_cell], y[of_cell] = placement.middles(part[of_cell])
    at_bank = np.flatnonzero(objects.pin_object >= cells)
    within = np.zeros(len(objects.pin_object), bool)
    within[placement.wired] = True
    places: dict[tuple[int, int], int] = {}
    for n in at_bank.tolist():
        places.setdefault((int(objects.bank[objects.pin_object[n]]), int(objects.pin_net[n])), n)
    for n in np.flatnonzero(part >= cells).tolist():
        pin = places[int(part[n]) - cells, int(net[n])]
        at = objects.pin_object[pin]
        x[n] = (placement.x[at] + objects.pin_x[pin]) * SITE_UM
        y[n] = (placement.y[at] + objects.pin_y[pin]) * ROW_UM
        wired[n] = within[pin]
    ports = part < 0
    x[ports], y[ports] = placement.port_x[bit[ports]] * SITE_UM, placement.port_y[bit[ports]] * ROW_UM
    return x, y, wired
