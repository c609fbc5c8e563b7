"""The arrays that are measured: an engine of `paper` with other columns, bits or rank, few rows, placed, at gates.

All have the same operands as far as their shape allows: `PAIR` side by side. Twice as many columns have it twice, half
as many every second column of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fusioncim.asic.cells.liberty import load
from fusioncim.asic.power.power import Energy
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.config import Config
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.gates.tile_energy import TileResult, engine_wires, run_tile
from fusioncim_sim.heads.captured import captured_heads
from fusioncim_sim.heads.read import Head
from fusioncim_sim.studies.cost.events import KINDS, busy_cycles, of_units
from fusioncim_sim.system.size_forms import GATES, LEAKAGE, OP_ROWS, STREAM

PAPER = PRESETS["paper"].engine
ROWS, TOKENS = 8, 128
PERIOD_NS = 1000 / CLOCK_MHZ
SIZE_UNITS = {unit: [unit] for unit in GATES} | {"control": ["controller", "engine"]}
"""Units of an engine as `size_forms` has them."""


@dataclass(frozen=True)
class Array:
    """What differs from `PAPER`."""

    changes: Mapping[str, Any]

    @property
    def config(self) -> Config:
        """With few rows."""
        bits = self.changes.get("operand_bits", PAPER.operand_bits)
        return PAPER.override(**{"rows": ROWS, "softmax_lanes": ROWS // bits, **self.changes})


def _array(columns: int, bits: int, rank: int, **more: int) -> tuple[str, Array]:
    changes = {"columns": columns, "operand_bits": bits, "update_rank": rank, **more}
    return f"{columns} columns, {bits} bits, rank {rank}", Array(changes)


ANCHOR = "`paper`"
ARRAYS = {
    ANCHOR: Array({}),
    **dict(
        [
            _array(64, 8, 8),
            _array(64, 8, 4),
            _array(128, 4, 8),
            _array(256, 4, 8),
            _array(64, 4, 4),
        ]
    ),
}
"""The measured arrays by name; `ANCHOR` is run by the study `cost`."""
VARIED = ("columns", "operand_bits", "update_rank")
"""Parameters in which they differ."""


def measure_array(liberty: Path, array: Array) -> dict[str, Any]:
    """Map, place and run it: energies by unit, event and kind."""
    config, library = array.config, load(liberty)
    wires = engine_wires(config, library)
    run = run_tile(config, library, heads_of(config), TOKENS, PERIOD_NS, wires=wires)
    return _figures(array, run)


def _figures(array: Array, run: TileResult) -> dict[str, Any]:
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
    """By unit, event and kind in fJ, leakage in mW; rows of the OP-CIM stream per block that is added to O."""
    time_ns = run.clock_cycles * run.period_ns
    per_block = busy_cycles(run) / run.additions
    found = {}
    for unit, parts in SIZE_UNITS.items():
        events = _by_event({kind: of_units(run, parts, kind) for kind in KINDS})
        if unit == OP_ROWS:
            events[STREAM] = {kind: round(fj * per_block, 1) for kind, fj in events[STREAM].items()}
        leaked = sum((run.energies[part] for part in parts), Energy())
        mw = {"logic": leaked.leakage, "banks": leaked.memory_leakage}
        found[unit] = {**events, LEAKAGE: {kind: round(fj / time_ns * 1e-3, 6) for kind, fj in mw.items()}}
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
        additions=figures["additions"],
        mismatches=figures["mismatches"],
        phases=phases,
    )
    return _figures(Array({}), run)


def _by_event(kinds: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    events = next(iter(kinds.values()))
    return {event: {kind: round(each[event], 1) for kind, each in kinds.items()} for event in events}
