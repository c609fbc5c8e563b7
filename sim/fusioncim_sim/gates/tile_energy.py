"""Energy of tiles of real attention on one mapped engine, by unit.

A tile is `rows` queries; together they are the last ones of the first `tokens` tokens of a head, causal. Heads stand
side by side where the engine has more columns than a head. Operands are those of all these tokens, equalized.

The mapped netlist is simulated, every output bit is compared with the golden model, and what its nets did, with the
delays of its gates, gives the energy. Loading of the queries and the drain of the outputs are included.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.delays import delays
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.netlist.net_delays import Delays
from fusioncim.asic.netlist.netlist import Flat
from fusioncim.asic.placement.placer import require_placer
from fusioncim.asic.placement.wires import FF_UM, Wires, check_ff_um, wires_of
from fusioncim.asic.power.activity import Activity
from fusioncim.asic.power.power import Energy, PowerModel
from fusioncim.build.workers import run_all
from fusioncim_golden import engine as golden
from fusioncim_golden.config import Config
from fusioncim_golden.job import widened
from fusioncim_golden.quantize import Heads, quantize
from fusioncim_golden.schedule import Job
from fusioncim_sim.gates.engine_placement import engine_placement, mapped_engine
from fusioncim_sim.gates.gate_level import simulate_gates
from fusioncim_sim.gates.units import UNITS, unit_of
from fusioncim_sim.gates.wire_classes import by_class
from fusioncim_sim.heads.captured import side_by_side
from fusioncim_sim.heads.judge import Run
from fusioncim_sim.heads.read import Head


@dataclass(frozen=True, kw_only=True)
class TileResult:
    """A tile's run.

    Members:
        heads: names of the heads that stand side by side.
        tokens: the tile ends at this one.
        queries: rows of the tile.
        period_ns: of the clock.
        cycles: from the end of reset to the last output.
        macs: unmasked multiply-accumulates of QK^T; PV has as many.
        columns: of the heads together, for which `macs` counts; the others are zeros.
        additions: blocks that rows add to O; all others are skipped.
        mismatches: outputs that are not the golden model's.
        wire_ff_um: capacitance of the wires in these energies, None without wires.
        moved_mm: length of wires times their edges in the phase `stream`, by `wire_classes`; empty without wires.
        phases: cycles and energies by `UNITS` of each of `engine_bench.PHASES`; what comes after the last output is
            `idle`, and in none of the sums.
    """

    config: Config
    heads: tuple[str, ...]
    tokens: int
    queries: int
    period_ns: float
    cycles: int
    macs: int
    columns: int
    additions: int
    mismatches: int
    phases: dict[str, tuple[int, dict[str, Energy]]]
    wire_ff_um: float | None = None
    moved_mm: Mapping[str, float] = field(default_factory=dict)

    @property
    def energies(self) -> dict[str, Energy]:
        """Of every unit, in fJ."""
        busy = [energies for name, (_, energies) in self.phases.items() if name != "idle"]
        return {unit: sum((each[unit] for each in busy), Energy()) for unit in UNITS}

    @property
    def clock_cycles(self) -> int:
        """Cycles of the reset and of the run."""
        return sum(cycles for name, (cycles, _) in self.phases.items() if name != "idle")

    @property
    def bit_exact(self) -> bool:
        """Every output is that of the golden model."""
        return self.mismatches == 0

    @property
    def energy(self) -> Energy:
        """Of the whole engine, in fJ."""
        return sum(self.energies.values(), Energy())

    @property
    def utilization(self) -> float:
        """Unmasked multiply-accumulates over what the array could do in these cycles."""
        return self.macs / (self.cycles * self.config.macs_per_cycle)

    @property
    def power_mw(self) -> float:
        """Mean power."""
        return self.energy.total / (self.clock_cycles * self.period_ns) * 1e-3


def run_tile(
    config: Config,
    library: Library,
    heads: Sequence[Head],
    tokens: int,
    period_ns: float,
    *,
    tiles: int = 1,
    wires: Wires | None = None,
    jobs: int = 1,
) -> TileResult:
    """Map an engine and run tiles on it.

    heads: side by side they have the engine's columns, or fewer, with zeros in the others; wires: of the engine.
    """
    whole = quantize(*side_by_side(heads, tokens), bits=config.operand_bits, centred=True)
    columns = whole.q.shape[-1]
    queries = last_queries(widened(whole, config.columns), tiles * config.rows)
    job = Job(queries=queries.q.shape[1], keys=tokens)
    names = [head.name for head in heads]
    return run_job(config, library, names, queries, job, period_ns, columns=columns, wires=wires, jobs=jobs)


def last_queries(heads: Heads, count: int) -> Heads:
    """The last queries, with the scales that they have among all."""
    names = ("q", "mantissa", "shift", "scale_q")
    return replace(heads, **{name: getattr(heads, name)[:, -count:] for name in names})


def run_job(
    config: Config,
    library: Library,
    names: Sequence[str],
    queries: Heads,
    job: Job,
    period_ns: float,
    *,
    columns: int | None = None,
    wires: Wires | None = None,
    jobs: int = 1,
) -> TileResult:
    """Map an engine and run a job on it.

    names: of the heads. columns: those that are not all zeros; default: all. wires: of the engine (`engine_wires`); the
    netlist of their placement is what runs.
    """
    design, flat = _mapped(config, library, jobs)
    flat = wires.placement.flat if wires else flat
    name, capacitance = f"{len(flat.cells):,} cells", wires.capacitance(library) if wires else None
    # `run_all` shows how long it takes.
    timed: Delays = run_all({name: partial(delays, flat, library, capacitance)}, jobs=1, title="delays")[name]
    simulation = partial(simulate_gates, config, [(queries, job)], design, flat, timed)
    done: tuple[Run, dict[str, Activity]] = run_all({name: simulation}, jobs=1, title="gates")[name]
    run, activities = done
    expected = golden.run(config, queries, job)
    return TileResult(
        config=config,
        heads=tuple(names),
        tokens=job.keys,
        queries=job.queries,
        period_ns=period_ns,
        cycles=run.cycles,
        macs=expected.events.scores * (columns or config.columns),
        columns=columns or config.columns,
        additions=expected.events.additions,
        mismatches=int(np.count_nonzero(run.outputs[0] != expected.out)),
        phases=energy_by_phase(_model(flat, library, wires), activities, period_ns),
        wire_ff_um=wires.ff_um if wires else None,
        moved_mm=by_class(flat, library, wires.length * activities["stream"].edges / 1000) if wires else {},
    )


def engine_wires(config: Config, library: Library, ff_um: float = FF_UM, *, jobs: int = 1) -> Wires:
    """Map an engine and place it: its wires."""
    require_placer()
    check_ff_um(ff_um)
    library.require_power()
    return wires_of(engine_placement(config, library, jobs), library, ff_um)


def _mapped(config: Config, library: Library, jobs: int) -> tuple[Design, Flat]:
    library.require_power()
    return mapped_engine(config, library, jobs)


def _model(flat: Flat, library: Library, wires: Wires | None) -> PowerModel:
    if wires is None:
        return PowerModel(flat, library)
    return PowerModel(flat, library, wires=wires.capacitance(library), trees=wires.trees.energy)


def energy_by_phase(
    model: PowerModel, activities: Mapping[str, Activity], period_ns: float
) -> dict[str, tuple[int, dict[str, Energy]]]:
    """Cycles and energy of every unit of an engine, by phase."""
    phases = {}
    for name, activity in activities.items():
        energies: dict[str, Energy] = defaultdict(Energy)
        for path, energy in model.energies(activity, period_ns).items():
            energies[unit_of(path)] += energy
        phases[name] = (activity.cycles, {unit: energies[unit] for unit in UNITS})
    return phases
