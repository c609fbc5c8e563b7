"""What each of the three mechanisms is worth: every one alone, every one removed, all combinations.

    pipeline   scores, softmax and values are one pipeline; else three phases, one after the other
    dataflow   queries and outputs stand still; else keys and values do, and are written into the arrays
    pattern    order of the keys and rule of the references move few of them; else exact online softmax in order

None of them is the baseline B1, the pipeline alone B2, all of them the chip. The dataflow alone is the chip whose
passes of queries meet keys, then softmax, then values, each alone; scores go where the faster way takes them, as in B1.
A softmax that is a phase of its own needs no online maximum: `pattern` is worth something with the pipeline only.

In this chip moving a reference costs no cycle, and its energy is in the OP-CIM's. `Rescale.STALLS` is what it costs
where O is multiplied by a factor: the row's array passes once more, all rows wait. How often is measured on captured
heads of 512 tokens (measurements/rescales.json), per row, and taken for all lengths.

Worth of a mechanism: its Shapley value, the mean of what it saves over all orders in which the three could be added.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import permutations, product
from math import ceil
from pathlib import Path

from fusioncim.asic.scaling import Point, scale
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.input_file import read_json
from fusioncim_sim.heads.rescales import rule_name
from fusioncim_sim.system.baselines import PROBABILITY_BYTES, SCORE_BYTES, Attention, baseline, energy_of
from fusioncim_sim.system.effort import Effort
from fusioncim_sim.system.energy_table import EnergyTable
from fusioncim_sim.system.model import Evaluation

MECHANISMS = ("pipeline", "dataflow", "pattern")
Chosen = frozenset[str]


class Rescale(StrEnum):
    """What moving a row's reference costs."""

    FREE = "free"
    STALLS = "stalls"


@dataclass(frozen=True)
class Moves:
    """Moves of a row's reference per row: with the pattern-aware rules, and of exact online softmax in order."""

    pattern: float
    exact: float


def read_moves(path: Path) -> Moves:
    """From a rescales.json; its heads have 512 tokens."""
    data = read_json("the file of rescales", path)
    try:
        default, rows = Config(), 512 * len(data["heads"])
        rules = data["total"]["rules"][default.schedule][rule_name(default.slack, default.seed)]
        return Moves((rules["rescales"] + rules["halvings"]) / rows, data["total"]["exact"]["in_order"] / rows)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"the file holds no counts of rescales ({type(error).__name__}): {path}") from error


@dataclass(frozen=True)
class Variant:
    """A layer with some of the mechanisms: cycles, and joules by component."""

    cycles: float
    energy: Mapping[str, float]

    @property
    def joules(self) -> float:
        """Of all components."""
        return sum(self.energy.values())


def combinations() -> list[Chosen]:
    """All eight, none first, all last."""
    every = (
        frozenset(name for name, use in zip(MECHANISMS, uses, strict=True) if use)
        for uses in product((False, True), repeat=len(MECHANISMS))
    )
    return sorted(every, key=lambda chosen: (len(chosen), [name not in chosen for name in MECHANISMS]))


def named(chosen: Chosen) -> str:
    """A combination in words."""
    return " + ".join(name for name in MECHANISMS if name in chosen) or "none"


def variants(
    ours: Evaluation, this: Attention, table: EnergyTable, at: Point, moves: Moves, rescale: Rescale
) -> dict[Chosen, Variant]:
    """Every combination of the mechanisms on the same layer."""
    if ours.energy is None:
        raise InputError("an ablation needs energies: evaluate the chip with an energy table, not without")
    table = table.seeing(this.keys_per_row, centred=not this.model.sinks)

    def of(effort: Effort) -> Variant:
        return Variant(effort.cycles, energy_of(effort, table, this, at))

    phases = _phases(ours, this)
    alone = {
        (False, False): of(baseline("B1", this)),
        (True, False): of(baseline("B2", this)),
        (False, True): _unfused(ours, this, table, at, phases),
        (True, True): Variant(ours.counters.cycles, ours.energy),
    }
    found = {}
    for chosen in combinations():
        base = alone["pipeline" in chosen, "dataflow" in chosen]
        online = rescale == Rescale.STALLS and "pipeline" in chosen
        per_row = (moves.pattern if "pattern" in chosen else moves.exact) if online else 0.0
        found[chosen] = _stalled(base, per_row, ours, this, table, at)
    return found


