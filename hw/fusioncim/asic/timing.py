"""Static timing of a mapped design with OpenSTA: critical paths and the highest clock frequency at one corner.

The whole design is timed with every distinct module once: below each module, one instance of a kind is kept and the
others become cells that load their nets with the same capacitance and start and end no path. Copies of a module have
the same paths inside; nets between modules see their full load. What leaves a module is timed from the first copy only,
though logic behind it, such as a multiplexer of all copies, may be slower for another. The clock is ideal, wires have
no load.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.memory.memory_array import bank_macro, macro_of_shape
from fusioncim.asic.memory.memory_liberty import liberty_view, macro_name
from fusioncim.asic.netlist.loads import PortLoads, port_loads
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.netlist.netlist import SRAM_MODULE, Netlist, Part
from fusioncim.asic.netlist.netlist_verilog import instance_name, plain_verilog
from fusioncim.build.program import run_program
from fusioncim.package import IO_SHARE
from fusioncim_golden.errors import InputError

LIMIT_S = 1800
"""A timing run that takes longer is an error."""

PATH = r"(\S+)(?: \(\S+\))?\s+(\S+)(?: \(\S+\))?\s+(-?[\d.]+)\s*"
"""A line of OpenSTA's summary: start, end, slack."""

# The path with the least slack need not be the one that limits the frequency: what lies outside grows with the period.
CRITICAL = """\
set file [open {place}/summary]
set longest -1e9
while {{[gets $file line] >= 0}} {{
  if {{![regexp {{^{path}$}} $line - start end slack]}} continue
  set ports [expr ([string first / $start] < 0) + ([string first / $end] < 0)]
  set period [expr -$slack / (1 - {share} * $ports)]
  if {{$period > $longest}} {{ set longest $period; set critical [list $start $end] }}
}}
if {{$longest > -1e9}} {{
  lassign $critical start end
  report_checks -path_delay max -fields {{capacitance slew}} -digits 4 -through $start -to $end
}}"""

SUFFIX = "_copy"
"""Of the cells that stand for further copies of a module."""


@dataclass(frozen=True)
class Slowest:
    """The path that ends in a module and limits the clock the most.

    Members:
        start, end: pins or ports.
        slack_ns: at the period asked for.
        period_ns: the shortest at which it is met; what is outside of ports takes IO_SHARE of every period.
    """

    module: str
    start: str
    end: str
    slack_ns: float
    period_ns: float


@dataclass(frozen=True)
class Timing:
    """Of a design.

    Members:
        period_ns: asked for.
        paths: of each module, the slowest first.
        report: OpenSTA's of the slowest.
        bank_ns: the longest of the shortest clock periods of the banks, 0 without banks.
    """

    top: str
    period_ns: float
    paths: Sequence[Slowest]
    report: str
    bank_ns: float = 0.0

    @property
    def shortest_ns(self) -> float:
        """Shortest clock period."""
        return max(self.bank_ns, *(path.period_ns for path in self.paths))

    @property
    def frequency_mhz(self) -> float:
        """Highest clock frequency."""
        return 1000 / self.shortest_ns

    @property
    def reached(self) -> bool:
        """Whether the period asked for is."""
        return self.shortest_ns <= self.period_ns


def analyse(design: Design, sdc: str, period_ns: float) -> Timing:
    """Time a design under constraints, which say the period too."""
    require_sta()
    netlists = {name: design.netlist(name) for name in design.order}
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "design.v").write_text(
            "".join(_pruned(each, netlists) for each in netlists.values()), encoding="utf-8"
        )
        (place / "copies.lib").write_text(copies_liberty(netlists, design.library), encoding="utf-8")
        (place / "top.sdc").write_text(sdc, encoding="utf-8")
        (place / "cells.lib").write_text(
            without_wires(design.library.path.read_text(errors="replace", encoding="utf-8")), encoding="utf-8"
        )
        libraries = [place / "cells.lib", place / "copies.lib"]
        macros = [macro_of_shape(shape) for shape in sorted(design.banks())]
        for macro in macros:
            libraries.append(place / f"{macro_name(macro)}.lib")
            libraries[-1].write_text(liberty_view(macro_name(macro), macro), encoding="utf-8")
        commands = [
            *(f"read_liberty {path}" for path in libraries),
            "set_cmd_units -time ns -capacitance fF",  # not those of the first library
            f"read_verilog {place}/design.v",
            f"link_design {design.top}",
            f"read_sdc {place}/top.sdc",
            f"report_checks -path_delay max -format summary -digits 4 -group_count 1000000 > {place}/summary",
            CRITICAL.format(place=place, path=PATH, share=IO_SHARE),
        ]
        (place / "run.tcl").write_text("\n".join(commands), encoding="utf-8")
        text = _sta(place / "run.tcl")
        errors = re.findall(r"^(?:Error|Warning): .*(?:not found|syntax|missing|black box).*$", text, re.MULTILINE)
        if errors or not (place / "summary").exists():
            raise RuntimeError(f"OpenSTA could not time {design.top}: {(errors or [text[-1000:]])[0]}")
        paths = _slowest((place / "summary").read_text(encoding="utf-8"), design, netlists, period_ns)
    return Timing(design.top, period_ns, paths, text.strip(), max((macro.cycle_ns for macro in macros), default=0.0))


