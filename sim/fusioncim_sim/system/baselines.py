"""Two conventional CIM designs on the same attention: same multipliers, same softmax, same buffer, bus and memory.

Both hold keys and values as weights and stream queries past them, a query in `operand_bits` cycles. A window is what
all engines of a head hold; engines that a short context leaves free work on other heads. What is not stated here costs
them nothing: pipelines never stall, memory is read ahead perfectly within a phase, rows of a window whose keys they may
not see are skipped at no cost, partial sums are added for free. So their figures are bounds in their favour.

B1, one array of `columns` x 2 rows keys per engine. Keys are transposed through a buffer of one tile. Scores (16 bits),
softmax, and probabilities times values are three phases, one after the other. A tile of values fills half of the array.
Two ways, of which the faster one counts:
    blocked    so many rows at a time that their scores fit into the global buffer; keys and values are read and written
               into the arrays again for every block
    spilled    all rows at once; scores and probabilities go through memory

B2, two arrays of `rows` keys per engine, one for keys, written transposed, one for values; scores, softmax and values
are one pipeline. Rows whose partial sums (24 bits, maximum and sum) and queries fit into the global buffer pass all
windows; then come the next ones, and keys and values are read again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np

from fusioncim.asic.memory.memory_array import ArrayMacro
from fusioncim.asic.memory.memory_model import Macro
from fusioncim.asic.scaling import Point, scale
from fusioncim_golden.arith import Int
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import CAUSAL, FULL
from fusioncim_sim.system.dram import Dram
from fusioncim_sim.system.effort import OUTPUTS, PARTIAL_SUMS, QUERIES, SCORES, Effort
from fusioncim_sim.system.energy import buffer_bank
from fusioncim_sim.system.energy_sizes import fitted
from fusioncim_sim.system.energy_table import AROUND_PARTS, BUFFER, COMPONENTS, DRAM, LEAKAGE, EnergyTable
from fusioncim_sim.system.models import Model, scores
from fusioncim_sim.system.workload import check_fits

SCORE_BYTES, PROBABILITY_BYTES = 2, 1
PARTIAL_BYTES, STATE_BYTES = 3, 8
"""Of an element of a partial output; of a row's maximum and sum."""


