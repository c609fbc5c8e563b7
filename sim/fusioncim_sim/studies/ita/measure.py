"""Measures ita.json: maps ITA, places it, and runs heads on its gates."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.asic.delays import delays
from fusioncim.asic.memory.memory_array import bank_macro
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.netlist.netlist import Flat, flatten
from fusioncim.asic.placement.floor_plan import place_rest
from fusioncim.asic.placement.placer import require_placer
from fusioncim.asic.placement.strip import place_row
from fusioncim.asic.placement.wires import Wires, wires_of
from fusioncim.build.workers import run_all
from fusioncim.comparison.ita import ARRAY, CLONES, check_source, commits, map_ita, row_names
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.errors import InputError
from fusioncim_sim.gates.gate_level import require_gates
from fusioncim_sim.studies.ita.model import ItaHead
from fusioncim_sim.studies.ita.names import VECTORS
from fusioncim_sim.studies.ita.operands import CAPTURED, captured_head, generated_head, softmax_sqnr_db
from fusioncim_sim.studies.ita.run import TILE, ItaRun, run_head, unit_of
from fusioncim_sim.studies.study import Request, Stored

DOT_PRODUCT = "ita_dotp"
DOWN = ("inp1_i", "inp2_i")
"""Ports of a dot product that come down its columns."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Measure on the Nangate library."""
    if request.source is None:
        raise InputError("ita must have --source, a folder with the clones " + " and ".join(CLONES))
    check_source(request.source)
    require_gates()
    require_placer()
    yield "ita.json", measure_ita(request.source, default_liberty(), request.jobs)


def measure_ita(source: Path, liberty: Path, jobs: int) -> dict[str, Any]:
    """Everything that ita.json holds; source: the folder of the clones."""
    found, library = commits(source), load(liberty)
    heads = {name: captured_head(name) for name in CAPTURED} | {VECTORS: generated_head(source)}
    _, flat, wires = placed(source, liberty, jobs)
    work = {name: partial(head_figures, source, liberty, head) for name, head in heads.items()}
    runs = run_all(work, jobs=jobs, title="gate-level runs")
    return {
        "library": library.name,
        "voltage": library.voltage,
        "clock_mhz": CLOCK_MHZ,
        "commits": {name: {"url": url, "commit": found[name]} for name, url in CLONES.items()},
        "area_um2": areas(flat, library),
        "cells": len(flat.cells),
        "shortest_ns": delays(flat, library).longest_ns,
        "shortest_ns_wires": delays(flat, library, wires.capacitance(library)).longest_ns,
        "placement": {
            "width_um": round(wires.placement.width_um),
            "height_um": round(wires.placement.height_um),
            "wires_m": round(wires.total_mm / 1000, 2),
        },
        "softmax_sqnr_db": dict(zip(heads, softmax_sqnr_db(list(heads.values())), strict=True)),
        "runs": runs,
    }


def placed(source: Path, liberty: Path, jobs: int) -> tuple[Design, Flat, Wires]:
    """The mapped design, flat, with the wires of its placement: dot products as the rows of an array."""
    library = load(liberty)
    library.require_power()
    library.require_node_of_banks()
    design = map_ita(source, library, jobs=jobs)
    netlists = {name: design.netlist(name) for name in design.order}
    flat = flatten(netlists, design.top)
    row = partial(place_row, flatten(netlists, DOT_PRODUCT), library, DOWN, left=False)
    strip = run_all({"a dot product": row}, jobs=1, title="placing")["a dot product"]
    rest = partial(place_rest, flat, library, {ARRAY: (strip, row_names())})
    placement = run_all({"everything else": rest}, jobs=1, title="placing")["everything else"]
    return design, flat, wires_of(placement, library)


def head_figures(source: Path, liberty: Path, head: ItaHead) -> dict[str, Any]:
    """A run of a head."""
    design, flat, wires = placed(source, liberty, 1)
    return run_figures(run_head(head, design, flat, load(liberty), 1000 / CLOCK_MHZ, wires))


def run_figures(run: ItaRun) -> dict[str, Any]:
    """For a file; macs: of the phases `scores` and `outputs` each."""
    return {
        "keys": run.keys,
        "scores": TILE * run.keys,
        "macs": TILE * run.keys * TILE,
        "mismatches": run.mismatches,
        "phases": {
            phase: {
                "cycles": cycles,
                "fj": {unit: {kind: round(x) for kind, x in asdict(each).items()} for unit, each in energies.items()},
            }
            for phase, (cycles, energies) in run.phases.items()
        },
    }


def areas(flat: Flat, library: Library) -> Mapping[str, dict[str, float]]:
    """Logic and banks by unit."""
    found: dict[str, dict[str, float]] = defaultdict(lambda: {"logic": 0.0, "banks": 0.0})
    for path, part in flat.cells:
        found[unit_of(path)]["logic"] += library.cells[part.kind].area
    for path, part in flat.banks:
        found[unit_of(path)]["banks"] += bank_macro(part.parameters).area_um2
    return {unit: {kind: round(um2, 1) for kind, um2 in each.items()} for unit, each in sorted(found.items())}
