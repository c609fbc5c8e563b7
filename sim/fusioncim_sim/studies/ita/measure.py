"""Measures ita.json: maps ITA, places it, and runs heads on its gates."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.asic.cells.table_lookup import Floats
from fusioncim.asic.delays import delays
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.placement.placer import require_placer
from fusioncim.build.workers import run_all
from fusioncim.comparison.ita import CLONES, check_source, commits, map_ita
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.errors import InputError
from fusioncim_sim.gates.gate_level import require_gates
from fusioncim_sim.studies.cost.rows import area_and_leakage
from fusioncim_sim.studies.ita.model import ItaHead
from fusioncim_sim.studies.ita.names import VECTORS
from fusioncim_sim.studies.ita.operands import CAPTURED, captured_head, generated_head, softmax_sqnr_db
from fusioncim_sim.studies.ita.run import REST, TILE, ItaRun, run_head, unit_of
from fusioncim_sim.studies.ita.sample import sampled, wire_lengths, wire_loads
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
    sample = sampled(design)
    wires = wire_lengths(sample, library, jobs=jobs)
    work = {name: partial(head_figures, source, liberty, head, wires) for name, head in heads.items()}
    runs = run_all(work, jobs=jobs, title="gate-level runs")
    loads = wire_loads(wires, library)
    return {
        "library": library.name,
        "voltage": library.voltage,
        "clock_mhz": CLOCK_MHZ,
        "commits": {name: {"url": url, "commit": found[name]} for name, url in CLONES.items()},
        "area_um2": areas(design),
        "cells": sum(design.cells().values()),
        "longest_path_ns": delays(sample.flat, library, boxes=sample.netlists).longest_ns,
        "longest_path_with_wires_ns": delays(sample.flat, library, loads, sample.netlists).longest_ns,
        "wires_mm": round(float(wires.sum()) / 1000, 1),
        "softmax_sqnr_db": dict(zip(heads, softmax_sqnr_db(list(heads.values())), strict=True)),
        "runs": runs,
    }


def head_figures(source: Path, liberty: Path, head: ItaHead, wires: Floats) -> dict[str, Any]:
    """A run of a head."""
    return run_figures(run_head(head, sampled(map_ita(source, load(liberty))), wires, 1000 / CLOCK_MHZ))


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


def areas(design: Design) -> Mapping[str, dict[str, float]]:
    """Logic and banks by unit, in um2."""
    found = {REST: {"logic": round(design.modules[design.top].area, 1), "banks": 0.0}}
    for part in design.netlist(design.top).parts:
        if part.kind in design.modules:
            logic, banks, _ = area_and_leakage(design, [part.kind])
            found[unit_of([part.name])] = {"logic": round(logic, 1), "banks": round(banks, 1)}
    return found
