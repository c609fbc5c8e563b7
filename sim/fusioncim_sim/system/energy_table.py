"""The energy table: what a chip's events take, as read from `measurements/cost.json` or from a file like it.

Energies of an engine's parts are lines over its rows, those around the engines lines over the engines, at the corner of
the cell library; other corners are scaled as `fusioncim.asic.scaling` says. They hold for the configuration that they
were measured for: only parameters over which they are lines, or that they do not depend on (`FREE`), may differ. For
others `energy_sizes.fitted` makes a table from this one, which says so in its `estimate`. What
the OP-CIM takes depends on how many blocks its rows add to O, and that on how many keys they see
(`EnergyTable.seeing`). The figures are measured by `fusioncim_sim.studies.cost`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite, log2
from pathlib import Path
from typing import Any

import numpy as np

from fusioncim.asic.scaling import LIBRARY, Point
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import check_choice
from fusioncim_golden.errors import InputError
from fusioncim_golden.input_file import read_json
from fusioncim_sim.files import stored_measurements

BUFFER = "global buffer"
ROWS: Mapping[str, Sequence[str]] = {
    "IP-CIM": ("IP-CIM rows", "IP-CIM broadcast and correction"),
    "OP-CIM": ("OP-CIM rows", "OP-CIM broadcast"),
    "softmax": ("softmax",),
    "normalizer": ("normalizer",),
    "key/value buffer": ("key/value buffer",),
    "control": ("controller", "engine"),
}
"""Rows of the table that are parts of an engine, and the units of `tile` in each."""

STREAM = "stream_fj_per_cycle"
EVENTS = (STREAM, "tile_fj", "idle_fj_per_cycle")
"""Energies of a unit, leakage not included: per cycle of work, beyond what an idle engine takes in that cycle; of load
and drain of a tile, beyond the same; per cycle of an idle engine."""
FREE = (
    *(
        "engines",
        "streams",
        "walks",
        "buffer_bytes",
        "address_bits",
        "rows",
        "softmax_lanes",
        "drain_rows",
        "schedule",
        "slack",
    ),
    "seed",
)
"""Parameters that may differ from the table's: lines, counted accesses, and what changes data but no hardware of note.
Lanes follow the rows: a lane has as many as in the table. For every row that leaves at the same time there is a
normalizer."""
NORMALIZER = "normalizer"
ENGINE_PARTS = tuple(ROWS)
ARRAY_PARTS = ("IP-CIM", "OP-CIM", "softmax")
"""Those that grow with the rows of an engine."""
AROUND_PARTS = ("network", "memory interface", "chip control")
LEAKAGE, DRAM = "leakage", "DRAM"
COMPONENTS = (*ENGINE_PARTS, BUFFER, *AROUND_PARTS, LEAKAGE, DRAM)
CORNERS: Mapping[str, Point] = {
    f"{point.node} nm, {point.voltage} V": point for point in (LIBRARY, Point(28, 0.9), Point(28, 0.72))
}
"""Technologies and supplies by their names, which the files of measurements/ use, too."""
LIBRARY_45NM, NOMINAL_28NM, LOW_28NM = CORNERS
"""The names: where the cells were characterized, and the published chip's node at its usual and at a low supply."""


@dataclass(frozen=True)
class Line:
    """An energy that grows with a size: a + b n."""

    a: float
    b: float

    def at(self, size: float) -> float:
        """The value at a size."""
        return self.a + self.b * size

    def __add__(self, other: "Line") -> "Line":
        return Line(self.a + other.a, self.b + other.b)

    def __mul__(self, factor: float) -> "Line":
        return Line(self.a * factor, self.b * factor)

    def rounded(self) -> dict[str, float]:
        """For a file."""
        return {"a": round(self.a, 1), "b": round(self.b, 2)}


