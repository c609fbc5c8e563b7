"""The cost table: area, power and efficiency of the published chip's size, measured and scaled, beside the paper.

Area: every module of the chip is mapped as it is; banks are the memory model's. Energy of an engine: gate-level runs of
engines with 128 columns and few rows (`SIZES`) on captured heads, phase by phase (`events`): streaming takes so much
per cycle of work, a tile so much for its load and its drain, an idle engine so much per cycle. Each of these of a unit
is a + b rows, from the first two sizes, and `deviation_percent` says how well that predicts the last one. What a row
of the OP-CIM takes while streaming depends on the head instead: c + d additions to its O, from the heads of two runs,
with the additions of all heads of a language model (`Additions`). Power is that of an engine which always streams,
with tiles that see `KEYS` keys, and as many additions as on a text of that length. Energy of the chip around the
engines: gate-level runs with engines as RTL, extrapolated over the number of engines in the same way; accesses of the
global buffer, which engines share, are those of the run with the most of them.

Figures are at the library's corner; `scaled` holds the same by a published method (`flow.scaling`). An operation is
half of an unmasked multiply-accumulate.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from fusioncim.asic.liberty import default_liberty, load
from fusioncim.asic.loads import port_loads
from fusioncim.asic.mapped_design import Design
from fusioncim.asic.memory_array import macro_of_shape
from fusioncim.asic.netlist import flatten
from fusioncim.asic.power import Energy, PowerModel
from fusioncim.asic.scaling import Point, scale
from fusioncim.asic.synth import synthesize
from fusioncim.build.workers import run_all
from fusioncim.chip.chip import Chip
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden import engine as golden_engine
from fusioncim_golden import job as golden
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.schedule import Job
from fusioncim_sim.files import check_json, make_directory, write_json
from fusioncim_sim.gates.gate_level import simulate_chip_gates
from fusioncim_sim.gates.tile_energy import TileResult, captured_heads, run_tile
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.rtl.chip_run import ChipJob
from fusioncim_sim.studies.chip import Workload, captured
from fusioncim_sim.studies.summary import costs, models
from fusioncim_sim.system.energy_table import BUFFER, EVENTS, ROWS, STREAM, Line

PAPER = PRESETS["paper"]
SIZES = (8, 16, 24)
"""Rows of the engines that are simulated."""
FIT_ROWS = SIZES[1]
"""Rows of the engine that is simulated with other heads, too."""
FEW, SOME = ("group1", "local"), ("local", "mixed")
"""These: with the first it skips most blocks, which gives the line of `Additions`; the second check it."""
TILES, TOKENS = 1, 128
PREFILL = 4096
"""Tokens of the causal prefill that the table is of."""
KEYS = PREFILL // 2
"""Keys that a tile sees, the mean. Its load and drain are spread over them."""
STILL = ("normalizer",)
"""Rows of the table whose energy while streaming does not grow with the rows of the engine: the largest run counts. Of
the normalizer it is one row's O, which passes the multiplexer before it."""
ENGINES = (1, 2, 4)
"""Engines of the chips that are simulated; each has 8 rows."""
PERIOD_NS = 1000 / CLOCK_MHZ
PER_MAC = PAPER.engine.operand_bits / PAPER.engine.columns
"""Cycles of a row per multiply-accumulate."""
TARGETS = (Point(28, 0.9), Point(28, 0.72))

PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "IP-CIM": {"mw": 42.0, "mm2": 0.46, "tops": 1.64},
    "OP-CIM": {"mw": 53.6, "mm2": 0.68, "tops": 1.64},
    "softmax": {"mw": 13.4, "mm2": 0.07, "tops": 0.2},
    "hybrid engine": {"mw": 113.0, "mm2": 1.24},
    "system": {"mw": 2100.0, "mm2": 26.2, "tops": 52.4},
}
"""Table I of arXiv:2604.25317: TSMC 28 nm, 400 MHz."""

MODULES: Mapping[str, Sequence[str]] = {
    "IP-CIM": ("ip_cim",),
    "OP-CIM": ("op_cim",),
    "softmax": ("softmax",),
    "normalizer": ("normalizer",),
    "key/value buffer": ("kv_buffer",),
    "control": ("controller",),
}
"""The modules of each row."""

AROUND: Mapping[str, str] = {
    "global_buffer": BUFFER,
    "network": "network",
    "output_writer": "memory interface",
    "kv_fetcher": "memory interface",
    "query_loader": "memory interface",
    "read_arbiter": "memory interface",
    "reader": "memory interface",
    "writer": "memory interface",
}
"""Rows of the table around the engines, by the instance in the chip or its core; everything else is `chip control`."""

