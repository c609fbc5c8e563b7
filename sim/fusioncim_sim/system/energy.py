"""Energy of what a chip's counters counted, by component.

    engine part   busy(rows) * cycles in which it multiplies + row * rows loaded + idle * its other cycles
    around        per running cycle, a line over the engines; accesses of the global buffer are counted
    leakage       power * time
    DRAM          bits read and written * energy of a bit

The table is `measurements/energy.json` (`measure_energy`), at the cell library's corner; other corners are scaled as
`fusioncim.flow.scaling` says, DRAM not. It holds for the configuration that it was measured for: only parameters over
which it is a line, or that it does not depend on (`FREE`), may differ.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusioncim.flow.memory_model import Macro
from fusioncim.flow.scaling import LIBRARY, Point, scale
from fusioncim_golden.chip import ChipConfig
from fusioncim_golden.config import check_choice
from fusioncim_golden.errors import InputError
from fusioncim_sim.system.cycles import Counters
from fusioncim_sim.system.dram import Dram

FREE = ("engines", "buffer_bytes", "rows", "softmax_lanes", "schedule", "slack", "seed", "flush")
"""Parameters that may differ from the table's: lines, counted accesses, and what changes data but no hardware of note.
Lanes follow the rows, `operand_bits` rows each."""
ENGINE_PARTS = ("IP-CIM", "OP-CIM", "softmax", "normalizer", "key/value buffer", "control")
AROUND_PARTS = ("network", "memory interface", "chip control")
BUFFER, LEAKAGE, DRAM = "global buffer", "leakage", "DRAM"
COMPONENTS = (*ENGINE_PARTS, BUFFER, *AROUND_PARTS, LEAKAGE, DRAM)
CORNERS: Mapping[str, Point] = {
    f"{point.node} nm, {point.voltage} V": point for point in (LIBRARY, Point(28, 0.9), Point(28, 0.72))
}
KEYS = ("configuration", "engine", "around", "leakage_mw")


@dataclass(frozen=True)
class Event:
    """Energies of a part of an engine in fJ: of a busy cycle, a + b rows; of a row loaded; of another cycle."""

    a: float
    b: float
    row: float
    idle: float


@dataclass(frozen=True)
class EnergyTable:
    """Energies per event at the library's corner. around: of a running cycle, a and b of a + b engines, in fJ."""

    configuration: Mapping[str, Any]
    engine: Mapping[str, Event]
    around: Mapping[str, tuple[float, float]]
    leakage_mw: Mapping[str, float]
    source: str

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
        engines = sum(
            self.leakage_mw[part] * (rows if part in ("IP-CIM", "OP-CIM", "softmax") else 1) for part in ENGINE_PARTS
        )
        buffer = self.leakage_mw[BUFFER] * chip.buffer_bytes / self.configuration["buffer_bytes"]
        return engines * chip.engines + buffer + sum(self.leakage_mw[part] for part in AROUND_PARTS)


def default_table(name: str = "energy.json") -> Path:
    """A measurement of this package, or of the repository around it."""
    packaged = Path(__file__).parents[1] / "data" / name
    return packaged if packaged.exists() else Path(__file__).parents[3] / "measurements" / name


def read_table(path: Path) -> EnergyTable:
    """An energy.json."""
    try:
        data = json.loads(path.read_bytes())
        engine = {
            name: Event(part["busy"]["a"], part["busy"]["b"], part["row"], part["idle"])
            for name, part in data["engine"].items()
        }
        around = {name: (part["a"], part["b"]) for name, part in data["around"].items()}
        table = EnergyTable(data["configuration"], engine, around, data["leakage_mw"], path.name)
        missing = (
            {*ENGINE_PARTS} - {*engine} | {*AROUND_PARTS} - {*around} | {*ENGINE_PARTS, BUFFER} - {*data["leakage_mw"]}
        )
    except OSError as error:
        raise InputError(f"the energy table cannot be read ({error.strerror}): {path}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the file is no energy table ({type(error).__name__} {error}): {path}") from error
    if missing:
        raise InputError(
            f"the energy table must have every part of the chip, {', '.join(sorted(missing))}, not so {path}"
        )
    return table


def corner(name: str) -> Point:
    """The technology and supply of that name."""
    check_choice("corner", name, tuple(CORNERS))
    return CORNERS[name]


def buffer_accesses_fj(chip: ChipConfig, counters: Counters) -> float:
    """Accesses of the global buffer: a bank per beat of a vector, for keys and for values; a read takes all of them."""
    beats = chip.vector_bytes // chip.bus_bytes
    bank = Macro(chip.buffer_blocks * chip.engine.update_rank, chip.bus_bits)
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
    others = counters.cycles * chip.engines - counters.mac_cycles
    found = {}
    for name in ENGINE_PARTS:
        part = table.engine[name]
        busy = (part.a + part.b * chip.engine.rows) * counters.mac_cycles
        found[name] = (busy + part.row * loaded + part.idle * others) * factor * 1e-15
    found[BUFFER] = buffer_accesses_fj(chip, counters) * factor * 1e-15
    for name in AROUND_PARTS:
        a, b = table.around[name]
        found[name] = (a + b * chip.engines) * counters.cycles * factor * 1e-15
    seconds = counters.cycles / (clock_mhz * 1e6)
    found[LEAKAGE] = table.leakage(chip) * 1e-3 * seconds * factor
    found[DRAM] = moved(counters) * 8 * memory.pj_per_bit * 1e-12
    return found


def moved(counters: Counters) -> int:
    """Bytes between the chip and memory."""
    reads = counters.bytes_query + counters.bytes_key + counters.bytes_value + counters.bytes_scale
    return reads + counters.bytes_output
