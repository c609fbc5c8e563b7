"""How the energy of a unit of an engine grows with the engine's parameters: its forms.

    energy in a size = energy in another * sum over forms of weight * form(size) / form(other),    weights add up to 1

`FORMS` are of gates, glitches, wires and leakage; which of them a unit has follows from its structure, their weights
are measured (`fusioncim_sim.studies.sizes`). Banks have no weights: `bank_energy` is what the memory model says about
the accesses of an event.

Energies of rows are per row; those of the OP-CIM's rows while streaming per block that is added to O.
"""

from collections.abc import Callable, Mapping, Sequence
from math import sqrt

from fusioncim.asic.memory.memory_array import ArrayMacro
from fusioncim.asic.memory.memory_model import Macro
from fusioncim_golden.config import Config

FIXED = "fixed"
FORMS: Mapping[str, Callable[[Config], float]] = {
    FIXED: lambda config: 1.0,
    "columns": lambda config: config.columns,
    "columns, span": lambda config: config.columns * _span(config),
    "columns, bits": lambda config: config.columns * config.operand_bits,
    "columns, stages": lambda config: config.columns * config.rows_per_lane,
    "columns, rank": lambda config: config.columns * config.update_rank,
    "columns, accumulator bits": lambda config: config.columns * config.accumulator_bits,
    "magnitude bits": lambda config: config.operand_bits - 1,
    "magnitudes": lambda config: config.columns * (config.operand_bits - 1),
    "magnitudes, bits": lambda config: config.columns * (config.operand_bits - 1) ** 2,
    "magnitudes, span": lambda config: config.columns * (config.operand_bits - 1) * _span(config),
    "products": lambda config: config.columns * config.block_cycles * (config.probability_bits + 1),
    "products, glitches": lambda config: config.columns * config.operand_bits**2 / min(max(config.update_rank, 4), 8),
    "rank": lambda config: config.update_rank,
    "stages": lambda config: config.rows_per_lane,
    "lanes": lambda config: 1 / config.rows_per_lane,
    "units": lambda config: config.units,
    "units, accumulator bits": lambda config: config.units * config.accumulator_bits,
    "score bits": lambda config: config.score_bits,
    "scores": lambda config: 1 / config.operand_bits,
    "scores, bits": lambda config: config.score_bits / config.operand_bits,
    "blocks": lambda config: 1 / config.block_cycles,
    "span": lambda config: _span(config),
}
"""Every form by its name.

stages: registers by which the rows of a lane are behind each other. magnitudes: of a query, without its signs; carries
go further through more bits. products: bits of them in a block; a pair of probabilities has one bit more than each.
Sums of fewer of them glitch more: that is how they are mapped and no law, so it ends at the ranks that were measured.
lanes: per row. scores, blocks: of a row, per cycle of work. span: of the placed engine, whose area grows with columns
and bits.
"""


def _span(config: Config) -> float:
    return sqrt(config.columns * config.operand_bits)


IP_ROWS, IP_SHARED, OP_ROWS, OP_SHARED = (
    "IP-CIM rows",
    "IP-CIM broadcast and correction",
    "OP-CIM rows",
    "OP-CIM broadcast",
)
STREAM, TILE, IDLE, LEAKAGE = "stream_fj_per_cycle", "tile_fj", "idle_fj_per_cycle", "leakage"
EVENTS = (STREAM, TILE, IDLE, LEAKAGE)
"""Events of the energy table, and leakage."""

