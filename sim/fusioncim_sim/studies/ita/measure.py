"""Measures ita.json: maps ITA, places it, and runs heads on its gates."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.asic.delays import delays
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.placement.placer import require_placer
from fusioncim.build.workers import run_all
from fusioncim.comparison.ita import CLONES, check_source, commits, map_ita
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.errors import InputError
from fusioncim_sim.gates.gate_level import require_gates
from fusioncim_sim.studies.cost.rows import area_and_leakage
from fusioncim_sim.studies.ita.names import REST, UNITS, VECTORS
from fusioncim_sim.studies.ita.operands import CAPTURED, captured_head, generated_head, softmax_sqnr_db
from fusioncim_sim.studies.ita.run import TILE, ItaRun, run_dot_products
from fusioncim_sim.studies.ita.sample import dot_product, own_lengths, wire_loads
from fusioncim_sim.studies.study import Request, Stored


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
    library.require_power()
    library.require_node_of_banks()
    heads = {name: captured_head(name) for name in CAPTURED} | {VECTORS: generated_head(source)}
    design = map_ita(source, library, jobs=jobs)
    period = 1000 / CLOCK_MHZ
    work = {name: partial(run_dot_products, head, design, period) for name, head in heads.items()}
    done: dict[str, ItaRun] = run_all(work, jobs=jobs, title="gate-level runs")
    row = dot_product(design)
    lengths = own_lengths(row, library)
    return {
        "library": library.name,
        "voltage": library.voltage,
        "clock_mhz": CLOCK_MHZ,
        "commits": {name: {"url": url, "commit": found[name]} for name, url in CLONES.items()},
        "area_um2": areas(design),
        "cells": sum(design.cells().values()),
        "dot_product": {
            "cells": len(row.cells),
            "wires_mm": round(float(lengths.sum()) / 1000, 1),
            "path_ns": delays(row, library).longest_ns,
            "path_with_wires_ns": delays(row, library, wire_loads(lengths, library)).longest_ns,
        },
        "softmax_sqnr_db": {name: softmax_sqnr_db(heads[name]) for name in CAPTURED},
        "runs": {name: run_figures(done[name]) for name in heads},
    }


def run_figures(run: ItaRun) -> dict[str, Any]:
    """For a file; macs: of each phase."""
    return {
        "keys": run.keys,
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


def areas(design: Design) -> Mapping[str, dict[str, float]]:
    """Logic and banks by unit, in um2."""
    found = {REST: {"logic": round(design.modules[design.top].area, 1), "banks": 0.0}}
    for part in design.netlist(design.top).parts:
        if part.kind in design.modules:
            logic, banks, _ = area_and_leakage(design, [part.kind])
            found[UNITS[part.name]] = {"logic": round(logic, 1), "banks": round(banks, 1)}
    return found
