"""Measures cost.json: maps the chip, runs its parts at gate level, and puts the table together."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.synthesis.synth import synthesize
from fusioncim.build.workers import run_all
from fusioncim.chip.chip import Chip
from fusioncim.package import CLOCK_MHZ
from fusioncim_sim.gates.tile_energy import TileResult
from fusioncim_sim.gates.wire_classes import growth, units_of
from fusioncim_sim.heads.read import QWEN, SMOLLM2
from fusioncim_sim.studies.cost.additions import FEW, FIT_ROWS, SOME, Additions, read_additions
from fusioncim_sim.studies.cost.events import (
    KINDS,
    SIZES,
    TILE_KEYS,
    TILES,
    deviation,
    full_use,
    full_use_of,
    line,
    of_units,
    overhead,
)
from fusioncim_sim.studies.cost.operands import OTHERS, Operands
from fusioncim_sim.studies.cost.rows import MODULES, PAPER, PUBLISHED, SCALING, Entry, area_and_leakage, areas_around
from fusioncim_sim.studies.cost.runs import TOKENS, chip_size, engine_size, size_figures, wire_lengths
from fusioncim_sim.studies.study import Request, Stored
from fusioncim_sim.system.energy_table import BUFFER, EVENTS, ROWS, STREAM, Line

ENGINES = (1, 2, 4)
"""Engines of the chips that are simulated; each has 8 rows."""
STILL = ("normalizer",)
"""Rows of the table whose energy while streaming does not grow with the rows of the engine: the largest run counts. The
normalizer's inputs are 0 but while a row drains."""

Kinds = dict[str, dict[str, Line]]
"""Lines of the events by `KINDS`."""
Deviations = dict[str, dict[str, float]]
Lengths = Mapping[int, Mapping[str, float]]
"""Wires in mm by rows of the engine and class (`wire_classes`)."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Measure on the Nangate library; what language models add to O is in the files of the study `quality`."""
    added, uncentred = (read_additions(request.output, centred=centred) for centred in (True, False))
    yield "cost.json", measure_cost(default_liberty(), added, uncentred, request.jobs)


def measure_cost(
    liberty: Path,
    added: Mapping[str, Mapping[str, float]],
    uncentred: Mapping[str, Mapping[str, float]],
    jobs: int,
) -> dict[str, Any]:
    """Everything that cost.json holds; added, uncentred: see `read_additions`."""
    design = synthesize(Chip(PAPER), load(liberty), jobs=jobs)
    work: dict[str, Any] = {f"{rows} rows": partial(engine_size, liberty, rows) for rows in reversed(SIZES)}
    work |= {" ".join(names): partial(engine_size, liberty, FIT_ROWS, names) for names in (FEW, SOME, *OTHERS)}
    work |= {f"wires of {rows} rows": partial(wire_lengths, liberty, rows) for rows in (PAPER.engine.rows, SIZES[-1])}
    work |= {f"{engines} engines": partial(chip_size, liberty, engines) for engines in reversed(ENGINES)}
    done = run_all(work, jobs=jobs, title="gate-level runs")
    engines = {rows: done[f"{rows} rows"] for rows in SIZES}
    chips = {count: done[f"{count} engines"] for count in ENGINES}
    few, some, *others = (done[" ".join(names)] for names in (FEW, SOME, *OTHERS))
    operands = Operands(engines[FIT_ROWS], {SMOLLM2: [engines[FIT_ROWS], few, some], QWEN: others})
    lengths = {rows: done[f"wires of {rows} rows"] for rows in (SIZES[-1], PAPER.engine.rows)}
    growth = growth_of_row(engines[SIZES[-1]], lengths, Additions.UNIT)
    additions = Additions(engines, few, some, added, uncentred, growth)
    return summarize(design, engines, additions, operands, lengths, chips)


def lines_of_engines(
    engines: Mapping[int, TileResult], additions: Additions, operands: Operands, lengths: Lengths
) -> tuple[dict[str, Kinds], Deviations]:
    """Energies of the parts of an engine, lines over its rows, and how far they are from the last run in percent.

    Wires are no lines through the sizes that were run: the array of the published size is folded. They are lines from
    the last run to what it takes if the wires of a class have as many edges per mm in the published size.
    """
    events: dict[str, Kinds] = {}
    deviations: Deviations = {}
    engine = [0.0, 0.0]
    for name, units in ROWS.items():
        events[name] = {}
        for kind in KINDS:
            if kind == "wires":
                events[name][kind] = lines_of_wires(engines[SIZES[-1]], units, additions, operands, lengths)
                continue
            values = [of_units(engines[rows], units, kind) for rows in SIZES]
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
            if operands.UNIT in units:
                lines[STREAM] += Line(0.0, operands.more(kind))
            events[name][kind] = lines
            deviations[f"{name}, {kind}"] = {
                **{event: deviation(predicted[event], values[-1][event]) for event in EVENTS},
                "full_use": deviation(full_use_of(predicted), full_use_of(values[-1])),
            }
            engine = [a + full_use_of(b) for a, b in zip(engine, (predicted, values[-1]), strict=True)]
    deviations["hybrid engine"] = {"full_use": deviation(*engine)}
    return events, deviations