def _phases(ours: Evaluation, this: Attention) -> Effort:
    """The chip's passes with scores, softmax and values one after the other: the faster way of keeping scores."""
    chip, engine, heads = this.chip, this.chip.engine, this.model.kv_heads
    tiles = ceil(this.rows / engine.rows)
    spread = min(tiles * heads, chip.engines)
    multiply = ours.counters.mac_cycles / spread
    softmax = heads * this.pairs / (engine.softmax_lanes * spread)
    vectors, outputs = heads * this.rows * chip.vector_bytes, heads * this.rows * chip.output_bytes
    ways = []
    for spill in (False, True):
        # Scores of a pass of all engines, or of as many rows as the buffer holds scores of.
        resident = chip.engines * engine.rows * max(engine.words // 2, 1)
        rows = resident if spill else min(resident, max(chip.buffer_bytes // (SCORE_BYTES * this.keys), 1))
        blocks = ceil(this.rows / rows)
        seen = this.keys_per_row if blocks > 1 else this.keys
        keys = heads * blocks * seen * chip.vector_bytes
        outside = heads * this.pairs if spill else 0.0
        effort = Effort()
        rate = this.bytes_per_cycle
        effort.phase("scores", multiply, vectors + keys, SCORE_BYTES * outside, rate)
        effort.phase("softmax", softmax, SCORE_BYTES * outside, PROBABILITY_BYTES * outside, rate)
        effort.phase("values", multiply, keys + PROBABILITY_BYTES * outside, outputs, rate)
        inside = heads * this.pairs - outside
        effort.buffer = 4 * keys + 2 * (SCORE_BYTES + PROBABILITY_BYTES) * inside
        effort.array = ours.counters.mac_cycles
        effort.softmax = heads * this.pairs / engine.softmax_lanes
        ways.append(effort)
    return min(ways, key=lambda effort: effort.cycles)


def _unfused(ours: Evaluation, this: Attention, table: EnergyTable, at: Point, effort: Effort) -> Variant:
    """Energy of the unfused chip: values are accumulated by the OP-CIM, in as many busy cycles as scores take."""
    found = energy_of(effort, table, this, at)
    rows, factor = this.chip.engine.rows, scale(at).energy * 1e-15
    found["OP-CIM"] = table.engine["OP-CIM"].busy(rows) * ours.counters.mac_cycles * factor
    loaded = this.rows * this.model.kv_heads
    found["normalizer"] = table.engine["normalizer"].row(rows) * loaded * factor
    found["IP-CIM"] += table.engine["IP-CIM"].row(rows) * loaded * factor
    return Variant(effort.cycles, found)


def _stalled(
    base: Variant, per_row: float, ours: Evaluation, this: Attention, table: EnergyTable, at: Point
) -> Variant:
    """A slot in which a row's reference moves takes one pass of the array more, and a key's share of an addition."""
    engine, heads = this.chip.engine, this.model.kv_heads
    tiles = ceil(this.rows / engine.rows) * heads
    slots = ours.counters.slots / tiles
    stalls = tiles * min(slots, engine.rows * per_row) * engine.operand_bits
    events = heads * this.rows * per_row
    cycles = stalls / min(tiles, this.chip.engines)
    extra = table.addition_fj / engine.update_rank * events * scale(at).energy * 1e-15
    leak = table.leakage(this.chip) * 1e-3 * cycles / (this.clock_mhz * 1e6) * scale(at).energy
    more = {"OP-CIM": base.energy["OP-CIM"] + extra, "leakage": base.energy["leakage"] + leak}
    return Variant(base.cycles + cycles, {**base.energy, **more})


def shapley(value: Callable[[Chosen], float], players: Sequence[str] = MECHANISMS) -> dict[str, float]:
    """What each player adds, the mean over all orders; together the value of all over that of none."""
    worth = dict.fromkeys(players, 0.0)
    orders = list(permutations(players))
    for order in orders:
        for n, player in enumerate(order):
            before = frozenset(order[:n])
            worth[player] += (value(before | {player}) - value(before)) / len(orders)
    return worth


def shares(found: Mapping[Chosen, Variant], figure: Callable[[Variant], float]) -> dict[str, float]:
    """Part of each mechanism in what all of them save."""
    saved = shapley(lambda chosen: -figure(found[chosen]))
    total = sum(saved.values())
    return {name: value / total for name, value in saved.items()}
