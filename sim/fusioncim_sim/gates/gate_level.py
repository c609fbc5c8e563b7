"""Runs jobs on the mapped netlist of an engine or a chip under Icarus, counting what every net does.

The flat netlist takes the place of the RTL behind the same bench, so that its outputs can be compared with the golden
model bit by bit; `toggles.c` counts in the same pass.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fusioncim.asic.cells.cell_verilog import cells_verilog
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.netlist.net_delays import Delays
from fusioncim.asic.netlist.netlist import Flat
from fusioncim.asic.netlist.netlist_verilog import flat_verilog
from fusioncim.asic.power.activity import Activity
from fusioncim.build.cache import build_root, filled_once, short_hash
from fusioncim.engine.engine import Engine
from fusioncim.lib.bank import SRAM
from fusioncim.verilog.cached import cached_verilog, without_comments
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.quantize import Heads
from fusioncim_golden.schedule import Job
from fusioncim_sim.heads.judge import Run
from fusioncim_sim.rtl.chip_run import ChipJob, ChipRun, simulate_chip
from fusioncim_sim.rtl.engine_bench import PHASES
from fusioncim_sim.rtl.engine_run import simulate_jobs
from fusioncim_sim.rtl.programs import compile_icarus, compile_step
from fusioncim_sim.rtl.runner import Program
from fusioncim_sim.rtl.simulators import require_icarus
from fusioncim_sim.rtl.stream import CLOCK_NS

COUNTER = Path(__file__).with_name("toggles.c")
TOGGLES = "FUSIONCIM_TOGGLES"
IDLE = 100
"""Cycles of the phase `idle`."""


def simulate_gates(
    config: Config, jobs: Sequence[tuple[Heads, Job]], design: Design, flat: Flat, delays: Delays | None = None
) -> tuple[Run, dict[str, Activity]]:
    """Run jobs back to back on the flat netlist of a mapped engine; activities by `engine_bench.PHASES`."""
    with counting(build_gates(design, flat, delays), flat) as (program, counted):
        run = simulate_jobs(config, jobs, program=program, idle=IDLE)
        return run, dict(zip(PHASES, read_activities(counted, flat.nets, delays), strict=True))


def simulate_chip_gates(
    chip: ChipConfig,
    jobs: Sequence[ChipJob],
    design: Design,
    flat: Flat,
    *,
    cycles: int,
    delays: Delays | None = None,
) -> tuple[ChipRun, Activity]:
    """Run jobs on the flat netlist of a mapped chip, in which the boxes, its engines, are RTL.

    What leaves an engine has no delay, and no edges but its toggles.
    """
    _, engines = cached_verilog(Engine(chip.engine))
    with counting(build_gates(design, flat, delays, engines), flat) as (program, counted):
        run = simulate_chip(chip, jobs, cycles=cycles, program=program)
        (activity,) = read_activities(counted, flat.nets, delays)
        return run, activity


@contextmanager
def counting(place: Path, flat: Flat) -> Iterator[tuple[Program, Path]]:
    """The program of a flat netlist with the toggle counter, and the file that it writes."""
    with tempfile.TemporaryDirectory(dir=build_root()) as scratch:
        counted = Path(scratch) / "toggles"
        options = ("-M", str(counter()), "-m", "toggles")
        yield Program(place, flat.name, options, {TOGGLES: counted.name}, {counted.name: counted}), counted


def read_activities(path: Path, nets: int, delays: Delays | None = None) -> list[Activity]:
    """What `toggles.c` wrote, by phase.

    Edges of nets without a delay are their toggles: in between the simulator takes several steps at one time.
    """
    with path.open(encoding="utf-8") as file:
        cycles = [int(word) for word in file.readline().split()]
        table = np.loadtxt(file, dtype=np.int64, ndmin=2)
    delayed = delays.rise > 0 if delays else np.zeros(nets, bool)
    activities = []
    for phase, length in enumerate(cycles):
        toggles, high, edges = (np.zeros(nets, np.int64) for _ in range(3))
        for column, counts in enumerate((toggles, high, edges)):
            counts[table[:, 0]] = table[:, 1 + 3 * phase + column]
        high[1] = length
        activities.append(Activity(length, toggles, high, np.where(delayed, edges, toggles)))
    return activities


def build_gates(
    design: Design, flat: Flat, delays: Delays | None = None, boxes: str = "", *, unknown: bool = False
) -> Path:
    """The directory of the simulator's program for a flat netlist; boxes: Verilog of its boxes.

    unknown: flip-flops are X until they are reset or written, else random: an X has no toggles.

    Errors: a path is longer than half of the benches' clock period, when `toggles.c` looks.
    """
    if delays and delays.longest_ns > CLOCK_NS / 2:
        raise InputError(
            f"the longest path of {flat.name} must take at most {CLOCK_NS / 2:g} ns in a simulation with delays, "
            f"not {delays.longest_ns:g}"
        )
    text = flat_verilog(flat, design.library, delays)
    models = cells_verilog(design.library, [part.kind for _, part in flat.cells], unknown=unknown)
    boxes, bank = without_comments(boxes), without_comments(SRAM.read_text(encoding="utf-8"))
    key = short_hash(text, models, boxes, bank, require_icarus())
    place = build_root() / "designs" / f"gates-{flat.name}-{key}"
    with filled_once(place) as scratch:
        if scratch:
            (scratch / "cells.v").write_text(models + boxes, encoding="utf-8")
            (scratch / f"{flat.name}.v").write_text(text, encoding="utf-8")
            compile_icarus(scratch, flat.name, ("cells.v", str(SRAM)))
    return place


def require_gates() -> None:
    """Refuse to start without Icarus and what compiles its modules."""
    require_icarus()
    if not (shutil.which("iverilog-vpi") and shutil.which("cc")):
        raise InputError(
            "iverilog-vpi and cc must be on PATH: install what is missing with 'apt-get install iverilog gcc'"
        )


def counter() -> Path:
    """The directory of the compiled toggle counter."""
    place = build_root() / "designs" / f"toggles-{short_hash(COUNTER.read_text(encoding='utf-8'), require_icarus())}"
    with filled_once(place) as scratch:
        if scratch:
            compile_step(scratch, ["iverilog-vpi", "-O2", "--name=toggles", str(COUNTER)])
    return place
