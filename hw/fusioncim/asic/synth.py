"""Hierarchical synthesis on a Liberty file: every distinct module is mapped once, in parallel, and kept.

A module is mapped alone, the modules below it are black boxes. Each is mapped in three ways, of which the smallest is
kept: `plain`; `booth`, with Booth-coded multipliers; `adders`, with sums and products merged into carry-save trees on
the library's full adder. Flip-flops with an enable that at least GATED of them share get the library's clock gate.
Banks stay instances of `fusioncim_sram`, unless they are asked for as flip-flops or latches. There are no wires and no
clock tree.

What was mapped is found again by the module's text, the ports of the modules below it, the library, the recipe and the
version of Yosys; the recipe is the source text of the functions that map.
"""

import importlib.metadata
import inspect
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from fusioncim.asic.bank_logic import with_banks
from fusioncim.asic.buffers import buffered, input_loads
from fusioncim.asic.liberty import Library
from fusioncim.asic.netlist import SRAM_MODULE, Netlist, Part, kept_netlist, plain_verilog, read_netlist
from fusioncim.asic.yosys import run_yosys as _yosys
from fusioncim.build.cache import build_root, filled_once, kept_json, short_hash
from fusioncim.build.workers import run_all
from fusioncim.lib.bank import SRAM
from fusioncim.verilog.cached import design_key
from fusioncim.verilog.emit import Modules, module_name, used
from fusioncim_golden.errors import InputError

GATED = 4
"""Fewest flip-flops that share a clock gate: it costs less than the multiplexers of three enables."""

WAYS = ("plain", "booth", "adders")

# ABC's default script runs for hours on multiplier and adder arrays.
ABC = "+strash;&get,-n;&nf;&put;buffer,-c;topo;upsize;dnsize"

ADDER_MAP = """\
(* techmap_celltype = "$fa" *)
module fusioncim_map_fa(A, B, C, X, Y);
  parameter WIDTH = 1;
  parameter _TECHMAP_CONSTMSK_A_ = 0;
  parameter _TECHMAP_CONSTMSK_B_ = 0;
  parameter _TECHMAP_CONSTMSK_C_ = 0;
  localparam [WIDTH-1:0] constant = _TECHMAP_CONSTMSK_A_ | _TECHMAP_CONSTMSK_B_ | _TECHMAP_CONSTMSK_C_;
  input [WIDTH-1:0] A, B, C;
  output [WIDTH-1:0] X, Y;
  genvar n;
  generate
    for (n = 0; n < WIDTH; n = n + 1) begin : bit
      if (constant[n]) begin
        assign Y[n] = A[n] ^ B[n] ^ C[n];
        assign X[n] = (A[n] & B[n]) | (C[n] & (A[n] | B[n]));
      end else
        CELL fa (.PIN_A(A[n]), .PIN_B(B[n]), .PIN_C(C[n]), .PIN_CARRY(X[n]), .PIN_SUM(Y[n]));
    end
  endgenerate
endmodule
"""


@dataclass(frozen=True)
class Mapped:
    """A module's own part of the design, what is below it not included.

    area: of its cells in um2; cells: their number by type; instances: of other modules by name; banks: by
    DEPTHxWIDTHrREADS, with an `a` after it in an array; depth: cells on its longest combinational path; way: of
    mapping; seconds: of mapping.
    """

    name: str
    area: float
    cells: Mapping[str, int]
    instances: Mapping[str, int]
    banks: Mapping[str, int]
    depth: int
    way: str
    seconds: float