def growth_of_row(run: TileResult, lengths: Lengths, unit: str) -> float:
    """How many times as much the wires of a unit take per row in the published size."""
    (few, before), (many, after) = sorted(lengths.items())
    return growth(unit, run.moved_mm, before, after) * few / many


def lines_of_wires(
    run: TileResult, units: Iterable[str], additions: Additions, operands: Operands, lengths: Lengths
) -> dict[str, Line]:
    """Energies of the wires of units, lines through the run and the published size."""
    rows = run.config.rows, PAPER.engine.rows
    total = {event: Line(0.0, 0.0) for event in EVENTS}
    for unit in units:
        found, longer = of_units(run, [unit], "wires"), growth_of_row(run, lengths, unit)
        lines = {event: line(rows, (x, x * longer * rows[1] / rows[0])) for event, x in found.items()}
        if unit == additions.UNIT:
            lines[STREAM] = Line(0.0, additions.of_table("wires"))
        if unit == operands.UNIT:
            lines[STREAM] += Line(0.0, operands.more("wires") * longer)
        total = {event: total[event] + lines[event] for event in EVENTS}
    return total


def entries_around(
    design: Design, chips: Mapping[int, Mapping[str, Any]], like: Entry
) -> tuple[dict[str, Entry], dict[str, Line], Deviations]:
    """The table's rows around the engines, their lines over the engines, and how far these are from the last run.

    They are not placed: wires take as much of their logic as of that of `like`.
    """
    around: dict[str, Entry] = {}
    lines: dict[str, Line] = {}
    deviations: Deviations = {}
    areas = areas_around(design)
    wires = like.wires_fj / like.logic_fj
    for name in areas:
        logic, glitches, banks = (
            [chips[n][kind].get(name, 0.0) for n in ENGINES] for kind in ("logic", "glitches", "banks")
        )
        of_logic, of_glitches = line(ENGINES, logic), line(ENGINES, glitches)
        predicted, found = (of_logic + of_glitches).at(ENGINES[-1]), logic[-1] + glitches[-1]
        deviations[name] = {"fj_per_cycle": deviation(predicted, found)}
        at = PAPER.engines
        # Shared reads of banks: no line, see docs/cost.md.
        energies = of_logic.at(at), of_logic.at(at) * wires, of_glitches.at(at), max(banks)
        around[name] = Entry(*areas[name], *energies)
        if name != BUFFER:  # its accesses are counted
            lines[name] = of_logic * (1 + wires) + of_glitches + line(ENGINES, banks)
    return around, lines, deviations


def summarize(
    design: Design,
    engines: Mapping[int, TileResult],
    additions: Additions,
    operands: Operands,
    lengths: Lengths,
    chips: Mapping[int, Mapping[str, Any]],
) -> dict[str, Any]:
    """The table from the mapped chip and the runs."""
    events, deviations = lines_of_engines(engines, additions, operands, lengths)
    parts = {
        name: Entry(
            *area_and_leakage(design, MODULES[name]), *(full_use(kinds[kind], PAPER.engine.rows) for kind in kinds)
        )
        for name, kinds in events.items()
    }
    engine = sum(parts.values(), Entry())
    around, lines_around, deviations_around = entries_around(design, chips, engine)
    system = sum(around.values(), engine * PAPER.engines)
    table = {**parts, "hybrid engine": engine, **around, "system": system}
    return {
        "library": design.library.name,
        "voltage": design.library.voltage,
        "clock_mhz": CLOCK_MHZ,
        "chip": {"engines": PAPER.engines, "rows": PAPER.engine.rows, "columns": PAPER.engine.columns},
        "parameters": PAPER.as_dict(),
        "keys_per_tile": TILE_KEYS,
        "additions": additions.as_dict(),
        "operands": operands.as_dict(),
        "wires_mm": {
            str(rows): {name: round(mm, 1) for name, mm in units_of(each).items()} for rows, each in lengths.items()
        },
        "wires_growth": {
            unit: round(growth_of_row(engines[SIZES[-1]], lengths, unit), 3)
            for units in ROWS.values()
            for unit in units
        },
        "events": {
            name: {kind: {event: each.rounded() for event, each in lines.items()} for kind, lines in kinds.items()}
            for name, kinds in events.items()
        },
        "events_around": {name: {"fj_per_cycle": each.rounded()} for name, each in lines_around.items()},
        "engine": {"tokens": TOKENS, "tiles": TILES, "sizes": {str(n): size_figures(engines[n]) for n in SIZES}},
        "around": {str(n): chips[n] for n in ENGINES},
        "deviation_percent": deviations | deviations_around,
        "overhead_percent": round(100 * overhead(engines) / sum(part.dynamic_fj for part in parts.values()), 1),
        "table": {name: entry.as_dict(name) for name, entry in table.items()},
        "scaling": {name: asdict(factors) for name, factors in SCALING.items()},
        "published": PUBLISHED,
    }