@dataclass(frozen=True)
class Event:
    """Energies of a part of an engine in fJ, lines over its rows.

    Members:
        stream: of a cycle of work, beyond `idle`
        tile: of load and drain of a tile, beyond `idle`
        idle: of a cycle of an idle engine
    """

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
class Estimate:
    """What is to be said about a table that was scaled to another configuration.

    Members:
        parameters: that differ from those of the measured chip
        percent: error of an engine's energy on a measured array that was left out, the largest; 0 if the engine was
            measured
        arrays: how many were left out, one after the other
        beyond: values outside of what was measured
        unmeasured: those of `parameters` in which no array differs, scaled by structure alone
        as_is: parameters that differ and are not in the energies
    """

    parameters: tuple[str, ...]
    percent: float
    arrays: int
    beyond: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()
    as_is: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """In sentences."""
        scaled = f" in {', '.join(self.parameters)}" if self.parameters else ""
        found = [f"Energies are scaled from the measured chip{scaled}."]
        if self.percent:
            found.append(
                f"An engine's are within {self.percent:.1f} % on each of {self.arrays} arrays left out in turn."
            )
        for text, names in (
            ("Beyond what was measured", self.beyond),
            ("By structure alone", self.unmeasured),
            ("Not in the energies", self.as_is),
        ):
            if names:
                found.append(f"{text}: {', '.join(names)}.")
        return " ".join(found)


@dataclass(frozen=True)
class EnergyTable:
    """Energies per event at the library's corner.

    Members:
        configuration: parameters of the chip that was measured
        engine: events of an engine by its parts
        around: energy of a running cycle in fJ by part, lines over the engines
        leakage_mw: leakage by part
        per_key: blocks that a row adds to O per key that it sees, which is in the OP-CIM's energy
        by_keys: the same if a row sees so many keys in the mean
        uncentred: that where values are not centred
        addition_fj: energy of one of these blocks
        source: name of the file
        kinds: of `engine`, what logic, wires, glitches and banks take of it
        addition_kinds: of `addition_fj`, the same
        estimate: None if the chip was measured
    """

    configuration: Mapping[str, Any]
    engine: Mapping[str, Event]
    around: Mapping[str, Line]
    leakage_mw: Mapping[str, float]
    per_key: float
    by_keys: Mapping[float, float]
    uncentred: Mapping[float, float]
    addition_fj: float
    source: str
    kinds: Mapping[str, Mapping[str, Event]] = field(default_factory=dict)
    addition_kinds: Mapping[str, float] = field(default_factory=dict)
    estimate: Estimate | None = None

    @property
    def added(self) -> float:
        """Share of the keys that a row sees whose blocks it adds to O."""
        return self.per_key * self.configuration["update_rank"]

    def seeing(self, keys: float, *, centred: bool = True) -> "EnergyTable":
        """The table for rows that see so many keys in the mean: between those of `by_keys` by the logarithm.

        centred: the values are, as in every model without sinks.
        """
        given = self.by_keys if centred else self.uncentred
        known = sorted(given)
        per_key = float(np.interp(log2(keys), [log2(n) for n in known], [given[n] for n in known]))
        more = (per_key - self.per_key) * self.addition_fj / self.configuration["operand_bits"]
        array = self.engine["OP-CIM"]
        engine = {**self.engine, "OP-CIM": replace(array, stream=array.stream + Line(0.0, more))}
        return replace(self, engine=engine, per_key=per_key)

    def check(self, chip: ChipConfig) -> None:
        """Refuse a chip for which the table was not measured."""
        for name in self.other(chip):
            here, there = self.configuration[name], chip.as_dict()[name]
            if name == "softmax_lanes":
                here = f"rows / {self.configuration['rows'] // here}"
            raise InputError(
                f"the energy table is of another configuration: {name} must be {here}, not {there} "
                f"({self.source}); --no-energy leaves energies out"
            )

    def other(self, chip: ChipConfig) -> list[str]:
        """Parameters of a chip for which the table does not hold."""
        values, engine = chip.as_dict(), chip.engine
        found = [name for name, value in self.configuration.items() if name not in FREE and values[name] != value]
        lanes = self.configuration["rows"], self.configuration["softmax_lanes"]
        alike = engine.rows * lanes[1] == lanes[0] * engine.softmax_lanes
        return found if alike or "operand_bits" in found else [*found, "softmax_lanes"]

    def copies(self, chip: ChipConfig, part: str) -> float:
        """How often an engine has a part for each time in the table's."""
        return chip.engine.drain_rows / self.configuration.get("drain_rows", 1) if part == NORMALIZER else 1.0

    def leakage(self, chip: ChipConfig) -> float:
        """Leakage of the chip in mW: arrays grow with their rows, the global buffer with its bytes."""
        rows = chip.engine.rows / self.configuration["rows"]
        engines = sum(
            self.leakage_mw[part] * (rows if part in ARRAY_PARTS else self.copies(chip, part)) for part in ENGINE_PARTS
        )
        buffer = self.leakage_mw[BUFFER] * chip.buffer_bytes / self.configuration["buffer_bytes"]
        return engines * chip.engines + buffer + sum(self.leakage_mw[part] for part in AROUND_PARTS)


