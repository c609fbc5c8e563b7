"""Runs jobs on the mapped netlist of an engine under Icarus, counting what every net does.

The flat netlist takes the place of the RTL behind the same bench, so that its outputs can be compared with the golden
model bit by bit; `toggles.c` counts in the same pass.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fusioncim.bank import SRAM
from fusioncim.flow.liberty import cells_verilog
from fusioncim.flow.netlist import Flat, flat_verilog
from fusioncim.flow.power import Activity
from fusioncim.flow.synth import Design
from fusioncim.store import build_root, filled_once, short_hash
from fusioncim_golden.config import Config
from fusioncim_golden.quantize import Heads
from fusioncim_golden.schedule import Job
from fusioncim_sim.runner import Program, compile_icarus, compile_step, require_icarus
from fusioncim_sim.simulate import Run, simulate_jobs

COUNTER = Path(__file__).with_name("toggles.c")
TOGGLES = "FUSIONCIM_TOGGLES"


def simulate_gates(
    config: Config, jobs: Sequence[tuple[Heads, Job]], design: Design, flat: Flat
) -> tuple[Run, Activity]:
    """Run jobs back to back on the flat netlist of a mapped engine."""
    place = build_gates(design, flat)
    build_root().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build_root()) as scratch:
        counted = Path(scratch) / "toggles"
        program = Program(place, flat.name, ("-M", str(counter()), "-m", "toggles"), {TOGGLES: str(counted)})
        run = simulate_jobs(config, jobs, program=program)
        return run, read_activity(counted, flat.nets)


def read_activity(path: Path, nets: int) -> Activity:
    """What `toggles.c` wrote."""
    with path.open() as file:
        cycles = int(file.readline())
        table = np.loadtxt(file, dtype=np.int64, ndmin=2)
    toggles, high = np.zeros(nets, np.int64), np.zeros(nets, np.int64)
    toggles[table[:, 0]], high[table[:, 0]] = table[:, 1], table[:, 2]
    high[1] = cycles
    return Activity(cycles, toggles, high)


def build_gates(design: Design, flat: Flat) -> Path:
    """The directory of the simulator's program for a flat netlist."""
    text = flat_verilog(flat, design.library)
    models = cells_verilog(design.library, [part.kind for _, part in flat.cells])
    place = build_root() / "designs" / f"gates-{flat.name}-{short_hash(text, models, require_icarus())}"
    with filled_once(place) as scratch:
        if scratch:
            (scratch / "cells.v").write_text(models)
            (scratch / f"{flat.name}.v").write_text(text)
            compile_icarus(scratch, flat.name, ("cells.v", str(SRAM)))
    return place


def counter() -> Path:
    """The directory of the compiled toggle counter."""
    place = build_root() / "designs" / f"toggles-{short_hash(COUNTER.read_text(), require_icarus())}"
    with filled_once(place) as scratch:
        if scratch:
            compile_step(scratch, ["iverilog-vpi", "-O2", "--name=toggles", str(COUNTER)])
    return place