@dataclass(frozen=True, kw_only=True)
class Attention:
    """A layer of a model on a chip behind a memory.

    Members:
        chip: the chip
        model: whose layer it is
        dram: the memory
        clock_mhz: frequency of the chip
        queries: queries of a query head
        start: position of the first query among the keys
        keys: keys of a key and value head
        write_factor: on the energy of writing weights
    """

    chip: ChipConfig
    model: Model
    dram: Dram
    clock_mhz: float
    queries: int
    start: int
    keys: int
    write_factor: float = 1.0

    def __post_init__(self) -> None:
        check_fits(self.chip, self.model)
        if self.chip.read_ports > 1:
            raise InputError(f"a baseline reads over one port: read_ports must be 1, not {self.chip.read_ports}")
        if self.model.mask not in (CAUSAL, FULL):
            raise InputError(f"a baseline's mask must be causal or full, not {self.model.mask.words}")

    @property
    def group(self) -> int:
        """Query heads of a key and value head."""
        return self.model.heads // self.model.kv_heads

    @property
    def rows(self) -> int:
        """Rows of a key and value head: its query heads x queries."""
        return self.group * self.queries

    @property
    def bytes_per_cycle(self) -> float:
        """Of a direction of the bus, or of a slower memory."""
        return self.chip.bus_bytes / self.dram.behind(self.chip, self.clock_mhz).period

    @property
    def pairs(self) -> float:
        """Unmasked scores of a key and value head."""
        return scores(self.model, self.queries, self.start, self.keys) / self.model.kv_heads

    @property
    def keys_per_row(self) -> float:
        """Keys that a row sees, the mean."""
        return self.pairs / self.rows

    @cached_property
    def high(self) -> Int:
        """[queries]: end of the keys that each query sees, see `mask`."""
        return self.model.mask.interval(self.start + np.arange(self.queries), self.keys)[1]

    def rows_of_tile(self, first: int) -> int:
        """Rows of a head that see a key at or behind that one."""
        return self.group * int(np.count_nonzero(self.high > first))

    def tiled(self, keys: int) -> tuple[int, float, float]:
        """Engines of a head with tiles of so many keys; rows that pass windows of them; rows that pass tiles."""
        engines = min(self.chip.engines, ceil(self.keys / keys))
        windows = sum(self.rows_of_tile(first) for first in range(0, self.keys, engines * keys))
        tiles = sum(self.rows_of_tile(first) for first in range(0, self.keys, keys))
        return engines, windows, tiles

    def parallel(self, engines: int) -> int:
        """Heads at a time."""
        return max(min(self.chip.engines // engines, self.model.kv_heads), 1)


def conventional(this: Attention) -> Effort:
    """B1: the faster one of its two ways."""
    return min(_blocked(this), _spilled(this), key=lambda effort: effort.cycles)


def _spilled(this: Attention) -> Effort:
    """All rows at once, scores and probabilities through memory."""
    return _three_phases(this, blocks=1.0, spill=True)


def _blocked(this: Attention) -> Effort:
    """Rows in blocks whose scores the global buffer holds."""
    engines, _, _ = this.tiled(2 * this.chip.engine.rows)
    heads = this.parallel(engines)
    rows = max(this.chip.buffer_bytes // heads // (SCORE_BYTES * this.keys), 1)
    return _three_phases(this, blocks=ceil(this.rows / rows), spill=False)


def _three_phases(this: Attention, *, blocks: float, spill: bool) -> Effort:
    """Scores, softmax, values. blocks: of rows, for each of which keys and values are read and written again."""
    chip, engine, heads = this.chip, this.chip.engine, this.model.kv_heads
    bits, vector = engine.operand_bits, chip.vector_bytes
    seen = this.keys_per_row if blocks > 1 else this.keys  # keys that a block of rows sees, mean
    outside = this.pairs if spill else 0.0
    inside = 0.0 if spill else this.pairs
    effort = Effort()

    engines, windows, tiles = this.tiled(2 * engine.rows)
    parallel = this.parallel(engines)
    writes = blocks * ceil(seen / (engines * 2 * engine.rows)) * (2 * engine.rows + engine.columns)  # transpose, write
    compute, reads = heads / parallel * (windows * bits + writes), this.rows * vector + blocks * seen * vector
    effort.phase("scores", compute, heads * reads, heads * SCORE_BYTES * outside, this.bytes_per_cycle)
    effort.array += heads * 2 * tiles * bits
    effort.weights += heads * 2 * blocks * ceil(seen / (2 * engine.rows)) * engine.columns
    effort.transposed += heads * blocks * seen * vector
    effort.moves(QUERIES, memory=heads * this.rows * vector, buffer=2 * heads * this.rows * vector)
    effort.moves_keys(2 * heads * blocks * seen * vector, 2 * heads * this.keys * vector)
    both = heads * (SCORE_BYTES + PROBABILITY_BYTES)
    effort.moves(SCORES, memory=2 * both * outside, buffer=2 * both * inside)

    compute = heads / parallel * this.pairs / (engine.softmax_lanes * engines)
    reads, spilled = SCORE_BYTES * outside, PROBABILITY_BYTES * outside
    effort.phase("softmax", compute, heads * reads, heads * spilled, this.bytes_per_cycle)
    effort.softmax += heads * this.pairs / engine.softmax_lanes

    engines, windows, tiles = this.tiled(engine.rows)
    parallel = this.parallel(engines)
    again = ceil(windows / this.rows)  # windows that a row passes: its partial sums wait in the buffer
    writes = blocks * ceil(seen / (engines * engine.rows)) * engine.rows
    compute, reads = heads / parallel * (windows * bits + writes), blocks * seen * vector + PROBABILITY_BYTES * outside
    effort.phase("values", compute, heads * reads, heads * this.rows * chip.output_bytes, this.bytes_per_cycle)
    effort.array += heads * tiles * bits
    effort.values += heads * tiles * bits
    effort.weights += heads * blocks * ceil(seen / engine.rows) * engine.rows
    effort.moves(PARTIAL_SUMS, buffer=heads * this.rows * 2 * (again - 1) * engine.columns * PARTIAL_BYTES)
    outputs = heads * this.rows * chip.output_bytes
    effort.moves(OUTPUTS, memory=outputs, buffer=2 * outputs)
    return effort


def pipelined(this: Attention) -> Effort:
    """B2."""
    chip, engine, heads = this.chip, this.chip.engine, this.model.kv_heads
    bits, vector = engine.operand_bits, chip.vector_bytes
    engines, windows, tiles = this.tiled(engine.rows)
    parallel = this.parallel(engines)
    partial = engine.columns * PARTIAL_BYTES + STATE_BYTES
    several = ceil(this.keys / (engines * engine.rows)) > 1
    held = chip.buffer_bytes // parallel // (partial + vector)
    blocks = ceil(this.rows / max(held, 1)) if several else 1
    seen = this.keys_per_row if blocks > 1 else this.keys
    effort = Effort()
    exposed = engine.rows  # the first tile of a block; later ones are written beside the computation
    reads = this.rows * vector + 2 * blocks * seen * vector
    compute = heads / parallel * (windows * bits + blocks * exposed)
    effort.phase("pipeline", compute, heads * reads, heads * this.rows * chip.output_bytes, this.bytes_per_cycle)
    effort.array = heads * 2 * tiles * bits
    effort.values = heads * tiles * bits
    effort.softmax = heads * this.pairs / engine.softmax_lanes
    effort.weights = heads * blocks * ceil(seen / engine.rows) * 2 * engine.rows
    queries, outputs = heads * this.rows * vector, heads * this.rows * chip.output_bytes
    effort.moves(QUERIES, memory=queries, buffer=queries + heads * windows * vector)
    effort.moves_keys(2 * heads * blocks * seen * vector, 2 * heads * this.keys * vector)
    effort.moves(PARTIAL_SUMS, buffer=heads * 2 * windows * partial if several else 0.0)
    effort.moves(OUTPUTS, memory=outputs, buffer=2 * outputs)
    return effort


def energy_of(effort: Effort, table: EnergyTable, this: Attention, at: Point) -> dict[str, float]:
    """Joules by component.

    An array costs what the IP-CIM does per busy cycle, whatever it multiplies; what the OP-CIM skips of the values
    costs nothing here either.
    """
    table = fitted(table, this.chip).seeing(this.keys_per_row, centred=not this.model.sinks)
    chip, engine = this.chip, this.chip.engine
    factor = scale(at).energy * 1e-15
    array, softmax = table.engine["IP-CIM"], table.engine["softmax"]
    found = dict.fromkeys(COMPONENTS, 0.0)
    write = ArrayMacro(engine.words, engine.columns * engine.operand_bits).write_energy_fj * this.write_factor
    busy = effort.array - (1 - table.added) * effort.values
    found["IP-CIM"] = (busy * array.busy(engine.rows) + effort.weights * write) * factor
    found["softmax"] = effort.softmax * softmax.busy(engine.rows) * factor
    turn = Macro(2 * engine.rows, engine.columns * engine.operand_bits)
    turned = effort.transposed / chip.vector_bytes
    found["key/value buffer"] = turned * (turn.read_energy_fj + turn.write_energy_fj) * factor
    bank = buffer_bank(chip)
    access = (bank.read_energy_fj + bank.write_energy_fj) / 2 / chip.bus_bytes
    banks = 2 * chip.vector_bytes // chip.bus_bytes
    found[BUFFER] = (effort.buffer * access + effort.cycles * banks * bank.idle_energy_fj) * factor
    found["control"] = table.engine["control"].idle.at(engine.rows) * effort.cycles * chip.engines * factor
    for name in AROUND_PARTS:
        found[name] = table.around[name].at(chip.engines) * effort.cycles * factor
    leakage = table.leakage(chip) * 1e-3 * effort.cycles / (this.clock_mhz * 1e6)
    found[LEAKAGE] = leakage * scale(at).energy
    found[DRAM] = effort.memory * 8 * this.dram.pj_per_bit * 1e-12
    return found


BASELINES: Mapping[str, str] = {
    "B1": "conventional CIM: one array, three phases, keys transposed through a buffer",
    "B2": "TransCIM-like: two arrays, keys and values stationary, one pipeline",
}


def baseline(name: str, this: Attention) -> Effort:
    """The effort of the baseline of that name."""
    return {"B1": conventional, "B2": pipelined}[name](this)
