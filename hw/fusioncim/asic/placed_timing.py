"""Static timing of a placed netlist with its wires, by OpenSTA: the slowest paths.

Clocks are ideal. Ports have what is outside of them, IO_SHARE of the period, as in `timing`.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.table_lookup import Floats
from fusioncim.asic.flat_sta import sta_constraints, sta_netlist
from fusioncim.asic.memory.memory_array import bank_macro, bank_shape
from fusioncim.asic.netlist.netlist import Flat, clock_nets
from fusioncim.asic.netlist.netlist_verilog import plain_verilog, view_name
from fusioncim.asic.opensta import run_sta
from fusioncim.asic.placement.placed_pins import placed_pins
from fusioncim.asic.placement.placement import Placement
from fusioncim.asic.spef import OHM_UM, spef
from fusioncim.asic.timing import PATH
from fusioncim.package import IO_SHARE


@dataclass(frozen=True)
class PlacedPath:
    """A path.

    Members:
        start, end: the part that it begins and ends at, by its path, kind and pin; a port by its name.
        period_ns: shortest at which it is met.
    """

    start: str
    end: str
    period_ns: float


@dataclass(frozen=True)
class PlacedTiming:
    """Of a placed netlist.

    Members:
        paths: one for each of the ends, the slowest first.
        report: OpenSTA's of the slowest.
        bank_ns: the longest of the shortest clock periods of the banks, 0 without banks.
    """

    paths: Sequence[PlacedPath]
    report: str
    bank_ns: float

    @property
    def shortest_ns(self) -> float:
        """Shortest clock period."""
        return max(self.bank_ns, self.paths[0].period_ns)


def analyse_placed(
    placement: Placement, wire_ff: Floats, library: Library, period_ns: float, ohm_um: float = OHM_UM
) -> PlacedTiming:
    """Time a placement. wire_ff: of the wires, by net number; ohm_um: their resistance."""
    flat = placement.flat
    clocks = clock_nets(flat, library)
    netlist = sta_netlist(flat, library, clocks)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        with (place / "wires.spef").open("w", encoding="utf-8") as file:
            file.writelines(spef(flat, placed_pins(placement, library), wire_ff, ohm_um))
        said = run_sta(
            place,
            flat.name,
            plain_verilog(netlist, view_name),
            library,
            banks={bank_shape(part.parameters) for _, part in flat.banks},
            others="",
            commands=[
                *([f"read_spef -reduce_to pi_elmore -delete_after_reduce {place}/wires.spef"] if wire_ff.any() else []),
                *sta_constraints(netlist, clocks, period_ns, round(IO_SHARE * period_ns, 4)),
                f"report_checks -path_delay max -format summary -digits 4 -group_count 1000000 > {place}/summary",
                "report_checks -path_delay max -fields {capacitance slew} -digits 4",
            ],
            writes="summary",
        )
        paths = _paths((place / "summary").read_text(encoding="utf-8"), flat, period_ns)
    bank_ns = max((bank_macro(part.parameters).cycle_ns for _, part in flat.banks), default=0.0)
    return PlacedTiming(paths, said.strip(), bank_ns)


def _paths(summary: str, flat: Flat, period_ns: float) -> list[PlacedPath]:
    """The paths of OpenSTA's summary."""
    parts = [*flat.cells, *flat.banks]
    ports = {f"n{net}": f"{port}[{n}]" if len(bits) > 1 else port
             for port, (_, bits) in flat.ports.items() for n, net in enumerate(bits)}  # fmt: skip

    def name(pin: str) -> str:
        found = re.fullmatch(r"g(\d+)/(.*)", pin)
        if not found:
            return ports.get(pin, pin)
        path, part = parts[int(found[1])]
        return "/".join((*path, part.name, found[2]))

    found = []
    for line in summary.splitlines():
        if match := re.fullmatch(PATH, line):
            share = 1 - IO_SHARE * (("/" not in match[1]) + ("/" not in match[2]))
            period = (period_ns * share - float(match[3])) / share
            found.append(PlacedPath(name(match[1]), name(match[2]), round(period, 4)))
    if not found:
        raise RuntimeError(f"OpenSTA found no path in {flat.name}: {summary[-1000:]}")
    return sorted(found, key=lambda path: -path.period_ns)
