"""Buffers on nets that their driver cannot carry, as a placer inserts them before it routes.

The pins on a net may load its driver with what the library allows it (`limit`), or PORT_FF if it comes from outside: a
module so buffers what its ports carry, and no net needs to know more than the ports on it. Beyond that the pins hang on
a tree of buffers with BUFFER_FF each. Clocks are left to their own tree (`power`).
"""

import inspect
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fusioncim.asic.cells.cell_library import Cell, Library
from fusioncim.asic.memory.memory_technology import INPUT_FF, LOAD_FF
from fusioncim.asic.netlist.netlist import ONE, SRAM_MODULE, ZERO, Netlist, Part

PORT_FF = 40.0
"""What a net inside may load an input port with; most registers of the library drive 60 fF."""
BUFFER_FF = 80.0
"""What a buffer drives."""

Loads = Mapping[str, Sequence[float]]
Sink = tuple[float, int, str, int]
"""Capacitance, index of the part, its pin and the bit of the pin."""


def decisions() -> str:
    """All that decides where buffers go besides netlist and library, as a key."""
    functions = (buffer_cell, buffered, _groups, _ends, input_loads)
    return "\n".join([repr((PORT_FF, BUFFER_FF, INPUT_FF, LOAD_FF)), *(inspect.getsource(each) for each in functions)])


def buffer_cell(library: Library) -> Cell | None:
    """The smallest buffer that drives BUFFER_FF, or the strongest."""
    scale = library.units.capacitance * 1e15
    found = []
    for cell in library.cells.values():
        if cell.kind == "comb" and len(cell.inputs) == len(cell.outputs) == 1:
            pin = cell.pins[cell.outputs[0]]
            if pin.function == cell.inputs[0]:
                found.append((pin.limit * scale < BUFFER_FF, cell.area, cell.name))
    return library.cells[min(found)[2]] if found else None


def buffered(netlist: Netlist, library: Library, below: Mapping[str, Loads]) -> Netlist:
    """A module with buffers. below: capacitance of every bit of the input ports of the modules in it, in fF."""
    cell = buffer_cell(library)
    if cell is None:
        return netlist
    limits, sinks, clocks = _ends(netlist, library, below)
    parts = [replace(part, pins={pin: list(bits) for pin, bits in part.pins.items()}) for part in netlist.parts]
    nets = netlist.nets
    entry = cell.pins[cell.inputs[0]].capacitance * library.units.capacitance * 1e15
    for net in sorted(sinks):
        limit = limits.get(net, LOAD_FF)
        hanging = sinks[net]
        if net in clocks or net in (ZERO, ONE):
            continue
        while len(hanging) > 1 and sum(sink[0] for sink in hanging) > limit:
            above: list[Sink] = []
            for group in _groups(hanging):
                buffer = Part(f"buffer_{nets}", cell.name, {cell.inputs[0]: [net], cell.outputs[0]: [nets]})
                for _, index, pin, bit in group:
                    pins = parts[index].pins[pin]
                    assert isinstance(pins, list)
                    pins[bit] = nets
                above.append((entry, len(parts), cell.inputs[0], 0))
                parts.append(buffer)
                nets += 1
            if len(above) >= len(hanging):
                break
            hanging = above
    return replace(netlist, parts=parts, nets=nets)


def _groups(sinks: Sequence[Sink]) -> list[list[Sink]]:
    """Neighbours together, as many as a buffer drives."""
    groups: list[list[Sink]] = [[]]
    load = 0.0
    for sink in sinks:
        if groups[-1] and load + sink[0] > BUFFER_FF:
            groups.append([])
            load = 0.0
        groups[-1].append(sink)
        load += sink[0]
    return groups


def _ends(
    netlist: Netlist, library: Library, below: Mapping[str, Loads]
) -> tuple[dict[int, float], dict[int, list[Sink]], set[int]]:
    """What may load each net, the pins on it, and the nets of clocks."""
    scale = library.units.capacitance * 1e15
    limits: dict[int, float] = {}
    sinks: dict[int, list[Sink]] = defaultdict(list)
    clocks = set(netlist.ports.get("clk", ("", ()))[1])
    for direction, bits in netlist.ports.values():
        if direction == "input":
            limits.update(dict.fromkeys(bits, PORT_FF))
    for index, part in enumerate(netlist.parts):
        cell = library.cells.get(part.kind)
        for pin, bits in part.pins.items():
            for n, bit in enumerate(bits):
                if cell:
                    entry = cell.pins[pin]
                    if entry.clock or (cell.kind == "icg" and entry.direction == "output"):
                        clocks.add(bit)
                    elif entry.direction == "input":
                        sinks[bit].append((entry.capacitance * scale, index, pin, n))
                    elif entry.limit:
                        limits[bit] = entry.limit * scale
                elif pin == "clk":
                    clocks.add(bit)
                elif part.kind == SRAM_MODULE:
                    if pin != "read_data":
                        sinks[bit].append((INPUT_FF, index, pin, n))
                elif pin in below[part.kind]:
                    sinks[bit].append((below[part.kind][pin][n], index, pin, n))
    return limits, sinks, clocks


def input_loads(netlist: Netlist, library: Library, below: Mapping[str, Loads]) -> Loads:
    """Capacitance of every bit of a module's input ports, in fF."""
    _, sinks, _ = _ends(netlist, library, below)
    return {
        port: [sum(sink[0] for sink in sinks.get(bit, ())) for bit in bits]
        for port, (direction, bits) in netlist.ports.items()
        if direction == "input"
    }
