"""Gate-level runs of engines with few rows, and of chips whose engines are RTL."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from fusioncim.asic.cells.liberty import load
from fusioncim.asic.delays import delays
from fusioncim.asic.netlist.loads import port_loads
from fusioncim.asic.netlist.netlist import flatten
from fusioncim.asic.power.power import Energy, PowerModel
from fusioncim.asic.synthesis.synth import synthesize
from fusioncim.chip.chip import Chip
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden import job as golden
from fusioncim_golden.config import Config
from fusioncim_golden.mask import CAUSAL
from fusioncim_sim.gates.gate_level import simulate_chip_gates
from fusioncim_sim.gates.tile_energy import TileResult, engine_wires, run_tile
from fusioncim_sim.gates.wire_classes import by_class
from fusioncim_sim.heads.captured import captured_heads
from fusioncim_sim.rtl.chip_run import ChipJob
from fusioncim_sim.studies.chip.workloads import Workload, captured
from fusioncim_sim.studies.cost.events import KINDS, TILES
from fusioncim_sim.studies.cost.rows import PAPER, row_around

TOKENS = 128
"""Tokens of every head that is simulated."""
PERIOD_NS = 1000 / CLOCK_MHZ


def engine_size(liberty: Path, rows: int, names: Sequence[str] = ()) -> TileResult:
    """A run of a placed engine with these rows on captured heads, the first ones or those of these names."""
    config = engine_of(rows)
    library, heads = load(liberty), captured_heads(config, names)
    wires = engine_wires(config, library)
    return run_tile(config, library, heads, TOKENS, PERIOD_NS, tiles=TILES, wires=wires)


def wire_lengths(liberty: Path, rows: int) -> dict[str, float]:
    """Wires of a placed engine with these rows in mm, by `wire_classes`."""
    library = load(liberty)
    wires = engine_wires(engine_of(rows), library)
    return by_class(wires.placement.flat, library, wires.length / 1000)


def engine_of(rows: int) -> Config:
    """The engine of `PAPER` with other rows."""
    return PAPER.engine.override(rows=rows, softmax_lanes=rows // PAPER.engine.operand_bits)


def chip_size(liberty: Path, engines: int) -> dict[str, Any]:
    """A run of a chip with engines as RTL: energies in fJ per cycle by row of the table, of logic, glitches, banks."""
    library = load(liberty)
    chip = PAPER.override(engines=engines, rows=8, softmax_lanes=1)
    design = synthesize(Chip(chip), library)
    netlists = {name: design.netlist(name) for name in design.order}
    flat = flatten(netlists, design.top, keep=("engine",))
    workload = Workload(
        chip=chip,
        kv_heads=1,
        group=1,
        queries=8 * TILES * engines,
        keys=max(TOKENS, 8 * TILES * engines),
        captured=True,
    )
    groups = captured(workload)
    jobs, timed = [ChipJob(groups=groups, mask=CAUSAL)], delays(flat, library, boxes=netlists)
    run, activity = simulate_chip_gates(chip, jobs, design, flat, cycles=1_000_000, delays=timed)
    mismatches = int(np.count_nonzero(run.outputs[0] != golden.run(chip, groups, mask=CAUSAL).out))
    model = PowerModel(flat, library, {"engine": port_loads(netlists, "engine", library, {})})
    energies: dict[str, Energy] = defaultdict(Energy)
    for at, energy in model.energies(activity, PERIOD_NS).items():
        energies[row_around(at)] += energy
    busy = run.counters["cycles"]
    return {
        "cells": len(flat.cells),
        "cycles": busy,
        "mismatches": mismatches,
        **{
            kind: {name: round(KINDS[kind](each) / busy, 1) for name, each in energies.items()}
            for kind in ("logic", "glitches", "banks")
        },
    }


def size_figures(run: TileResult) -> dict[str, Any]:
    """What a gate-level run of an engine gave."""
    return {
        "heads": list(run.heads),
        "cycles": run.cycles,
        "macs": run.macs,
        "additions": run.additions,
        "utilization": round(run.utilization, 4),
        "mismatches": run.mismatches,
        "fj_per_mac": {unit: round(energy.total / run.macs, 3) for unit, energy in run.energies.items()},
        "phases": {
            phase: {"cycles": cycles, "fj": {unit: rounded(energy) for unit, energy in energies.items()}}
            for phase, (cycles, energies) in run.phases.items()
        },
    }


def rounded(energy: Energy) -> dict[str, int]:
    """By kind."""
    return {name: round(x) for name, x in asdict(energy).items()}