def default_table(name: str = "cost.json") -> Path:
    """A measurement of this package, or of the repository around it."""
    return stored_measurements() / name


def read_table(path: Path) -> EnergyTable:
    """The energies of a cost.json."""
    data = read_json("the energy table", path)
    try:
        kinds = {
            name: {kind: Event(*(Line(**lines[event]) for event in EVENTS)) for kind, lines in part.items()}
            for name, part in data["events"].items()
        }
        engine = {name: total(part) for name, part in kinds.items()}
        around = {name: Line(**part["fj_per_cycle"]) for name, part in data["events_around"].items()}
        parts = (*ENGINE_PARTS, *AROUND_PARTS, BUFFER)
        leakage = {name: row["measured"]["leakage_mw"] for name, row in data["table"].items() if name in parts}
        additions = data["additions"]
        by_keys = {int(tokens) / 2: one["per_key"] for tokens, one in additions["lengths"].items()}
        uncentred = {int(tokens) / 2: per_key for tokens, per_key in additions["uncentred"].items()}
        addition_kinds = {kind: one["b"] for kind, one in additions["fj_per_row_and_cycle"].items()}
        table = EnergyTable(
            data["parameters"], engine, around, leakage, by_keys[data["keys_per_tile"]], by_keys,
            uncentred, sum(addition_kinds.values()), path.name, kinds, addition_kinds,
        )  # fmt: skip
        missing = {*ENGINE_PARTS} - {*engine} | {*AROUND_PARTS} - {*around} | {*parts} - {*leakage}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the file is no cost table ({type(error).__name__} {error}): {path}") from error
    needed = {*ChipConfig().as_dict()} - {*FREE} | {"rows", "softmax_lanes", "buffer_bytes"}
    if lacking := needed - {*table.configuration}:
        raise InputError(f"the energy table must hold the parameters of its chip; missing is {min(lacking)}: {path}")
    if missing:
        raise InputError(
            f"the energy table must have every part of the chip, {', '.join(sorted(missing))}, not so {path}"
        )
    lines = [*around.values(), *(line for event in engine.values() for line in (event.stream, event.tile, event.idle))]
    for figure in (
        *leakage.values(),
        *by_keys.values(),
        *uncentred.values(),
        *(c for line in lines for c in (line.a, line.b)),
    ):
        if not isinstance(figure, int | float) or not isfinite(figure):
            raise InputError(f"the figures of the energy table must be finite numbers, not {figure}: {path}")
    added = {f"{n:g} keys": min(by_keys.get(n, each), each) for n, each in uncentred.items()}
    added = {**{f"{n:g} keys": each for n, each in by_keys.items()}, **added}
    for name, figure in {**leakage, **added}.items():
        if figure < 0:
            raise InputError(f"the energy table must have figures of at least 0, not {figure} ({name}): {path}")
    return table


def total(kinds: Mapping[str, Event]) -> Event:
    """Of all that takes energy in a part together."""
    lines = [(each.stream, each.tile, each.idle) for each in kinds.values()]
    return Event(*(Line(sum(x.a for x in each), sum(x.b for x in each)) for each in zip(*lines, strict=True)))


def corner(name: str) -> Point:
    """The technology and supply of that name."""
    check_choice("corner", name, tuple(CORNERS))
    return CORNERS[name]
