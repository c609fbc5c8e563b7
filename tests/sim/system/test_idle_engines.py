"""Engines without work: their clock and leakage beside those of the whole chip, and what a gate at the root takes."""

import numpy as np
import pytest

from fusioncim.asic.cells.table_lookup import toggle_energy
from fusioncim.asic.power.clock_tree import TREE_LOAD_FF
from fusioncim.asic.power.transitions import TRANSITION
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.system.cycles import Counts
from fusioncim_sim.system.dram import dram
from fusioncim_sim.system.energy import energy
from fusioncim_sim.system.energy_table import ENGINE_PARTS, LEAKAGE, corner, default_table, read_table
from fusioncim_sim.system.idle_engines import ROOT_GATE, engine_leakage, idle_energy, saved_by_gates, saved_by_switches

TABLE = read_table(default_table())
PAPER = PRESETS["paper"]
AT = corner("28 nm, 0.9 V")


def test_a_chip_without_work_takes_what_its_engines_take():
    """A quarter of the engine-cycles without a tile, the others wait."""
    counters = Counts(cycles=1000, idle_imbalance=4000, idle_memory=12_000)
    whole = energy(TABLE, PAPER, counters, 0, dram("lpddr5"), 400.0, AT)
    found = idle_energy(TABLE, PAPER, counters, 400.0, AT)
    clock = sum(whole[part] for part in ENGINE_PARTS)
    leakage = whole[LEAKAGE] * 16 * engine_leakage(TABLE, PAPER) / TABLE.leakage(PAPER)
    parts = {part: TABLE.leakage_mw[part] * TABLE.copies(PAPER, part) for part in ENGINE_PARTS}
    assert engine_leakage(TABLE, PAPER) == pytest.approx(sum(parts.values()))
    assert found["clock, no tile"] == pytest.approx(clock / 4)
    assert found["clock, waiting"] == pytest.approx(clock * 3 / 4)
    assert found["leakage, no tile"] == pytest.approx(leakage / 4)
    assert found["leakage, waiting"] == pytest.approx(leakage * 3 / 4)
    assert found["clock gates"] < clock / 500
    assert saved_by_gates(found) == pytest.approx((clock / 4 - found["clock gates"], clock - found["clock gates"]))
    assert saved_by_switches(found) == pytest.approx(0.97 * leakage / 4)


def test_engines_that_work_are_none_without_work():
    found = idle_energy(TABLE, PAPER, Counts(cycles=1000, mac_cycles=16_000), 400.0, AT)
    assert {kind for kind, joules in found.items() if joules} == {"clock gates"}


def test_the_gate_is_the_one_of_the_library(library):
    cell, units = library.cells["CLKGATE_X8"], library.units
    pins = cell.pins

    def fj(power, load_ff):
        point = TRANSITION * 1e-9 / units.time, load_ff * 1e-15 / units.capacitance
        return 2 * float(toggle_energy(power, *(np.array([x]) for x in point))[0]) * units.energy * 1e15

    def when(name, condition):
        return next(power for power in pins[name].power if str(power.when) == condition)

    clock_pin = pins["CK"].capacitance * units.capacitance * 1e15 * library.voltage**2
    open_fj = fj(when("GCK", "E"), TREE_LOAD_FF) + fj(when("CK", "((~GCK) & E)"), 0.0) / 2 + clock_pin
    assert (cell.area, cell.leakage[""]) == pytest.approx((ROOT_GATE.um2, ROOT_GATE.nw), rel=1e-3)
    assert open_fj == pytest.approx(ROOT_GATE.fj, rel=1e-2)
