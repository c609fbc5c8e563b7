"""Hierarchical synthesis on a Liberty file: every distinct module is mapped once, in parallel, and kept.

A module is mapped alone, the modules below it are black boxes. Each is mapped in three ways (`synth_recipe`), of which
the smallest is kept: `plain`; `booth`, with Booth-coded multipliers; `adders`, with sums and products as carry-save
trees (`carry_save`) on the library's full adder. Flip-flops with an enable that at least GATED of them share get the
library's clock gate. Then nets get the buffers that they need (`buffers`). Banks stay instances of `fusioncim_sram`,
unless they are asked for as flip-flops or latches. There are no wires and no clock tree.

What was mapped is found again by its recipes, the library's content, the version of Yosys, and the source text of the
function that chooses.
"""

import importlib.metadata
import inspect
import json
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from amaranth.lib import wiring

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.liberty import load
from fusioncim.asic.memory.memory_array import bank_shape
from fusioncim.asic.netlist.mapped_design import Design, Mapped
from fusioncim.asic.netlist.netlist import SRAM_MODULE, Netlist, read_netlist
from fusioncim.asic.synthesis import buffers, carry_save
from fusioncim.asic.synthesis.bank_logic import with_banks
from fusioncim.asic.synthesis.synth_recipe import LIBERTY, MODULE, SUMS, Recipe, recipe, ways_of
from fusioncim.asic.yosys import run_yosys
from fusioncim.build.cache import build_root, filled_once, kept_json, short_hash
from fusioncim.build.workers import run_all
from fusioncim.verilog.cached import design_key
from fusioncim.verilog.emit import Modules, module_name, used
from fusioncim_golden.errors import InputError


def synthesize(component: wiring.Component, library: Library, *, jobs: int = 1, banks: str = "sram") -> Design:
    """Map a component and everything below it.

    banks: `sram` leaves them instances; `flops` and `latches` make them of cells, in the modules that hold them.
    """
    require_pyosys()
    top, texts = design_texts(component)
    return synthesize_texts(top, texts, library, jobs=jobs, banks=banks)


def synthesize_texts(
    top: str,
    texts: Mapping[str, str],
    library: Library,
    *,
    cells: Sequence[str] = (),
    jobs: int = 1,
    banks: str = "sram",
) -> Design:
    """Map modules that are there as RTLIL, by name; cells: black boxes of the library's cells that are in them."""
    stubs = {name: stub(name, text) for name, text in texts.items()}
    places, work = {}, {}
    for name, whole in texts.items():
        below = [*(stubs[each] for each in sorted(instances(whole) & texts.keys())), *cells]
        text, of_banks = with_banks(name, whole, below, banks, library)
        recipes = {way: recipe(name, text, [*below, *of_banks], library, way) for way in ways_of(library)}
        places[name] = build_root() / "synth" / mapping_key(recipes, library)
        if not places[name].exists():
            work[name] = partial(map_module, name, recipes, str(library.path), places[name])
    if work:
        largest_first = dict(sorted(work.items(), key=lambda item: -len(texts[item[0]])))
        run_all(largest_first, jobs=jobs, title="mapping")
    places = with_buffers(top, places, library)
    modules = {name: Mapped(**kept_json(place / "module.json")) for name, place in places.items()}
    design = Design(top, library, modules, places)
    for cell in design.cells():
        if library.cells[cell].area == 0:
            raise InputError(f"the area of a cell that is used must be above 0, not so {cell}: {library.path}")
    return design


def mapping_key(recipes: Mapping[str, Recipe], library: Library) -> str:
    """Name of what a module's recipes give on a library."""
    chooses = (inspect.getsource(function) for function in (carry_save, map_module, bank_counts))
    texts = (each.text for each in recipes.values())
    return short_hash(importlib.metadata.version("pyosys"), library.key, *recipes, *texts, *chooses)


def map_module(name: str, recipes: Mapping[str, Recipe], liberty: str, place: Path) -> None:
    """Map one module by every recipe and keep the smallest in the directory `place`."""
    library = load(Path(liberty))
    start = time.monotonic()
    with filled_once(place) as scratch:
        if not scratch:
            return
        found = []
        for way, each in recipes.items():
            directory = scratch / way
            directory.mkdir()
            for file, content in each.files.items():
                (directory / file).write_text(content, encoding="utf-8")
            (directory / LIBERTY).symlink_to(Path(liberty).resolve())
            if each.sums:
                run_yosys(name, each.sums, directory / "log_sums")
                carry_save.rewrite(directory / SUMS)
            run_yosys(name, each.commands, directory / "log")
            (directory / LIBERTY).unlink()
            netlist = read_netlist(directory / "netlist.json")
            area = sum(library.cells[cell].area * n for cell, n in netlist.kinds.items() if cell in library.cells)
            found.append((area, way, netlist))
        area, way, netlist = min(found, key=lambda each: each[:2])
        cells = {cell: n for cell, n in sorted(netlist.kinds.items()) if cell in library.cells}
        modules = {kind: n for kind, n in sorted(netlist.kinds.items()) if kind not in cells and kind != SRAM_MODULE}
        if left := modules.keys() - instances(recipes[way].files[MODULE]):
            raise InputError(f"the Liberty file must have cells for {name}; {liberty} lacks {', '.join(sorted(left))}")
        seconds = time.monotonic() - start
        module = Mapped(
            name, area, cells, modules, bank_counts(netlist), netlist.depth(library), way, round(seconds, 2)
        )
        (scratch / "module.json").write_text(json.dumps(asdict(module)), encoding="utf-8")
        (scratch / way / "netlist.json").rename(scratch / "netlist.json")


def bank_counts(netlist: Netlist) -> dict[str, int]:
    """Number of banks by shape."""
    shapes = Counter(bank_shape(part.parameters) for part in netlist.parts if part.kind == SRAM_MODULE)
    return dict(sorted(shapes.items()))


def with_buffers(top: str, places: Mapping[str, Path], library: Library) -> dict[str, Path]:
    """The mapped modules with buffers on the nets that need them, from the bottom up; kept, too."""
    order = Design(top, library, {n: Mapped(**kept_json(p / "module.json")) for n, p in places.items()}, places).order
    loads: dict[str, buffers.Loads] = {}
    done = {}
    for name in reversed(order):
        module = Mapped(**kept_json(places[name] / "module.json"))
        below = {kind: loads[kind] for kind in module.instances}
        done[name] = build_root() / "synth" / short_hash(buffers.decisions(), places[name].name, json.dumps(below))
        with filled_once(done[name]) as scratch:
            if scratch:
                netlist = buffers.buffered(read_netlist(places[name] / "netlist.json"), library, below)
                cells = {cell: n for cell, n in sorted(netlist.kinds.items()) if cell in library.cells}
                area = sum(library.cells[cell].area * n for cell, n in cells.items())
                module = replace(module, area=area, cells=cells, depth=netlist.depth(library))
                (scratch / "module.json").write_text(json.dumps(asdict(module)), encoding="utf-8")
                (scratch / "loads.json").write_text(
                    json.dumps(buffers.input_loads(netlist, library, below)), encoding="utf-8"
                )
                (scratch / "netlist.json").write_text(json.dumps(asdict(netlist)), encoding="utf-8")
        loads[name] = kept_json(done[name] / "loads.json")
    return done


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


def require_pyosys() -> None:
    """Refuse to start without Yosys."""
    try:
        importlib.metadata.version("pyosys")
    except importlib.metadata.PackageNotFoundError as error:
        raise InputError("pyosys is missing: install it with pip install 'fusioncim[synth]'") from error
