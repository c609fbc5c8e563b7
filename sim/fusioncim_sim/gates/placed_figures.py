"""What `fusioncim timing --wires` finds: a placed engine without wires, with them, and with buffers for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.table_lookup import Floats
from fusioncim.asic.netlist.cell_groups import grouped
from fusioncim.asic.netlist.loads import net_loads
from fusioncim.asic.netlist.netlist import clock_nets
from fusioncim.asic.placed_timing import PlacedTiming, analyse_placed
from fusioncim.asic.placement.placement import Placement
from fusioncim.asic.placement.repair import Repaired, repaired
from fusioncim.asic.placement.steiner import net_lengths
from fusioncim.asic.placement.wires import FF_UM
from fusioncim.asic.spef import OHM_UM
from fusioncim.asic.synthesis.synth_recipe import fallbacks
from fusioncim.build.workers import run_all
from fusioncim_golden.config import Config
from fusioncim_sim.gates.asic_figures import period_of
from fusioncim_sim.gates.engine_placement import engine_placement

CELLS, WIRES, BUFFERS = "cells alone", "with wires", "with wires and buffers for them"
"""What is timed."""


@dataclass(frozen=True)
class PlacedEngine:
    """An engine against the clock.

    Members:
        placement: before anything was changed.
        period_ns: asked for.
        ff_um: capacitance of wires.
        timings: by what is timed.
        repair: what was changed for the last of them.
        load_pf: of all nets but those of clocks, pins and wires, before and after.
    """

    placement: Placement
    period_ns: float
    ff_um: float
    timings: Mapping[str, PlacedTiming]
    repair: Repaired
    load_pf: tuple[float, float]

    @property
    def reached(self) -> bool:
        """Whether the period is, with wires."""
        return self.timings[BUFFERS].shortest_ns <= self.period_ns


def time_placed(
    config: Config, library: Library, clock_mhz: float, ff_um: float = FF_UM, jobs: int = 1
) -> PlacedEngine:
    """Map an engine, place it, repair it for its wires, and time all of that."""
    period = period_of(clock_mhz)
    placement = engine_placement(config, library, jobs)
    name = f"{len(placement.flat.cells):,} cells"
    work = partial(repaired, placement, library, period, ff_um=ff_um)
    repair: Repaired = run_all({name: work}, jobs=1, title="buffers")[name]
    wires = net_lengths(*placement.pins, placement.flat.nets) * ff_um, repair.length * ff_um
    states = {
        CELLS: (placement, np.zeros_like(wires[0])),
        WIRES: (placement, wires[0]),
        BUFFERS: (repair.placement, wires[1]),
    }
    timings = run_all(
        {name: partial(analyse_placed, *state, library, period) for name, state in states.items()},
        jobs=jobs, title="timing",
    )  # fmt: skip
    loads = (load_of(placement, wires[0], library), load_of(repair.placement, wires[1], library))
    return PlacedEngine(placement, period, ff_um, timings, repair, loads)


def load_of(placement: Placement, wire_ff: Floats, library: Library) -> float:
    """Capacitance of all nets but those of clocks in pF, pins and wires."""
    flat = placement.flat
    pins = net_loads(flat, library, grouped(flat, library), {})
    pins[list(clock_nets(flat, library))] = 0
    return round(float(pins.sum()) * library.units.capacitance * 1e12 + float(wire_ff.sum()) / 1000, 1)


def placed_figures(timed: PlacedEngine, config: Config, library: Library) -> dict[str, Any]:
    """As JSON data."""
    last = timed.timings[BUFFERS]
    return {
        "library": library.name,
        "fallbacks": fallbacks(library),
        "parameters": config.as_dict(),
        "period_ns": timed.period_ns,
        "wire_ff_um": timed.ff_um,
        "wire_ohm_um": OHM_UM,
        "shortest_period_ns": last.shortest_ns,
        "bank_period_ns": last.bank_ns,
        "reached": timed.reached,
        "paths": {
            name: {
                "shortest_ns": timing.shortest_ns,
                "frequency_mhz": round(1000 / timing.shortest_ns, 1),
                "start": timing.paths[0].start,
                "end": timing.paths[0].end,
            }
            for name, timing in timed.timings.items()
        },
        "buffers": {
            "of_synthesis": dict(timed.repair.removed),
            "by_place": dict(timed.repair.added),
            "other_strength": timed.repair.resized,
            "cells_um2": list(timed.repair.area),
        },
        "load_pf": list(timed.load_pf),
    }
