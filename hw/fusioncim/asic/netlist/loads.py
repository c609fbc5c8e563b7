"""Capacitance of the pins on nets, in the library's unit: of a flat netlist, and of the ports of its modules."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.table_lookup import Floats
from fusioncim.asic.memory.memory_technology import CLOCK_FF, INPUT_FF
from fusioncim.asic.netlist.cell_groups import Group
from fusioncim.asic.netlist.netlist import ONE, SRAM_MODULE, ZERO, Flat, Netlist

PortLoads = Mapping[str, Sequence[float]]
"""Capacitance of each bit of the input ports of a module, by port."""


def net_loads(flat: Flat, library: Library, groups: Sequence[Group], boxes: Mapping[str, PortLoads]) -> Floats:
    """Capacitance by net number; boxes: loads of the boxes' ports by their kind."""
    load = np.zeros(flat.nets)
    for group in groups:
        for name in group.cell.inputs:
            nets = group.pins[name]
            np.add.at(load, nets[nets >= 0], group.cell.pins[name].capacitance)
    for _, bank in flat.banks:
        for pin, bits in bank.pins.items():
            np.add.at(load, list(bits), bank_pin_load(pin, library))
    for _, box in flat.boxes:
        for pin, loads in boxes[box.kind].items():
            np.add.at(load, list(box.pins[pin]), loads)
    load[[ZERO, ONE]] = 0
    return load


def bank_pin_load(pin: str, library: Library) -> float:
    """Capacitance of each bit of a bank's port."""
    femtofarad = {"read_data": 0.0, "clk": CLOCK_FF}.get(pin, INPUT_FF)
    return 1e-15 / library.units.capacitance * femtofarad


def port_loads(netlists: Mapping[str, Netlist], name: str, library: Library, cache: dict[str, PortLoads]) -> PortLoads:
    """Loads of the ports of a module, with everything below it; cache: those of modules that were asked for before."""
    if name in cache:
        return cache[name]
    netlist = netlists[name]
    load: dict[int, float] = defaultdict(float)
    for part in netlist.parts:
        below = port_loads(netlists, part.kind, library, cache) if part.kind in netlists else {}
        cell = library.cells.get(part.kind)
        for pin, bits in part.pins.items():
            for n, bit in enumerate(bits):
                if cell:
                    load[bit] += cell.pins[pin].capacitance if cell.pins[pin].direction == "input" else 0
                elif part.kind == SRAM_MODULE:
                    load[bit] += bank_pin_load(pin, library)
                else:
                    load[bit] += below[pin][n] if pin in below else 0
    cache[name] = {
        port: [load[bit] for bit in bits] for port, (direction, bits) in netlist.ports.items() if direction == "input"
    }
    return cache[name]