@dataclass(frozen=True)
class Design:
    """A mapped design: its modules, and for each the directory that holds netlist.json."""

    top: str
    library: Library
    modules: Mapping[str, Mapped]
    places: Mapping[str, Path]

    @cached_property
    def copies(self) -> Counter[str]:
        """How often each module occurs below the top."""
        copies = Counter({self.top: 1})
        for name in self.order:
            for below, number in self.modules[name].instances.items():
                copies[below] += copies[name] * number
        return copies

    @cached_property
    def order(self) -> list[str]:
        """The modules, each after all that contain it."""
        order: dict[str, None] = {}

        def visit(name: str) -> None:
            for below in self.modules[name].instances:
                if below not in order:
                    visit(below)
            order.setdefault(name)

        visit(self.top)
        return list(reversed(order))

    def total(self, name: str, figure: Callable[[Mapped], float]) -> float:
        """A figure of a module and all that is below it."""
        module = self.modules[name]
        return figure(module) + sum(count * self.total(below, figure) for below, count in module.instances.items())

    def area(self, name: str | None = None) -> float:
        """Cell area in um2 of a module and all below it, banks not included; default: the top."""
        return self.total(name or self.top, lambda module: module.area)

    def cells(self, name: str | None = None) -> Counter[str]:
        """Cells by type of a module and all below it."""
        module = self.modules[name or self.top]
        cells = Counter(module.cells)
        for below, count in module.instances.items():
            for cell, number in self.cells(below).items():
                cells[cell] += count * number
        return cells

    def banks(self, name: str | None = None) -> Counter[str]:
        """Banks by shape of a module and all below it."""
        module = self.modules[name or self.top]
        banks = Counter(module.banks)
        for below, count in module.instances.items():
            for shape, number in self.banks(below).items():
                banks[shape] += count * number
        return banks

    def classes(self, name: str | None = None) -> dict[str, int]:
        """Cells by class: combinational, full adder, flip-flop, latch, clock gate."""
        count: Counter[str] = Counter()
        adder = self.library.adder[0] if self.library.adder else None
        names = {"comb": "combinational", "ff": "flip-flop", "latch": "latch", "icg": "clock gate", "other": "other"}
        for cell, number in self.cells(name).items():
            count["full adder" if cell == adder else names[self.library.cells[cell].kind]] += number
        return dict(count)

    def netlist(self, name: str) -> Netlist:
        """The mapped module."""
        return kept_netlist(self.places[name] / "netlist.json")

    def verilog(self) -> str:
        """The mapped modules as Verilog, the cells and `fusioncim_sram` as instances."""
        return "".join(self.module_verilog(name) for name in self.order)

    def module_verilog(self, name: str) -> str:
        """A mapped module as Verilog."""
        return plain_verilog(self.netlist(name), kind_with_parameters)


def synthesize(component: wiring.Component, library: Library, *, jobs: int = 1, banks: str = "sram") -> Design:
    """Map a component and everything below it.

    banks: `sram` leaves them instances; `flops` and `latches` make them of cells, in the modules that hold them.
    """
    require_pyosys()
    top, texts = design_texts(component)
    recipe = (inspect.getsource(function) for function in (script, map_module, _ties))
    versions = (importlib.metadata.version("pyosys"), ABC, ADDER_MAP, str(GATED), *WAYS, library.key, *recipe)
    stubs = {name: stub(name, text) for name, text in texts.items()}
    places, work = {}, {}
    for name, whole in texts.items():
        below = [stubs[each] for each in sorted(instances(whole) & texts.keys())]
        text, cells = with_banks(name, whole, below, banks, library)
        below += cells
        place = build_root() / "synth" / short_hash(text, *below, *versions)
        places[name] = place
        if not place.exists():
            work[name] = partial(map_module, name, text, below, str(library.path), place)
    if work:
        largest_first = dict(sorted(work.items(), key=lambda item: -len(texts[item[0]])))
        run_all(largest_first, jobs=jobs, title="mapping")
    places = with_buffers(top, places, library)
    modules = {name: Mapped(**kept_json(place / "module.json")) for name, place in places.items()}
    return Design(top, library, modules, places)


