"""A flat netlist for OpenSTA: the netlist whose ports are nets, n<number>, and the clock that enters at all its nets.

Every clock net is an ideal clock at an input, as `power.transitions` takes it: the tree behind it restores its edges,
and what drives it has no delay.
"""

from collections.abc import Iterable
from dataclasses import replace

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.netlist.netlist import ONE, ZERO, Flat, Netlist, output_pins
from fusioncim.asic.power.transitions import TRANSITION


def sta_netlist(flat: Flat, library: Library, clocks: set[int]) -> Netlist:
    """The netlist; part number n is g<n>: cells, then banks, then boxes."""
    parts = []
    for _, part in [*flat.cells, *flat.banks, *flat.boxes]:
        driven = output_pins(part, library)
        pins = {pin: bits for pin, bits in part.pins.items() if pin not in driven or clocks.isdisjoint(bits)}
        parts.append(replace(part, name="", pins=pins))
    sides = {side: {net for way, bits in flat.ports.values() if way == side for net in bits} - {ZERO, ONE}
             for side in ("input", "output")}  # fmt: skip
    inputs = sides["input"] | clocks
    ports = {f"n{net}": ("input", [net]) for net in sorted(inputs)}
    ports |= {f"n{net}": ("output", [net]) for net in sorted(sides["output"] - inputs)}
    return Netlist(flat.name, ports, parts, flat.nets)


def sta_constraints(netlist: Netlist, clocks: Iterable[int], period_ns: float, outside_ns: float = 0.0) -> list[str]:
    """One clock at all its nets. outside_ns: after it inputs change, before it outputs must be there."""
    data = {side: " ".join(name for name, (way, bits) in netlist.ports.items() if way == side and bits[0] not in clocks)
            for side in ("input", "output")}  # fmt: skip
    roots = " ".join(f"n{net}" for net in sorted(clocks))
    commands = [f"create_clock -name clk -period {period_ns} {f'[get_ports {{{roots}}}]' if roots else ''}"]
    commands += [f"set_clock_transition {TRANSITION} [all_clocks]"]
    for side, names in data.items():
        if names:
            commands.append(f"set_{side}_delay {outside_ns:g} -clock clk [get_ports {{{names}}}]")
    if data["input"]:
        commands.append(f"set_input_transition {TRANSITION} [get_ports {{{data['input']}}}]")
    return commands
