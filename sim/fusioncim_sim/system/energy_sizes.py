"""Energies of a chip that was not measured: the table of another one, scaled by structure.

    line of a part = line of the measured chip * how its units grow (`size_forms`), for logic, glitches, wires and banks

Of a line a + b rows, a grows as what all rows share, b as a row. Weights of the forms and the error are measured
(`fusioncim_sim.studies.sizes`, sizes.json). Around the engines, what is as wide as a vector or as the bus grows with
it; that is not measured. A block of other keys is added as often as the captured heads say.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from fusioncim_golden.chip_config import ChipConfig, chip_from_dict
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.input_file import read_json
from fusioncim_sim.system.energy_table import (
    ARRAY_PARTS,
    ENGINE_PARTS,
    EnergyTable,
    Estimate,
    Event,
    Line,
    default_table,
    total,
)
from fusioncim_sim.system.size_forms import (
    EVENTS,
    IDLE,
    IP_ROWS,
    IP_SHARED,
    LEAKAGE,
    OP_ROWS,
    OP_SHARED,
    STREAM,
    TILE,
    bank_energy,
    weighted,
)

UNITS_OF: Mapping[str, tuple[str, str]] = {
    **{name: (name, name) for name in ENGINE_PARTS},
    "IP-CIM": (IP_SHARED, IP_ROWS),
    "OP-CIM": (OP_SHARED, OP_ROWS),
}
"""Of every part what its rows share, and a row."""
SCALED = (
    *("columns", "operand_bits", "update_rank", "words", "probability_bits", "accumulator_bits", "softmax_lanes"),
    *("bus_bits", "read_ports", "flush"),
)
"""Parameters that energies are scaled in."""
BANKS = "banks"


@dataclass(frozen=True)
class Sizes:
    """What sizes.json says.

    Members:
        anchor: the configuration where all forms count as 1
        weights: of the forms, by unit, event and kind
        leakage_of_banks: share of a unit's leakage
        added: share of the keys that a row sees whose blocks it adds, of the captured heads, by rank and then by flush
        ranges: of the measured arrays, the least and the largest value by parameter
        percent: error of an engine on an array whose weights are made from all others, the largest
        arrays: how many were left out so, one after the other
    """

    anchor: Config
    weights: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]
    leakage_of_banks: Mapping[str, float]
    added: Mapping[int, Mapping[int, float]]
    ranges: Mapping[str, tuple[float, float]]
    percent: float
    arrays: int

    @property
    def measured(self) -> set[str]:
        """Parameters in which arrays differ, or for which the added keys were counted."""
        return {*self.ranges, "flush"}

    def ratio(self, unit: str, event: str, kind: str, new: Config, old: Config) -> float:
        """How many times as much a unit takes."""
        if kind == BANKS:
            return bank_energy(unit, event, new) / bank_energy(unit, event, old)
        weights = self.weights[unit][event][kind]
        return weighted(weights, new, self.anchor) / weighted(weights, old, self.anchor)

    def leakage(self, unit: str, new: Config, old: Config) -> float:
        """The same of its leakage."""
        return self._leakage(unit, new) / self._leakage(unit, old)

    def _leakage(self, unit: str, config: Config) -> float:
        banks = self.leakage_of_banks[unit]
        return sum(
            share * self.ratio(unit, LEAKAGE, kind, config, self.anchor)
            for kind, share in (("logic", 1 - banks), (BANKS, banks))
        )

    def share_added(self, new: Config, old: Config, *, centred: bool = True) -> float:
        """How many times as large the share of the added keys is; centred: their values are."""
        return self._added(new, centred) / self._added(old, centred)

    def _added(self, config: Config, centred: bool) -> float:
        """Between flushes, and between ranks by their logarithm. What was counted is of centred values."""
        flush = config.flush + (0 if centred else config.flush - config.centred_flush)
        ranks = sorted(self.added)
        flushes = sorted(self.added[ranks[0]])
        values = [np.interp(flush, flushes, [self.added[rank][flush] for flush in flushes]) for rank in ranks]
        return float(np.interp(np.log2(config.update_rank), np.log2(ranks), values))

    def beyond(self, config: Config) -> tuple[str, ...]:
        """Values outside of what was measured."""
        values = {name: (getattr(config, name), span) for name, span in self.ranges.items()}
        return tuple(
            f"{name} {value} ({low:g} to {high:g})"
            for name, (value, (low, high)) in values.items()
            if not low <= value <= high
        )


def fitted(table: EnergyTable, chip: ChipConfig) -> EnergyTable:
    """The table of a chip: itself, or scaled to what was not measured."""
    other = table.other(chip)
    if not other:
        return table
    sizes, before = read_sizes(default_table("sizes.json")), chip_from_dict(table.configuration)
    new, old = chip.engine, before.engine
    per_block = sizes.share_added(new, old) * old.update_rank / new.update_rank
    additions = {kind: fj * sizes.ratio(OP_ROWS, STREAM, kind, new, old) for kind, fj in table.addition_kinds.items()}
    kinds = {
        part: {kind: _event(sizes, part, kind, event, new, old) for kind, event in each.items()}
        for part, each in table.kinds.items()
    }
    for kind, event in table.kinds["OP-CIM"].items():
        # Blocks that rows add, and the rest of the line, which is of the broadcast.
        own = table.addition_kinds[kind] * table.per_key / old.operand_bits
        rest = (event.stream.b - own) * (1.0 if kind == BANKS else sizes.ratio(OP_SHARED, STREAM, kind, new, old))
        added = additions[kind] * table.per_key * per_block / new.operand_bits
        scaled = kinds["OP-CIM"][kind]
        kinds["OP-CIM"][kind] = replace(scaled, stream=Line(scaled.stream.a, rest + added))
    around = _around(chip, before)
    rows = dict.fromkeys(ARRAY_PARTS, new.rows / old.rows)
    leakage = {
        **{name: mw * around.get(name, 1.0) for name, mw in table.leakage_mw.items()},
        **{
            part: table.leakage_mw[part] * rows.get(part, 1.0) * sizes.leakage(UNITS_OF[part][1], new, old)
            for part in ENGINE_PARTS
        },
    }
    kept = {"drain_rows": old.drain_rows, "buffer_bytes": before.buffer_bytes}
    return EnergyTable(
        configuration={**chip.as_dict(), **kept},
        engine={part: total(each) for part, each in kinds.items()},
        around={name: line * around[name] for name, line in table.around.items()},
        leakage_mw=leakage,
        per_key=table.per_key * per_block,
        by_keys={keys: each * per_block for keys, each in table.by_keys.items()},
        uncentred={
            keys: each * sizes.share_added(new, old, centred=False) * old.update_rank / new.update_rank
            for keys, each in table.uncentred.items()
        },
        addition_fj=sum(additions.values()),
        source=table.source,
        kinds=kinds,
        addition_kinds=additions,
        estimate=Estimate(
            parameters=tuple(name for name in other if name in SCALED),
            percent=sizes.percent if {*other} & {*asdict(old)} else 0.0,
            arrays=sizes.arrays,
            beyond=sizes.beyond(new),
            unmeasured=tuple(name for name in other if name in SCALED and name not in sizes.measured),
            as_is=tuple(name for name in other if name not in SCALED),
        ),
    )


def _event(sizes: Sizes, part: str, kind: str, event: Event, new: Config, old: Config) -> Event:
    """Of a part and kind."""
    shared, row = UNITS_OF[part]

    def line(name: str, before: Line) -> Line:
        parts = (before.a, shared), (before.b, row)
        return Line(*(x and x * sizes.ratio(unit, name, kind, new, old) for x, unit in parts))

    return Event(line(STREAM, event.stream), line(TILE, event.tile), line(IDLE, event.idle))


def _around(chip: ChipConfig, before: ChipConfig) -> dict[str, float]:
    """How many times as wide the parts around the engines are."""
    bus = chip.bus_bits * chip.read_ports / (before.bus_bits * before.read_ports)
    return {"network": chip.vector_bytes / before.vector_bytes, "memory interface": bus, "chip control": 1.0}


@cache
def read_sizes(path: Path) -> Sizes:
    """The content of a sizes.json."""
    data = read_json("the table of sizes", path)
    try:
        errors = [abs(each["engine"]) for each in data["deviation_percent"].values()]
        found = Sizes(
            anchor=Config(**data["parameters"]),
            weights=data["weights"],
            leakage_of_banks=data["leakage_of_banks"],
            added={int(rank): {int(n): x for n, x in each.items()} for rank, each in data["added"].items()},
            ranges={name: (low, high) for name, (low, high) in data["ranges"].items()},
            percent=max(errors),
            arrays=len(errors),
        )
        lacking = [unit for pair in UNITS_OF.values() for unit in pair if not {*EVENTS} <= {*found.weights[unit]}]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the file is no table of sizes ({type(error).__name__} {error}): {path}") from error
    if lacking:
        raise InputError(f"the table of sizes must have every event of a unit, not so of {lacking[0]}: {path}")
    return found