def with_buffers(top: str, places: Mapping[str, Path], library: Library) -> dict[str, Path]:
    """The mapped modules with buffers on the nets that need them, from the bottom up; kept, too."""
    recipe = Path(inspect.getfile(buffered)).read_text(encoding="utf-8")
    order = Design(top, library, {n: Mapped(**kept_json(p / "module.json")) for n, p in places.items()}, places).order
    loads: dict[str, Mapping[str, Sequence[float]]] = {}
    done = {}
    for name in reversed(order):
        module = Mapped(**kept_json(places[name] / "module.json"))
        below = {kind: loads[kind] for kind in module.instances}
        done[name] = build_root() / "synth" / short_hash("buffered", recipe, places[name].name, json.dumps(below))
        with filled_once(done[name]) as scratch:
            if scratch:
                netlist = buffered(read_netlist(places[name] / "netlist.json"), library, below)
                cells = {cell: n for cell, n in sorted(netlist.kinds.items()) if cell in library.cells}
                area = sum(library.cells[cell].area * n for cell, n in cells.items())
                module = replace(module, area=area, cells=cells, depth=netlist.depth(library))
                (scratch / "module.json").write_text(json.dumps(asdict(module)), encoding="utf-8")
                (scratch / "loads.json").write_text(json.dumps(input_loads(netlist, library, below)), encoding="utf-8")
                (scratch / "netlist.json").write_text(json.dumps(asdict(netlist)), encoding="utf-8")
        loads[name] = kept_json(done[name] / "loads.json")
    return done


def kind_with_parameters(part: Part) -> str:
    """The type of a part, with its parameters in Verilog."""
    values = ", ".join(f".{key}({value})" for key, value in part.parameters.items())
    return f"{part.kind} #({values})" if values else part.kind


def design_texts(component: wiring.Component) -> tuple[str, dict[str, str]]:
    """Name of the top and the RTLIL of every distinct module; kept by what they are made from."""
    used(component)
    place = build_root() / "rtlil" / design_key(component)
    with filled_once(place) as scratch:
        if scratch:
            modules = Modules()
            name = module_name(component)
            top = run_all({name: partial(modules.add, component)}, jobs=1, title="elaborating")[name]
            (scratch / "design.json").write_text(json.dumps([top, modules.texts]), encoding="utf-8")
    top, texts = kept_json(place / "design.json")
    return top, texts


def instances(text: str) -> set[str]:
    """Types of the cells of an RTLIL text that are modules."""
    return set(re.findall(r"^\s*cell \\(\S+) ", text, re.MULTILINE))


def stub(name: str, text: str) -> str:
    """A black box with the ports of a module."""
    head = f"module \\{name}\n"
    body = text.partition(head)[2].partition("\nend\n")[0]
    ports = re.findall(r"^  wire .*(?:input|output) \d+ .*$", body, re.MULTILINE)
    return "\n".join(["attribute \\blackbox 1", head.strip(), *ports, "end", ""])


def map_module(name: str, text: str, below: Iterable[str], liberty: str, place: Path) -> None:
    """Map one module in every way and keep the smallest in the directory `place`."""
    from fusioncim.asic.liberty import load

    library = load(Path(liberty))
    start = time.monotonic()
    with filled_once(place) as scratch:
        if not scratch:
            return
        found = []
        for way in WAYS if library.adder else WAYS[:-1]:
            directory = scratch / way
            directory.mkdir()
            _yosys(name, script(name, text, below, library, way, directory), directory / "log")
            netlist = read_netlist(directory / "netlist.json")
            area = sum(library.cells[cell].area * n for cell, n in netlist.kinds.items() if cell in library.cells)
            found.append((area, way, netlist))
        area, way, netlist = min(found, key=lambda each: each[:2])
        cells = {cell: n for cell, n in sorted(netlist.kinds.items()) if cell in library.cells}
        modules = {kind: n for kind, n in sorted(netlist.kinds.items()) if kind not in cells and kind != SRAM_MODULE}
        if left := modules.keys() - instances(text):
            raise InputError(f"the Liberty file must have cells for {name}; {liberty} lacks {', '.join(sorted(left))}")
        seconds = time.monotonic() - start
        module = Mapped(name, area, cells, modules, _banks(netlist), netlist.depth(library), way, round(seconds, 2))
        (scratch / "module.json").write_text(json.dumps(asdict(module)), encoding="utf-8")
        (scratch / way / "netlist.json").rename(scratch / "netlist.json")


