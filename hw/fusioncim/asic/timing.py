"""Static timing of a mapped design with OpenSTA: critical paths and the highest clock frequency at one corner.

The whole design is timed with every distinct module once: below each module, one instance of a kind is kept and the
others become cells that load their nets with the same capacitance and start and end no path. Copies of a module have
the same paths inside; nets between modules see their full load. What leaves a module is timed from the first copy only,
though logic behind it, such as a multiplexer of all copies, may be slower for another. The clock is ideal, wires have
no load.
"""

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fusioncim.asic.memory.memory_array import macro_of_shape
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.netlist.module_liberty import module_liberty
from fusioncim.asic.netlist.netlist import Netlist, Part
from fusioncim.asic.netlist.netlist_verilog import instance_name, plain_verilog, view_name
from fusioncim.asic.opensta import run_sta
from fusioncim.package import IO_SHARE

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
    netlists = {name: design.netlist(name) for name in design.order}
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "top.sdc").write_text(sdc, encoding="utf-8")
        text = run_sta(
            place,
            design.top,
            "".join(_pruned(each, netlists) for each in netlists.values()),
            design.library,
            banks=design.banks(),
            others=module_liberty({f"{name}{SUFFIX}": name for name in netlists}, netlists, design.library),
            commands=[
                f"read_sdc {place}/top.sdc",
                f"report_checks -path_delay max -format summary -digits 4 -group_count 1000000 > {place}/summary",
                CRITICAL.format(place=place, path=PATH, share=IO_SHARE),
            ],
            writes="summary",
        )
        paths = _slowest((place / "summary").read_text(encoding="utf-8"), design, netlists, period_ns)
    bank_ns = max((macro_of_shape(shape).cycle_ns for shape in design.banks()), default=0.0)
    return Timing(design.top, period_ns, paths, text.strip(), bank_ns)


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


def _pruned(netlist: Netlist, modules: Iterable[str]) -> str:
    """A module's netlist with one instance of every kind; banks by the names of their Liberty views."""
    first: dict[str, Part] = {}
    for part in netlist.parts:
        first.setdefault(part.kind, part)

    def kind(part: Part) -> str:
        return part.kind + SUFFIX if part.kind in modules and part is not first[part.kind] else view_name(part)

    return plain_verilog(netlist, kind)