GATES: Mapping[str, Mapping[str, Sequence[str]]] = {
    IP_ROWS: {
        STREAM: ("magnitudes", "magnitudes, bits", "magnitude bits"),
        TILE: ("columns, bits", FIXED),
        IDLE: ("score bits", FIXED),
        LEAKAGE: ("magnitudes", "columns", FIXED),
    },
    IP_SHARED: {
        STREAM: ("columns, stages", "columns", FIXED),
        TILE: ("magnitudes", "magnitudes, bits", FIXED),
        IDLE: ("stages", FIXED),
        LEAKAGE: ("columns, stages", "columns, bits", FIXED),
    },
    OP_ROWS: {
        STREAM: ("products", "columns, bits", "columns, accumulator bits"),
        TILE: ("columns, accumulator bits", FIXED),
        IDLE: ("units, accumulator bits", "units", FIXED),
        LEAKAGE: ("columns", "units, accumulator bits", FIXED),
    },
    OP_SHARED: {
        STREAM: ("columns, stages", "columns", FIXED),
        TILE: ("units, accumulator bits", "columns, stages", FIXED),
        IDLE: ("stages", FIXED),
        LEAKAGE: ("columns, stages", "columns", FIXED),
    },
    "softmax": {
        STREAM: ("scores", "scores, bits", "blocks"),
        TILE: (FIXED, "scores"),
        IDLE: ("lanes", FIXED),
        LEAKAGE: ("lanes", FIXED),
    },
    "normalizer": {
        STREAM: ("units", FIXED),
        TILE: ("columns, accumulator bits", FIXED),
        IDLE: ("units, accumulator bits", FIXED),
        LEAKAGE: ("units, accumulator bits", FIXED),
    },
    "key/value buffer": {
        STREAM: ("columns", "columns, bits", "columns, rank", FIXED),
        TILE: ("columns, bits", "columns, rank", FIXED),
        IDLE: ("columns", FIXED),
        LEAKAGE: ("columns, rank", "columns, bits", "columns"),
    },
    "control": {
        STREAM: ("columns, bits", "columns", FIXED),
        TILE: ("columns, bits", "columns", FIXED),
        IDLE: ("stages", "rank", FIXED),
        LEAKAGE: ("columns", "stages", "rank", FIXED),
    },
}
"""Forms of a unit's gates, and of their glitches, by event."""
GLITCHES: Mapping[tuple[str, str], Sequence[str]] = {
    (OP_ROWS, STREAM): ("products", "columns, bits", "products, glitches"),
}
"""Forms of glitches where they are others."""
WIRES: Mapping[str, Sequence[str]] = {
    IP_ROWS: ("magnitudes", "magnitudes, span", FIXED),
    IP_SHARED: ("columns, stages", "columns, span", FIXED),
    OP_ROWS: ("columns", "columns, span", FIXED),
    OP_SHARED: ("columns, stages", "columns, span", FIXED),
    "softmax": ("scores", "scores, bits", FIXED),
    "normalizer": ("columns", "columns, span", "units"),
    "key/value buffer": ("columns", "columns, span", FIXED),
    "control": ("columns", "columns, span", FIXED),
}
"""Forms of the wires that a unit drives; those of an idle cycle are of its clock and grow as its gates do."""


def forms_of(unit: str, event: str, kind: str) -> Sequence[str]:
    """Forms of a kind of energy of an event."""
    if kind == "wires" and event != IDLE:
        return WIRES[unit]
    return GLITCHES.get((unit, event), GATES[unit][event]) if kind == "glitches" else GATES[unit][event]


def form(name: str, config: Config, other: Config) -> float:
    """How many times as large it is in a configuration as in another."""
    return FORMS[name](config) / FORMS[name](other)


def weighted(weights: Mapping[str, float], config: Config, other: Config) -> float:
    """The same of forms with weights."""
    return sum(weight * form(name, config, other) for name, weight in weights.items())


def bank_energy(unit: str, event: str, config: Config) -> float:
    """What the banks of a unit take in an event, or leak, up to a factor that is the same for all configurations."""
    row = config.words << (config.rows_per_lane - 1).bit_length()
    rows = config.rows_per_lane if event in (IDLE, LEAKAGE) else config.operand_bits
    if unit == IP_ROWS:
        query = ArrayMacro(config.words, config.columns * config.operand_bits)
        return query.read_energy_fj / config.block_cycles if event == STREAM else _energy(event, query)
    if unit == IP_SHARED:
        return _energy(event, Macro(row, config.operand_bits + (config.columns - 1).bit_length())) / rows
    if unit == OP_ROWS:
        outputs = Macro(config.block_cycles, config.units * config.accumulator_bits)
        many = config.words if event in (IDLE, LEAKAGE) else config.block_cycles
        return many * (outputs.read_energy_fj if event == TILE else _energy(event, outputs))
    if unit == "softmax":
        return _energy(event, Macro(row, 64)) / rows
    if unit == "key/value buffer":
        width, rank = config.columns * config.operand_bits, config.update_rank
        keys, values = Macro(4 * rank, width), Macro(4, width)
        if event in (IDLE, LEAKAGE):
            return _energy(event, keys) + rank * _energy(event, values)
        return (_energy(event, keys) + _energy(event, values)) / (config.operand_bits if event == STREAM else 1)
    return 1.0


def _energy(event: str, bank: Macro) -> float:
    """A read and a write per stream, a write per tile, clock gates per idle cycle, leakage."""
    return {
        STREAM: bank.read_energy_fj + bank.write_energy_fj,
        TILE: bank.write_energy_fj,
        IDLE: bank.idle_energy_fj,
        LEAKAGE: bank.leakage_nw,
    }[event]