def _banks(netlist: Netlist) -> dict[str, int]:
    """Number of banks by shape."""
    shapes = (part.parameters for part in netlist.parts if part.kind == SRAM_MODULE)
    names = (f"{p['DEPTH']}x{p['WIDTH']}r{p['READS']}{'a' * p.get('ARRAY', 0)}" for p in shapes)
    return dict(sorted(Counter(names).items()))


def script(name: str, text: str, below: Iterable[str], library: Library, way: str, directory: Path) -> list[str]:
    """Yosys commands; the files that they read are written into the directory."""
    (directory / "module.il").write_text(text, encoding="utf-8")
    (directory / "below.il").write_text("".join(below), encoding="utf-8")
    commands = [
        f"read_rtlil {directory}/below.il",
        f"read_rtlil {directory}/module.il",
        f"read_verilog -lib -D SYNTHESIS {SRAM}",
        f"synth -noabc -flatten {'-booth' * (way == 'booth')} -top {name} -run begin:fine",
    ]
    if way == "adders" and library.adder:
        cell, roles = library.adder
        text = re.sub(r"PIN_(\w+)", lambda pin: roles[pin[1].lower()], ADDER_MAP.replace("CELL", cell))
        (directory / "adder.v").write_text(text, encoding="utf-8")
        commands += ["maccmap", "opt -fast", f"techmap -map {directory}/adder.v", "opt -fast"]
    commands += ["synth -noabc -run fine:check", "opt_clean -purge"]
    if library.clock_gate:
        cell, roles = library.clock_gate
        pins = f"{roles['enable']}:{roles['clock']}:{roles['gated']}"
        commands.append(f"clockgate -pos {cell} {pins} -min_net_size {GATED}")
    commands += [
        f"dfflibmap -liberty {library.path}",
        f'abc -liberty {library.path} -script "{ABC}"',
        *(["hilomap " + ties] if (ties := _ties(library)) else []),
        "setundef -zero",
        "opt_clean -purge",
        f"write_json {directory}/netlist.json",
    ]
    return commands


def _ties(library: Library) -> str:
    """Options of hilomap: the library's cells without inputs."""
    options = []
    for option, value in (("-hicell", "1'b1"), ("-locell", "1'b0")):
        cells = [cell for cell in library.cells.values() if cell.kind == "comb" and not cell.inputs]
        found = [(cell.area, cell.name, pin) for cell in cells for pin in cell.outputs
                 if cell.pins[pin].function == value]  # fmt: skip
        if not found:
            return ""
        options.append(f"{option} {min(found)[1]} {min(found)[2]}")
    return " ".join(options)


def report(design: Design) -> dict[str, Any]:
    """Figures by module, the largest share first, and of the whole."""
    modules = {
        name: {
            **asdict(design.modules[name]),
            "copies": design.copies[name],
            "area_below": round(design.area(name), 3),
        }
        for name in design.order
    }
    for figures in modules.values():
        del figures["seconds"]
    return {
        "library": design.library.name,
        "top": design.top,
        "area_um2": round(design.area(), 3),
        "classes": design.classes(),
        "banks": dict(sorted(design.banks().items())),
        "modules": modules,
    }


def fallbacks(library: Library) -> list[str]:
    """What the library lacks and what is done instead, one sentence each."""
    lines = []
    if not library.clock_gate:
        lines.append(
            f"{library.name} has no clock-gating cell: enables stay multiplexers, and nothing gates the clock."
        )
    if not library.adder:
        lines.append(f"{library.name} has no full-adder cell: sums are mapped on gates.")
    return lines


def require_pyosys() -> None:
    """Refuse to start without Yosys."""
    try:
        importlib.metadata.version("pyosys")
    except importlib.metadata.PackageNotFoundError as error:
        raise InputError("pyosys is missing: install it with pip install 'fusioncim[synth]'") from error
