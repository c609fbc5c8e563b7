"""The arrays that are measured: an engine of `paper` with other columns, bits or rank, few rows, placed, at gates.

All have the same operands as far as their shape allows: the pair of heads that an engine of `paper` gets. Twice as many
columns have it twice, half as many every second column of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fusioncim.asic.cells.liberty import load
from fusioncim.asic.power.power import Energy
from fusioncim_golden.config import Config
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.gates.tile_energy import TileResult, engine_wires, run_tile
from fusioncim_sim.heads.captured import captured_heads
from fusioncim_sim.heads.read import Head
from fusioncim_sim.studies.cost.events import KINDS, SIZES, busy_cycles, of_units
from fusioncim_sim.studies.cost.runs import PERIOD_NS, TOKENS
from fusioncim_sim.system.energy_sizes import BANKS
from fusioncim_sim.system.size_forms import EVENTS, GATES, IDLE, IP_ROWS, LEAKAGE, OP_ROWS, STREAM, TILE

PAPER = PRESETS["paper"].engine
ROWS = SIZES[0]
SIZE_UNITS = {unit: [unit] for unit in GATES} | {"control": ["controller", "engine"]}
"""Units of an engine as `size_forms` has them."""
PER_ROW = {(unit, event) for unit in (IP_ROWS, OP_ROWS, "softmax") for event in EVENTS} | {("normalizer", TILE)}
"""What energies are of a row."""


@dataclass(frozen=True)
class Array:
    """What differs from `PAPER`."""

    changes: Mapping[str, Any]

    @property
    def config(self) -> Config:
        """With few rows."""
        values = {"rows": ROWS, **self.changes}
        bits = values.get("operand_bits", PAPER.operand_bits)
        return PAPER.override(softmax_lanes=values["rows"] // bits, **values)


ANCHOR = "`paper`"
ARRAYS = {
    ANCHOR: Array({}),
    "64 columns, 8 bits, rank 8": Array({"columns": 64}),
    "64 columns, 8 bits, rank 4": Array({"columns": 64, "update_rank": 4}),
    "64 columns, 4 bits, rank 4": Array({"columns": 64, "operand_bits": 4, "update_rank": 4}),
    "128 columns, 4 bits, rank 8": Array({"operand_bits": 4}),
    "256 columns, 4 bits, rank 8": Array({"columns": 256, "operand_bits": 4}),
}
"""The measured arrays by name; `ANCHOR` is run by the study `cost`."""
VARIED = ("columns", "operand_bits", "update_rank")
"""Parameters in which they differ."""


def measure_array(liberty: Path, array: Array) -> dict[str, Any]:
    """Map, place and run it: energies by unit, event and kind."""
    config, library = array.config, load(liberty)
    wires = engine_wires(config, library)
    run = run_tile(config, library, heads_of(config), TOKENS, PERIOD_NS, wires=wires)
    return figures_of(array, run)


def figures_of(array: Array, run: TileResult) -> dict[str, Any]:
    """For a file."""
    return {
        "changes": dict(array.changes),
        "cycles": run.cycles,
        "macs": run.macs,
        "additions": run.additions,
        "mismatches": run.mismatches,
        "energies": energies(run),
    }


def heads_of(config: Config) -> list[Head]:
    """The pair of heads for so many columns."""
    pair = captured_heads(PAPER)
    if config.columns % PAPER.columns == 0:
        return pair * (config.columns // PAPER.columns)
    step = PAPER.columns // config.columns
    q, k, v = (np.concatenate([getattr(head, name) for head in pair], axis=-1)[:, ::step] for name in "qkv")
    return [replace(pair[0], q=q, k=k, v=v)]


def energies(run: TileResult) -> dict[str, Any]:
    """By unit, event and kind in fJ, leakage in mW; some `PER_ROW`.

    Rows of the OP-CIM stream per block that is added to O.
    """
    config, time_ns = run.config, run.clock_cycles * run.period_ns
    found: dict[str, Any] = {}
    for unit, parts in SIZE_UNITS.items():
        of_kinds = {kind: of_units(run, parts, kind) for kind in KINDS}
        leaked = sum((run.energies[part] for part in parts), Energy())
        mw = {"logic": leaked.leakage, BANKS: leaked.memory_leakage}
        found[unit] = {LEAKAGE: {kind: fj / time_ns * 1e-3 for kind, fj in mw.items()}}
        for event in (STREAM, TILE, IDLE):
            found[unit][event] = {kind: each[event] for kind, each in of_kinds.items()}
        many = {event: config.rows if (unit, event) in PER_ROW else 1.0 for event in EVENTS}
        if unit == OP_ROWS:
            many[STREAM] = run.additions / busy_cycles(run)
        found[unit] = {
            event: {kind: round(value / many[event], 6 if event == LEAKAGE else 2) for kind, value in values.items()}
            for event, values in found[unit].items()
        }
    return found


def stored_array(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The array of `PAPER` from its run in cost.json, as `measure_array` gives it."""
    phases = {
        name: (phase["cycles"], {unit: Energy(**fj) for unit, fj in phase["fj"].items()})
        for name, phase in figures["phases"].items()
    }
    run = TileResult(
        config=Array({}).config,
        heads=tuple(figures["heads"]),
        tokens=TOKENS,
        queries=ROWS,
        period_ns=PERIOD_NS,
        cycles=figures["cycles"],
        macs=figures["macs"],
        columns=Array({}).config.columns,
        additions=figures["additions"],
        mismatches=figures["mismatches"],
        phases=phases,
    )
    return figures_of(Array({}), run)
