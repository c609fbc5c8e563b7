"""What engines without work take, and what could be saved of it.

    clock       energy of a cycle of an idle engine * its cycles: flip-flops, clock gates and banks that are clocked
    leakage     power of an engine * the time

Both stand for two kinds of cycles, as the counters book them: an engine has no tile (`idle_imbalance`), or it keeps a
tile and waits for keys (`idle_memory`). Two ways to save:

    clock gates     one at the root of each engine's clock. It stops the clock of engines without a tile, and of those
                    that wait once their pipeline is empty: of these at most all is saved. Each gate and the flip-flop
                    that opens it take energy in every cycle.
    power switches  one per engine. An engine that is off keeps nothing, so only those without a tile can be. It leaks
                    `OFF` of what it did.
"""

from collections.abc import Mapping
from dataclasses import replace

from fusioncim.asic.memory.memory_technology import FLOP, Element
from fusioncim.asic.scaling import Point, scale
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_sim.system.cycles import Counts
from fusioncim_sim.system.energy_table import AROUND_PARTS, BUFFER, ENGINE_PARTS, EnergyTable

NO_TILE, WAITING = "no tile", "waiting"
CLOCK, LEAKAGE = "clock", "leakage"
GATES = "clock gates"
"""What the gates would take."""

ROOT_GATE = Element(um2=6.916, fj=57.0, nw=197.7)
"""CLKGATE_X8 of the library. Energy: of a cycle in which it is open, its output 39.0, input 8.7 and clock pin 9.3;
closed it takes 16.6."""
OFF = 0.03
SWITCH_AREA = 0.033
WAKE_CYCLES = 10
"""Leakage that is left of logic that is switched off, area of the switches over that of a chip, cycles until a whole
array is on: Y. Xue and J. Huang, ReGate, MICRO 2025, whose model is platformxlab/NeuSim, PowerGatingConfig.py."""


def idle_energy(
    table: EnergyTable, chip: ChipConfig, counters: Counts, clock_mhz: float, at: Point
) -> dict[str, float]:
    """Joules of the clock and of the leakage of engines by kind of cycle, and of `GATES`."""
    factor = scale(at).energy * 1e-15
    cycles = {NO_TILE: counters.idle_imbalance, WAITING: counters.idle_memory}
    clock_fj = sum(table.engine[part].idle.at(chip.engine.rows) * table.copies(chip, part) for part in ENGINE_PARTS)
    leakage_fj = engine_leakage(table, chip) * 1e6 / clock_mhz
    gate_fj = ROOT_GATE.fj + FLOP.fj + (ROOT_GATE.nw + FLOP.nw) / clock_mhz
    return {
        **{f"{CLOCK}, {kind}": clock_fj * each * factor for kind, each in cycles.items()},
        **{f"{LEAKAGE}, {kind}": leakage_fj * each * factor for kind, each in cycles.items()},
        GATES: gate_fj * counters.cycles * chip.engines * factor,
    }


def engine_leakage(table: EnergyTable, chip: ChipConfig) -> float:
    """Leakage of an engine in mW."""
    others = dict.fromkeys((BUFFER, *AROUND_PARTS), 0.0)
    return replace(table, leakage_mw={**table.leakage_mw, **others}).leakage(chip) / chip.engines


def saved_by_gates(idle: Mapping[str, float]) -> tuple[float, float]:
    """Joules that clock gates save of `idle_energy`: of engines without a tile, and if all that wait are stopped."""
    least = idle[f"{CLOCK}, {NO_TILE}"] - idle[GATES]
    return least, least + idle[f"{CLOCK}, {WAITING}"]


def saved_by_switches(idle: Mapping[str, float]) -> float:
    """Joules that power switches save of `idle_energy`."""
    return (1 - OFF) * idle[f"{LEAKAGE}, {NO_TILE}"]
