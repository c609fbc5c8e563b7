"""Mapped netlists as Verilog: a module in its simplest form, and the flat design for simulation."""

import re
from collections.abc import Callable

from fusioncim.asic.cells.boolean import substituted
from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.memory.memory_array import bank_macro
from fusioncim.asic.memory.memory_liberty import macro_name
from fusioncim.asic.netlist.net_delays import Delays
from fusioncim.asic.netlist.netlist import ONE, SRAM_MODULE, ZERO, Flat, Netlist, Part, clock_nets, output_pins

KEYWORDS = frozenset({"begin", "buf", "case", "end", "input", "large", "output", "reg", "release", "small", "wire"})
"""Of Verilog, those that a port might be called by."""


def instance_name(part: Part, number: int) -> str:
    """Name of the part `number` of a module in plain Verilog."""
    return part.name if re.fullmatch(r"[A-Za-z]\w*", part.name) else f"g{number}"


def view_name(part: Part) -> str:
    """Type of a part where banks have the names of their views."""
    return macro_name(bank_macro(part.parameters)) if part.kind == SRAM_MODULE else part.kind


def escaped(port: str) -> str:
    """A port's name as Verilog has it: keywords are escaped."""
    return f"\\{port} " if port in KEYWORDS else port


def plain_verilog(netlist: Netlist, kinds: Callable[[Part], str]) -> str:
    """A module in the simplest Verilog: declarations, instances, and assignments where two ports share a net.

    kinds: the type under which a part appears; its parameters are left out.
    """
    names = {ZERO: "1'b0", ONE: "1'b1"}
    head, assigns = [], []
    for direction in ("input", "output"):
        for port, (side, bits) in netlist.ports.items():
            if side == direction:
                head.append(f"  {direction} {f'[{len(bits) - 1}:0] ' * (len(bits) > 1)}{escaped(port)};")
                for n, bit in enumerate(bits):
                    name = f"{escaped(port)}[{n}]" if len(bits) > 1 else escaped(port)
                    if names.setdefault(bit, name) != name:
                        assigns.append(f"  assign {name} = {names[bit]};")
    wires = [bit for bit in range(2, netlist.nets) if bit not in names]
    names.update((bit, f"n{bit}") for bit in wires)
    lines = [
        f"module {netlist.name}({', '.join(map(escaped, netlist.ports))});",
        *head,
        *(f"  wire n{bit};" for bit in wires),
    ]
    for number, part in enumerate(netlist.parts):
        pins = []
        for pin, bits in part.pins.items():
            if bits:
                joined = ", ".join(names[bit] for bit in reversed(bits))
                pins.append(f".{escaped(pin)}({joined if len(bits) == 1 else '{' + joined + '}'})")
        lines.append(f"  {kinds(part)} {instance_name(part, number)} ({', '.join(pins)});")
    return "\n".join([*lines, *assigns, "endmodule", ""])


def flat_verilog(flat: Flat, library: Library, delays: Delays | None = None) -> str:
    """The flat design for simulation; net number n is `n<n>`, or `c<n>` if it is a clock's.

    Gates are their library functions, other cells and banks are instances: a simulator is half as fast again as on
    instances of everything. delays: in ns, the unit of time of the simulation.
    """
    clocks = clock_nets(flat, library)
    names = ["1'b0", "1'b1", *(f"{'c' if net in clocks else 'n'}{net}" for net in range(2, flat.nets))]
    rise, fall = (delays.rise.tolist(), delays.fall.tolist()) if delays else ([0.0] * flat.nets,) * 2
    after = [f"#({up:.3f},{down:.3f}) " if up or down else "" for up, down in zip(rise, fall, strict=True)]
    ports = [
        f"  {direction} {f'[{len(bits) - 1}:0] ' * (len(bits) > 1)}{port}"
        for port, (direction, bits) in flat.ports.items()
    ]
    lines = [f"module {flat.name}(", ",\n".join(ports), ");", *(f"  wire {name};" for name in names[2:])]
    for port, (direction, bits) in flat.ports.items():
        for n, bit in enumerate(bits):
            sides = (names[bit], f"{port}[{n}]" if len(bits) > 1 else port)
            lines.append(f"  assign {' = '.join(sides if direction == 'input' else sides[::-1])};")
    for number, (_, part) in enumerate([*flat.cells, *flat.banks, *flat.boxes]):
        pins = {
            pin: names[bits[0]] if len(bits) == 1 else "{" + ", ".join(names[bit] for bit in reversed(bits)) + "}"
            for pin, bits in part.pins.items()
            if bits
        }
        driven = {pin: part.pins[pin] for pin in output_pins(part, library) if pin in pins}
        cell = library.cells.get(part.kind)
        if cell and cell.kind == "comb":
            for pin, (net,) in driven.items():
                function = substituted(cell.pins[pin].function, pins)
                lines.append(f"  assign {after[net]}{names[net]} = {function};")
            continue
        for pin, bits in driven.items():
            if any(after[bit] for bit in bits):
                pins[pin] = f"g{number}_{pin}"
                lines.append(f"  wire [{len(bits) - 1}:0] {pins[pin]};")
                lines += [f"  assign {after[bit]}{names[bit]} = {pins[pin]}[{n}];" for n, bit in enumerate(bits)]
        values = ", ".join(f".{key}({value})" for key, value in part.parameters.items())
        ends = ", ".join(f".{pin}({nets})" for pin, nets in pins.items())
        lines.append(f"  {part.kind} {f'#({values}) ' if values else ''}g{number} ({ends});")
    return "\n".join([*lines, "endmodule", ""])