PARTS = ("additions", "around", "engine", "events", "scaling", "table")
"""What cost.json holds."""


@dataclass(frozen=True)
class Entry:
    """A row of the table: areas in um2, leakage in mW, energies of logic and of accesses to banks in fJ per cycle."""

    logic_um2: float = 0.0
    bank_um2: float = 0.0
    leakage_mw: float = 0.0
    logic_fj: float = 0.0
    bank_fj: float = 0.0

    def __add__(self, other: "Entry") -> "Entry":
        return Entry(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __mul__(self, count: int) -> "Entry":
        return Entry(*(getattr(self, f.name) * count for f in fields(self)))

    def as_dict(self, name: str) -> dict[str, Any]:
        """With everything that follows, at the library's corner and scaled."""
        factors = {"measured": (1.0, 1.0)} | {
            f"{to.node} nm, {to.voltage} V": (scale(to).area, scale(to).energy) for to in TARGETS
        }
        per_cycle = 1e-6 * CLOCK_MHZ  # fJ per cycle to mW
        row: dict[str, Any] = {}
        for label, (area, energy) in factors.items():
            mm2 = (self.logic_um2 + self.bank_um2) * area * 1e-6
            parts = {
                "logic_mw": self.logic_fj * per_cycle * energy,
                "bank_mw": self.bank_fj * per_cycle * energy,
                "leakage_mw": self.leakage_mw * energy,
            }
            mw = sum(parts.values())
            figures = {"mm2": mm2, "logic_mm2": self.logic_um2 * area * 1e-6, "mw": mw, **parts}
            if rate := operations(name):
                tops = rate * CLOCK_MHZ * 1e-6
                figures |= {
                    "tops": tops,
                    "tops_per_w": tops / mw * 1e3,
                    "tops_per_mm2": tops / mm2,
                    "fj_per_operation": mw / tops,
                    "um2_per_mac_per_cycle": 2 * self.logic_um2 * area / rate,
                }
            row[label] = {key: float(f"{value:.5g}") for key, value in figures.items()}
        return row


def line(sizes: Sequence[float], values: Sequence[float]) -> Line:
    """Through the first two points."""
    slope = (values[1] - values[0]) / (sizes[1] - sizes[0])
    return Line(values[0] - slope * sizes[0], slope)


def write_cost(output: Path, jobs: int) -> None:
    """Measure on the Nangate library and write cost.json."""
    path = output / "cost.json"
    if output.exists():
        check_json(path, PARTS)
    data = measure_cost(default_liberty(), read_additions(output), jobs)
    make_directory(output)
    write_json(path, data, PARTS)
    print(f"wrote {path}\n\n{costs(data)}")


def read_additions(directory: Path) -> dict[str, dict[str, float]]:
    """Blocks that a row adds to its O per key that it sees, by model and tokens: `additions` of every quality file."""
    found = {}
    for name, model in models(directory).items():
        if "additions" not in model:
            continue
        additions: dict[str, Any] = model["additions"]
        if additions["flush"] != PAPER.engine.flush or str(PREFILL) not in additions["per_key"]:
            raise InputError(
                f"the additions must be those of flush {PAPER.engine.flush}, of {PREFILL} tokens among others, not of "
                f"flush {additions['flush']}, of {', '.join(additions['per_key'])} tokens: {directory / name}.json"
            )
        found[model["model"]] = additions["per_key"]
    if not found:
        raise InputError(
            f"a quality.json must hold what a model adds to O (fusioncim measure quality --part additions), not so in "
            f"{directory}"
        )
    return found


def measure_cost(liberty: Path, added: Mapping[str, Mapping[str, float]], jobs: int) -> dict[str, Any]:
    """Everything that cost.json holds; added: see `read_additions`."""
    library = load(liberty)
    design = synthesize(Chip(PAPER), library, jobs=jobs)
    work: dict[str, Any] = {f"{rows} rows": partial(engine_size, liberty, rows) for rows in reversed(SIZES)}
    work |= {" ".join(names): partial(engine_size, liberty, FIT_ROWS, names) for names in (FEW, SOME)}
    work |= {f"{engines} engines": partial(chip_size, liberty, engines) for engines in reversed(ENGINES)}
    done = run_all(work, jobs=jobs, title="gate-level runs")
    engines = {rows: done[f"{rows} rows"] for rows in SIZES}
    chips = {count: done[f"{count} engines"] for count in ENGINES}
    few, some = (done[" ".join(names)] for names in (FEW, SOME))
    return summarize(design, engines, Additions(engines, few, some, added), chips)


def engine_size(liberty: Path, rows: int, names: Sequence[str] = ()) -> TileResult:
    """A gate-level run of an engine with these rows."""
    config = PAPER.engine.override(rows=rows, softmax_lanes=rows // PAPER.engine.operand_bits)
    return run_tile(config, load(liberty), captured_heads(config, names), TOKENS, PERIOD_NS, tiles=TILES)


class Additions:
    """Energy of the OP-CIM's rows while streaming: per row and cycle of work c + d x, where x additions to O happen.

    c and d are those of two runs with different heads; others check them. In the table x is the mean of all heads of
    language models on PREFILL tokens; those of the captured heads, which are shorter, stand beside it.
    """

    UNIT = "OP-CIM rows"

    def __init__(
        self,
        engines: Mapping[int, TileResult],
        few: TileResult,
        some: TileResult,
        models: Mapping[str, Mapping[str, float]],
    ) -> None:
        self.engines, self.few, self.some, self.models = engines, few, some, models
        fit = few, engines[FIT_ROWS]
        rates = [self.rate(run) for run in fit]
        self.lines = {kind: line(rates, [self.measured(kind, run) for run in fit]) for kind in ("logic", "banks")}
        self.heads = added_per_key()

    @staticmethod
    def rate(run: TileResult) -> float:
        """Additions per row and cycle of work."""
        return run.additions / (run.config.rows * busy_cycles(run))

    def measured(self, kind: str, run: TileResult) -> float:
        """Energy per row and cycle of work."""
        return of_units(run, [self.UNIT], banks=kind == "banks")[STREAM] / run.config.rows

    def predicted(self, kind: str, run: TileResult) -> float:
        """The same from its additions."""
        return self.lines[kind].at(self.rate(run))

    def of(self, kind: str, per_key: float) -> float:
        """Energy per row and cycle of work if a row adds so many blocks per key that it sees."""
        return self.lines[kind].at(per_key / PAPER.engine.operand_bits)

    def of_table(self, kind: str) -> float:
        """That of the table."""
        return self.of(kind, self.per_key()[str(PREFILL)])

    def per_key(self) -> dict[str, float]:
        """Blocks that a row adds per key that it sees, the mean of the models, by tokens."""
        lengths = set.intersection(*(set(each) for each in self.models.values()))
        return {n: fmean(each[n] for each in self.models.values()) for n in sorted(lengths, key=int)}

    def deviations(self, kind: str) -> dict[str, float]:
        """Of what the line says about the runs that it was not made from, in percent."""
        runs = {f"{rows} rows": run for rows, run in self.engines.items() if rows != FIT_ROWS}
        runs |= {"other heads": self.some}
        return {name: deviation(self.predicted(kind, run), self.measured(kind, run)) for name, run in runs.items()}

    def as_dict(self) -> dict[str, Any]:
        """For a file."""
        return {
            "fj_per_row_and_cycle": {kind: each.rounded() for kind, each in self.lines.items()},
            "heads": self.figures(self.heads),
            "lengths": self.figures(self.per_key()),
            "models": self.models,
            "runs": {" ".join(run.heads): size_figures(run) for run in (self.few, self.some)},
        }

    def figures(self, per_key: Mapping[str, float]) -> dict[str, Any]:
        """For a file; fj_per_mac: of the rows."""
        return {
            name: {
                "per_key": round(added, 4),
                "fj_per_mac": {kind: round(self.of(kind, added) * PER_MAC, 1) for kind in self.lines},
            }
            for name, added in per_key.items()
        }


def added_per_key() -> dict[str, float]:
    """Blocks that a row adds to its O, per key that it sees, on each captured head, whole and causal."""
    added = {}
    for head in load_heads(fixture(), Config()):
        tokens, columns = head.q.shape
        config = PAPER.engine.override(columns=columns)
        events = golden_engine.run(config, head.quantized(config), Job(queries=tokens, keys=tokens)).events
        added[head.name] = events.additions / events.scores
    return added


def chip_size(liberty: Path, engines: int) -> dict[str, Any]:
    """A gate-level run of a chip with engines as RTL: energies of logic and banks in fJ per cycle, by row."""
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
    run, activity = simulate_chip_gates(chip, [ChipJob(groups=groups, causal=True)], design, flat, cycles=1_000_000)
    mismatches = int(np.count_nonzero(run.outputs[0] != golden.run(chip, groups, causal=True).out))
    model = PowerModel(flat, library, {"engine": port_loads(netlists, "engine", library, {})})
    energies: dict[str, Energy] = defaultdict(Energy)
    for at, energy in model.energies(activity, PERIOD_NS).items():
        energies[row_around(at)] += energy
    busy = run.counters["cycles"]
    return {
        "cells": len(flat.cells),
        "cycles": busy,
        "mismatches": mismatches,
        "logic": {name: round((each.logic - each.leakage) / busy, 1) for name, each in energies.items()},
        "memory": {name: round(each.memory / busy, 1) for name, each in energies.items()},
    }


def row_around(path: Sequence[str]) -> str:
    """The row of the table for a module around the engines, by its path of instances in the chip."""
    inner = path[1] if len(path) > 1 and path[0] == "core" else path[0] if path else ""
    return AROUND.get(inner, "chip control")


def summarize(
    design: Design, engines: Mapping[int, TileResult], additions: Additions, chips: Mapping[int, Mapping[str, Any]]
) -> dict[str, Any]:
    """The table from the mapped chip and the runs."""
    events: dict[str, dict[str, dict[str, Line]]] = {}
    deviations: dict[str, dict[str, float]] = {}
    for name, units in ROWS.items():
        events[name] = {}
        for kind in ("logic", "banks"):
            values = [of_units(engines[rows], units, banks=kind == "banks") for rows in SIZES]
            lines = {event: line(SIZES, [each[event] for each in values]) for event in EVENTS}
            if name in STILL:
                lines[STREAM] = Line(max(each[STREAM] for each in values), 0.0)
            predicted = {event: lines[event].at(SIZES[-1]) for event in EVENTS}
            if additions.UNIT in units:
                own = [rows * additions.measured(kind, engines[rows]) for rows in SIZES]
                rest = line(SIZES, [each[STREAM] - rows for each, rows in zip(values, own, strict=True)])
                last = engines[SIZES[-1]]
                predicted[STREAM] = rest.at(SIZES[-1]) + SIZES[-1] * additions.predicted(kind, last)
                lines[STREAM] = rest + Line(0.0, additions.of_table(kind))
                deviations[f"{additions.UNIT}, {kind}"] = additions.deviations(kind)
            events[name][kind] = lines
            deviations[f"{name}, {kind}"] = {
                **{event: deviation(predicted[event], values[-1][event]) for event in EVENTS},
                "full_use": deviation(full_use_of(predicted), full_use_of(values[-1])),
            }
    parts = {
        name: Entry(*figures(design, MODULES[name]), *(full_use(kinds[kind], PAPER.engine.rows) for kind in kinds))
        for name, kinds in events.items()
    }
    around, lines_around = {}, {}
    areas = areas_around(design)
    for name in areas:
        per_cycle = [chips[n]["logic"].get(name, 0.0) for n in ENGINES]
        logic = line(ENGINES, per_cycle)
        deviations[name] = {"fj_per_cycle": deviation(logic.at(ENGINES[-1]), per_cycle[-1])}
        memory = max(chips[n]["memory"].get(name, 0.0) for n in ENGINES)  # shared reads: no line, see docs/cost.md
        around[name] = Entry(*areas[name], logic.at(PAPER.engines), memory)
        if name != BUFFER:  # its accesses are counted
            both = [each + chips[n]["memory"].get(name, 0.0) for n, each in zip(ENGINES, per_cycle, strict=True)]
            lines_around[name] = line(ENGINES, both)
    engine = sum(parts.values(), Entry())
    system = sum(around.values(), engine * PAPER.engines)
    table = {**parts, "hybrid engine": engine, **around, "system": system}
    return {
        "library": design.library.name,
        "voltage": design.library.voltage,
        "clock_mhz": CLOCK_MHZ,
        "chip": {"engines": PAPER.engines, "rows": PAPER.engine.rows, "columns": PAPER.engine.columns},
        "parameters": PAPER.as_dict(),
        "keys_per_tile": KEYS,
        "additions": additions.as_dict(),
        "events": {
            name: {kind: {event: each.rounded() for event, each in lines.items()} for kind, lines in kinds.items()}
            for name, kinds in events.items()
        },
        "events_around": {name: {"fj_per_cycle": each.rounded()} for name, each in lines_around.items()},
        "engine": {"tokens": TOKENS, "tiles": TILES, "sizes": {str(n): size_figures(engines[n]) for n in SIZES}},
        "around": {str(n): chips[n] for n in ENGINES},
        "deviation_percent": deviations,
        "overhead_percent": round(
            100 * overhead(engines) / sum(part.logic_fj + part.bank_fj for part in parts.values()), 1
        ),
        "table": {name: entry.as_dict(name) for name, entry in table.items()},
        "scaling": {f"{to.node} nm, {to.voltage} V": asdict(scale(to)) for to in TARGETS},
        "published": PUBLISHED,
    }


def operations(name: str) -> float:
    """Operations per cycle of a row of the table at full use: two per multiply-accumulate; scores of the softmax."""
    engine = PAPER.engine
    macs = 2 * engine.macs_per_cycle
    whole = {"hybrid engine": 2 * macs, "system": 2 * macs * PAPER.engines}
    return {"IP-CIM": macs, "OP-CIM": macs, "softmax": float(engine.softmax_lanes), **whole}.get(name, 0.0)


def busy_cycles(run: TileResult) -> float:
    """Cycles that the multiply-accumulates would take at full use."""
    return run.macs / run.config.macs_per_cycle


def of_units(run: TileResult, units: Iterable[str], *, banks: bool) -> dict[str, float]:
    """`EVENTS` of units, of their banks or of everything else."""

    def dynamic(phase: str) -> float:
        energies = [run.phases[phase][1][unit] for unit in units]
        return sum(each.memory if banks else each.logic - each.leakage for each in energies)

    cycles = {phase: run.phases[phase][0] for phase in run.phases}
    idle = dynamic("idle") / cycles["idle"]
    beyond = {phase: dynamic(phase) - idle * cycles[phase] for phase in cycles}
    return {
        STREAM: beyond["stream"] / busy_cycles(run),
        "tile_fj": (beyond["load"] + beyond["drain"]) / TILES,
        "idle_fj_per_cycle": idle,
    }


OVERHEAD = ("IP-CIM broadcast and correction", "OP-CIM broadcast", "controller", "engine")
"""Units that are control and broadcast."""


def overhead(engines: Mapping[int, TileResult]) -> float:
    """Energy per busy cycle of control, broadcast and the rest of the clock tree, as in the phase `stream`."""

    def of(run: TileResult) -> float:
        energies = run.phases["stream"][1]
        own = sum(energies[unit].logic - energies[unit].leakage for unit in OVERHEAD)
        return (own + sum(each.tree for unit, each in energies.items() if unit not in OVERHEAD)) / busy_cycles(run)

    return line(SIZES, [of(engines[rows]) for rows in SIZES]).at(PAPER.engine.rows)


def full_use(events: Mapping[str, Line], rows: int) -> float:
    """Energy per cycle of an engine that always streams."""
    return full_use_of({event: events[event].at(rows) for event in EVENTS})


def full_use_of(energies: Mapping[str, float]) -> float:
    """The same, from the energies of `EVENTS`."""
    stream, tile, idle = (energies[event] for event in EVENTS)
    return stream + tile / (KEYS * PAPER.engine.operand_bits) + idle


def deviation(predicted: float, measured: float) -> float:
    """Of what a line says from what was measured, in percent."""
    return round(100 * (predicted / measured - 1), 2) if measured else 0.0


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


def figures(design: Design, modules: Iterable[str]) -> tuple[float, float, float]:
    """Area of the logic and of the banks in um2, and leakage in mW, of modules with all below them."""
    logic = banks = leakage = 0.0
    for name in modules:
        logic += design.area(name)
        leakage += sum(cell_leakage(design, cell) * count for cell, count in design.cells(name).items())
        for shape, count in design.banks(name).items():
            macro = macro_of_shape(shape)
            banks += macro.area_um2 * count
            leakage += macro.leakage_nw * 1e-6 * count
    return logic, banks, leakage


def cell_leakage(design: Design, cell: str) -> float:
    """Mean leakage of a cell in mW."""
    values = design.library.cells[cell].leakage
    mean = values.get("", sum(values.values()) / max(len(values), 1))
    return mean * design.library.units.leakage * 1e3


def areas_around(design: Design) -> dict[str, tuple[float, float, float]]:
    """`figures` of the rows around the engines; what the chip and its core hold themselves is control."""
    found: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for parent in (design.top, "core"):
        own = design.modules[parent]
        leakage = sum(cell_leakage(design, cell) * count for cell, count in own.cells.items())
        found["chip control"].append((own.area, 0.0, leakage))
        for part in design.netlist(parent).parts:
            if part.kind in design.modules and part.kind not in ("engine", "core"):
                found[AROUND.get(part.name, "chip control")].append(figures(design, [part.kind]))
    return {name: (sum(x[0] for x in each), sum(x[1] for x in each), sum(x[2] for x in each))
            for name, each in found.items()}  # fmt: skip
