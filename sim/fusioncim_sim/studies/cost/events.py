"""Energies per event from gate-level runs of engines: lines over the rows, and how well they predict another run."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from fusioncim.asic.power.power import Energy
from fusioncim_sim.gates.tile_energy import TileResult
from fusioncim_sim.studies.cost.rows import PAPER
from fusioncim_sim.system.energy_table import EVENTS, STREAM, Line

SIZES = (8, 16, 24)
"""Rows of the engines that are simulated."""
TILES = 1
"""Tiles of every run."""
PREFILL = 4096
"""Tokens of the causal prefill that the table is of."""
TILE_KEYS = PREFILL // 2
"""Keys that a tile sees, the mean. Its load and drain are spread over them."""
OVERHEAD = ("IP-CIM broadcast and correction", "OP-CIM broadcast", "controller", "engine")
"""Units that are control and broadcast."""


KINDS: Mapping[str, Callable[[Energy], float]] = {
    "logic": lambda energy: energy.logic - energy.leakage - energy.wires - energy.glitches,
    "wires": lambda energy: energy.wires,
    "glitches": lambda energy: energy.glitches,
    "banks": lambda energy: energy.memory,
}
"""What takes the energy of an event; leakage is power."""


def line(sizes: Sequence[float], values: Sequence[float]) -> Line:
    """Through the first two points."""
    slope = (values[1] - values[0]) / (sizes[1] - sizes[0])
    return Line(values[0] - slope * sizes[0], slope)


def deviation(predicted: float, measured: float) -> float:
    """Of what a line says from what was measured, in percent."""
    return round(100 * (predicted / measured - 1), 2) if measured else 0.0


def busy_cycles(run: TileResult) -> float:
    """Cycles that the multiply-accumulates would take at full use."""
    return run.macs / run.config.macs_per_cycle


def of_units(run: TileResult, units: Iterable[str], kind: str) -> dict[str, float]:
    """`EVENTS` of units, of one of `KINDS`."""

    def dynamic(phase: str) -> float:
        return sum(KINDS[kind](run.phases[phase][1][unit]) for unit in units)

    cycles = {phase: run.phases[phase][0] for phase in run.phases}
    idle = dynamic("idle") / cycles["idle"]
    beyond = {phase: dynamic(phase) - idle * cycles[phase] for phase in cycles}
    return {
        STREAM: beyond["stream"] / busy_cycles(run),
        "tile_fj": (beyond["load"] + beyond["drain"]) / TILES,
        "idle_fj_per_cycle": idle,
    }


def full_use(events: Mapping[str, Line], rows: int) -> float:
    """Energy per cycle of an engine that always streams."""
    return full_use_of({event: events[event].at(rows) for event in EVENTS})


def full_use_of(energies: Mapping[str, float], bits: int = PAPER.engine.operand_bits) -> float:
    """The same, from the energies of `EVENTS`; bits: cycles per key."""
    stream, tile, idle = (energies[event] for event in EVENTS)
    return stream + tile / (TILE_KEYS * bits) + idle


def overhead(engines: Mapping[int, TileResult]) -> float:
    """Energy per busy cycle of control, broadcast and the rest of the clock tree, as in the phase `stream`."""

    def of(run: TileResult) -> float:
        energies = run.phases["stream"][1]
        own = sum(energies[unit].logic - energies[unit].leakage for unit in OVERHEAD)
        return (own + sum(each.tree for unit, each in energies.items() if unit not in OVERHEAD)) / busy_cycles(run)

    return line(SIZES, [of(engines[rows]) for rows in SIZES]).at(PAPER.engine.rows)
