"""Energy of what a chip's counters counted, by component.

    engine part   stream(rows) * cycles in which it multiplies + tile(rows) / rows * rows loaded + idle(rows) * cycles
    around        per running cycle, a line over the engines; accesses of the global buffer are counted
    leakage       power * time
    DRAM          bits read and written * energy of a bit

The lines are those of the cost table, `measurements/cost.json` (`fusioncim_sim.cost`), at the cell library's corner;
other corners are scaled as `fusioncim.flow.scaling` says, DRAM not. They hold for the configuration that they were
measured for: only parameters over which they are lines, or that they do not depend on (`FREE`), may differ. What the
OP-CIM takes depends on how many blocks its rows add to O, and that on how many keys they see (`EnergyTable.seeing`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log2
from pathlib import Path
from typing import Any

import numpy as np

from fusioncim.flow.memory_model import Macro
from fusioncim.flow.scaling import LIBRARY, Point, scale
from fusioncim_golden.chip import ChipConfig
from fusioncim_golden.config import check_choice
from fusioncim_golden.errors import InputError
from fusioncim_sim.cost import BUFFER, EVENTS, ROWS, Line
from fusioncim_sim.system.cycles import Counters
from fusioncim_sim.system.dram import Dram

FREE = ("engines", "buffer_bytes", "rows", "softmax_lanes", "schedule", "slack", "seed")
"""Parameters that may differ from the table's: lines, counted accesses, and what changes data but no hardware of note.
Lanes follow the rows, `operand_bits` rows each."""
ENGINE_PARTS = tuple(ROWS)
ARRAY_PARTS = ("IP-CIM", "OP-CIM", "softmax")
"""Those that grow with the rows of an engine."""
AROUND_PARTS = ("network", "memory interface", "chip control")
LEAKAGE, DRAM = "leakage", "DRAM"
COMPONENTS = (*ENGINE_PARTS, BUFFER, *AROUND_PARTS, LEAKAGE, DRAM)
CORNERS: Mapping[str, Point] = {
    f"{point.node} nm, {point.voltage} V": point for point in (LIBRARY, Point(28, 0.9), Point(28, 0.72))
}


@dataclass(frozen=True)
class Event:
    """Energies of a part of an engine in fJ, lines over its rows, see `cost.EVENTS`."""

    stream: Line
    tile: Line
    idle: Line

    def busy(self, rows: int) -> float:
        """Of a cycle in which it multiplies."""
        return self.stream.at(rows) + self.idle.at(rows)

    def row(self, rows: int) -> float:
        """Of a row that is loaded and drained."""
        return self.tile.at(rows) / rows

    def __mul__(self, factor: float) -> "Event":
        return Event(self.stream * factor, self.tile * factor, self.idle * factor)


@dataclass(frozen=True)
class EnergyTable:
    """Energies per event at the library's corner.

    around: of a running cycle in fJ, lines over the engines; per_key: blocks that a row adds to O per key that it sees,
    which is in the OP-CIM's energy; by_keys: the same if a row sees so many keys in the mean; addition_fj: one of them.
    """

    configuration: Mapping[str, Any]
    engine: Mapping[str, Event]
    around: Mapping[str, Line]
    leakage_mw: Mapping[str, float]
    per_key: float
    by_keys: Mapping[float, float]
    addition_fj: float
    source: str

    @property
    def added(self) -> float:
        """Share of the keys that a row sees whose blocks it adds to O."""
        return self.per_key * self.configuration["update_rank"]

    def seeing(self, keys: float) -> "EnergyTable":
        """The table for rows that see so many keys in the mean: between those of `by_keys` by the logarithm."""
        known = sorted(self.by_keys)
        per_key = float(np.interp(log2(keys), [log2(n) for n in known], [self.by_keys[n] for n in known]))
        more = (per_key - self.per_key) * self.addition_fj / self.configuration["operand_bits"]
        array = self.engine["OP-CIM"]
        engine = {**self.engine, "OP-CIM": replace(array, stream=array.stream + Line(0.0, more))}
        return replace(self, engine=engine, per_key=per_key)

    def check(self, chip: ChipConfig) -> None:
        """Refuse a chip for which the table was not measured."""
        values = chip.as_dict()
        for name, value in self.configuration.items():
            if name not in FREE and values[name] != value:
                raise InputError(
                    f"the energy table is of another configuration: {name} must be {value}, not {values[name]} "
                    f"({self.source}); --no-energy leaves energies out"
                )
        engine = chip.engine
        if engine.rows % engine.operand_bits or engine.rows_per_lane != engine.operand_bits:
            raise InputError(
                f"the energy table holds for softmax_lanes = rows / operand_bits, not for {engine.softmax_lanes}"
            )

    def leakage(self, chip: ChipConfig) -> float:
        """Leakage of the chip in mW: arrays grow with their rows, the global buffer with its bytes."""
        rows = chip.engine.rows / self.configuration["rows"]
        engines = sum(self.leakage_mw[part] * (rows if part in ARRAY_PARTS else 1) for part in ENGINE_PARTS)
        buffer = self.leakage_mw[BUFFER] * chip.buffer_bytes / self.configuration["buffer_bytes"]
        return engines * chip.engines + buffer + sum(self.leakage_mw[part] for part in AROUND_PARTS)


def default_table(name: str = "cost.json") -> Path:
    """A measurement of this package, or of the repository around it."""
    packaged = Path(__file__).parents[1] / "data" / name
    return packaged if packaged.exists() else Path(__file__).parents[3] / "measurements" / name


def read_table(path: Path) -> EnergyTable:
    """The energies of a cost.json."""
    try:
        data = json.loads(path.read_bytes())
        engine = {name: _event(part) for name, part in data["events"].items()}
        around = {name: Line(**part["fj_per_cycle"]) for name, part in data["events_around"].items()}
        parts = (*ENGINE_PARTS, *AROUND_PARTS, BUFFER)
        leakage = {name: row["measured"]["leakage_mw"] for name, row in data["table"].items() if name in parts}
        additions = data["additions"]
        by_keys = {int(tokens) / 2: one["per_key"] for tokens, one in additions["lengths"].items()}
        addition = sum(one["b"] for one in additions["fj_per_row_and_cycle"].values())
        per_key = by_keys[data["keys_per_tile"]]
        table = EnergyTable(data["parameters"], engine, around, leakage, per_key, by_keys, addition, path.name)
        missing = {*ENGINE_PARTS} - {*engine} | {*AROUND_PARTS} - {*around} | {*parts} - {*leakage}
    except OSError as error:
        raise InputError(f"the energy table cannot be read ({error.strerror}): {path}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the file is no cost table ({type(error).__name__} {error}): {path}") from error
    if missing:
        raise InputError(
            f"the energy table must have every part of the chip, {', '.join(sorted(missing))}, not so {path}"
        )
    return table


def _event(part: Mapping[str, Any]) -> Event:
    """Of the logic and the banks of a part together."""
    kinds = [{event: Line(**part[kind][event]) for event in EVENTS} for kind in ("logic", "banks")]
    return Event(*(Line(*(sum(getattr(kind[event], c) for kind in kinds) for c in "ab")) for event in EVENTS))


def corner(name: str) -> Point:
    """The technology and supply of that name."""
    check_choice("corner", name, tuple(CORNERS))
    return CORNERS[name]


def buffer_bank(chip: ChipConfig) -> Macro:
    """A bank of the global buffer: a beat of the vectors of every block, of keys or of values."""
    return Macro(chip.buffer_blocks * chip.engine.update_rank, chip.bus_bits)


def buffer_accesses_fj(chip: ChipConfig, counters: Counters) -> float:
    """Accesses of the global buffer: a bank per beat of a vector, for keys and for values; a read takes all of them."""
    beats = chip.vector_bytes // chip.bus_bytes
    bank = buffer_bank(chip)
    reads = counters.buffer_reads * chip.engine.update_rank * 2 * beats
    writes = (counters.bytes_key + counters.bytes_value) // chip.bus_bytes
    idle = counters.cycles * 2 * beats
    return reads * bank.read_energy_fj + writes * bank.write_energy_fj + idle * bank.idle_energy_fj


def energy(
    table: EnergyTable, chip: ChipConfig, counters: Counters, memory: Dram, clock_mhz: float, at: Point
) -> dict[str, float]:
    """Joules by component of `COMPONENTS`."""
    table.check(chip)
    factor = scale(at).energy
    loaded = counters.bytes_query // chip.vector_bytes
    cycles, rows = counters.cycles * chip.engines, chip.engine.rows
    found = {}
    for name in ENGINE_PARTS:
        part = table.engine[name]
        fj = part.stream.at(rows) * counters.mac_cycles + part.row(rows) * loaded + part.idle.at(rows) * cycles
        found[name] = fj * factor * 1e-15
    found[BUFFER] = buffer_accesses_fj(chip, counters) * factor * 1e-15
    for name in AROUND_PARTS:
        found[name] = table.around[name].at(chip.engines) * counters.cycles * factor * 1e-15
    seconds = counters.cycles / (clock_mhz * 1e6)
    found[LEAKAGE] = table.leakage(chip) * 1e-3 * seconds * factor
    found[DRAM] = moved(counters) * 8 * memory.pj_per_bit * 1e-12
    return found


def moved(counters: Counters) -> int:
    """Bytes between the chip and memory."""
    reads = counters.bytes_query + counters.bytes_key + counters.bytes_value + counters.bytes_scale
    return reads + counters.bytes_output
