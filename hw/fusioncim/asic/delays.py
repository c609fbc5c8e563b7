"""Delays of a flat netlist from OpenSTA, for a simulation that shows glitches.

Clocks are ideal (`flat_sta`). All other nets have one delay for each edge, that of the slowest arc under the slowest
condition: a run with them had the edges of a full SDF simulation within 1 %, in an eighth of its time.
"""

import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.table_lookup import Floats
from fusioncim.asic.flat_sta import sta_constraints, sta_netlist
from fusioncim.asic.memory.memory_array import bank_shape
from fusioncim.asic.netlist.module_liberty import module_liberty
from fusioncim.asic.netlist.net_delays import LEAST_NS, Delays
from fusioncim.asic.netlist.netlist import ONE, ZERO, Flat, Netlist, Part, clock_nets, output_pins
from fusioncim.asic.netlist.netlist_verilog import plain_verilog, view_name
from fusioncim.asic.opensta import run_sta

PERIOD_NS = 1000.0
"""Of the clock of OpenSTA; delays do not depend on it."""

UNITS_NS = {"us": 1e3, "ns": 1.0, "ps": 1e-3}
"""Of time, in an SDF file."""

ENTRY = re.compile(
    r"\(TIMESCALE (?P<scale>\d+)(?P<unit>\w+)\)"
    r"|\(INSTANCE g(?P<number>\d+)\)"
    r"|\(IOPATH (?:\(\w+ [^)]*\)|\S+) (?P<pin>\w+)(?:\\?\[(?P<bit>\d+)\\?\])?"
    r" (?P<rise>\([^)]*\))(?: (?P<fall>\([^)]*\)))?"
)
"""Of an SDF file: the unit, the part that follows, the delays of its arcs; a single one is that of both edges."""


def delays(
    flat: Flat, library: Library, wires: Floats | None = None, boxes: Mapping[str, Netlist] | None = None
) -> Delays:
    """Delays of a netlist.

    wires: capacitance of each net's wire, in the library's unit. boxes: modules of the boxes, and all below them.
    """
    clocks = clock_nets(flat, library)
    netlist = sta_netlist(flat, library, clocks)
    kinds = {part.kind: part.kind for _, part in flat.boxes}
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        said = run_sta(
            place,
            flat.name,
            plain_verilog(netlist, view_name),
            library,
            banks={bank_shape(part.parameters) for _, part in flat.banks},
            others=module_liberty(kinds, boxes or {}, library) if kinds else "",
            commands=[
                *(*sta_constraints(netlist, clocks, PERIOD_NS), *_wire_loads(wires, library)),
                *("report_worst_slack -digits 4", f"write_sdf -digits 4 {place}/delays.sdf"),
            ],
            writes="delays.sdf",
        )
        with (place / "delays.sdf").open(encoding="utf-8") as lines:
            rise, fall = _delays(lines, netlist, library)
    slack = re.search(r"^worst slack (\S+)$", said, re.MULTILINE)
    if not slack:
        raise RuntimeError(f"OpenSTA found no slack of {flat.name}: {said[-1000:]}")
    longest = 0.0 if slack[1] == "INF" else PERIOD_NS - float(slack[1])
    return Delays(rise, fall, round(longest, 4))


def _wire_loads(wires: Floats | None, library: Library) -> Iterable[str]:
    """The wires as lumped loads of their nets."""
    femtofarad = library.units.capacitance * 1e15
    for net, load in enumerate(wires.tolist() if wires is not None else ()):
        if load > 0 and net not in (ZERO, ONE):
            yield f"set_load {load * femtofarad:.4f} [get_nets n{net}]"


def _delays(lines: Iterable[str], netlist: Netlist, library: Library) -> tuple[Floats, Floats]:
    """Rise and fall delay by net number, of an SDF file."""
    rise, fall = np.zeros(netlist.nets), np.zeros(netlist.nets)
    for part in netlist.parts:
        for pin in output_pins(part, library):
            nets = list(part.pins.get(pin, ()))
            rise[nets] = fall[nets] = LEAST_NS
    part, unit_ns = Part("", "", {}), 1.0
    for line in lines:
        if not (found := ENTRY.search(line)):
            continue
        if found["scale"]:
            unit_ns = int(found["scale"]) * UNITS_NS[found["unit"]]
        elif found["number"]:
            part = netlist.parts[int(found["number"])]
        elif found["pin"] in part.pins:
            net = part.pins[found["pin"]][int(found["bit"] or 0)]
            rise[net] = max(rise[net], _largest(found["rise"]) * unit_ns)
            fall[net] = max(fall[net], _largest(found["fall"] or found["rise"]) * unit_ns)
    return rise, fall


def _largest(values: str) -> float:
    """Of an SDF value such as (0.1::0.2); 0 of an empty one."""
    return max((float(value) for value in re.findall(r"-?[\d.]+(?:e-?\d+)?", values)), default=0.0)