def _slowest(summary: str, design: Design, netlists: Mapping[str, Netlist], period_ns: float) -> list[Slowest]:
    """The slowest path by the module in which it ends."""
    found: dict[str, Slowest] = {}
    for line in summary.splitlines():
        match = re.fullmatch(PATH, line)
        if not match:
            continue
        start, end, slack = match[1], match[2], float(match[3])
        share = 1 - IO_SHARE * (("/" not in start) + ("/" not in end))
        period = (period_ns * share - slack) / share
        module = _module(end, design.top, netlists)
        if module not in found or found[module].period_ns < period:
            found[module] = Slowest(module, start, end, slack, round(period, 4))
    if not found:
        raise RuntimeError(f"OpenSTA found no path in {design.top}: {summary[-1000:]}")
    return sorted(found.values(), key=lambda path: -path.period_ns)


def _module(pin: str, top: str, netlists: Mapping[str, Netlist]) -> str:
    """The module around a pin, by the instances on the way to it."""
    module = top
    for name in pin.split("/"):
        parts = enumerate(netlists[module].parts)
        kinds = {instance_name(part, number): part.kind for number, part in parts if part.kind in netlists}
        if name not in kinds:
            break
        module = kinds[name]
    return module


def without_wires(liberty: str) -> str:
    """A Liberty file without its wire load model, which OpenSTA would put on every net."""
    return re.sub(r"(?m)^\s*default_wire_load\s*:.*$", "", liberty)


def _pruned(netlist: Netlist, modules: Iterable[str]) -> str:
    """A module's netlist with one instance of every kind; banks by the names of their Liberty views."""
    first: dict[str, Part] = {}
    for part in netlist.parts:
        first.setdefault(part.kind, part)

    def kind(part: Part) -> str:
        if part.kind == SRAM_MODULE:
            return macro_name(bank_macro(part.parameters))
        return part.kind + SUFFIX if part.kind in modules and part is not first[part.kind] else part.kind

    return plain_verilog(netlist, kind)


def copies_liberty(netlists: Mapping[str, Netlist], library: Library) -> str:
    """A Liberty file of cells with the ports and the input capacitances of modules, in the library's units."""
    head = library.path.read_text(errors="replace", encoding="utf-8")
    units = re.findall(r"^\s*(?:time_unit|leakage_power_unit|voltage_unit|current_unit|pulling_resistance_unit)\s*:.*$",
                       head, re.MULTILINE)  # fmt: skip
    units += re.findall(
        r"^\s*(?:capacitive_load_unit\s*\(|(?:input|output|slew)\w*_pct_\w+\s*:).*$", head, re.MULTILINE
    )
    cache: dict[str, PortLoads] = {}
    types: set[int] = set()
    cells = []
    for name, netlist in netlists.items():
        loads = port_loads(netlists, name, library, cache)
        pins = []
        for port, (direction, bits) in netlist.ports.items():
            types.add(len(bits))
            each = "".join(
                f"      pin({port}[{n}]) {{ capacitance : {load:.6g}; }}\n"
                for n, load in enumerate(loads.get(port, ()))
            )
            one = f" capacitance : {loads[port][0]:.6g};" if port in loads else ""
            if len(bits) == 1:
                pins.append(f"    pin({port}) {{ direction : {direction};{one} }}\n")
            else:
                pins.append(f"    bus({port}) {{ bus_type : bits{len(bits)}; direction : {direction};\n{each}    }}\n")
        cells.append(f"  cell({name}{SUFFIX}) {{ area : 0; dont_touch : true;\n{''.join(pins)}  }}\n")
    buses = "".join(
        f"  type(bits{n}) {{ base_type : array; data_type : bit; bit_width : {n}; bit_from : {n - 1}; bit_to : 0; "
        "downto : true; }\n"
        for n in sorted(types)
    )
    return f"library(copies) {{\n  delay_model : table_lookup;\n{chr(10).join(units)}\n{buses}{''.join(cells)}}}\n"


def require_sta() -> None:
    """Refuse to start without OpenSTA."""
    if not shutil.which("sta"):
        raise InputError("OpenSTA is missing (sta must be on PATH): install it with 'apt-get install opensta'")


def _sta(script: Path) -> str:
    """What OpenSTA prints."""
    try:
        done = run_program(["sta", "-no_init", "-no_splash", "-exit", str(script)], limit_s=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"timing took more than {LIMIT_S} s") from None
    return done.stdout + done.stderr
