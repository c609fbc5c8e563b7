"""Counters of a layer's job that is too long to walk through cycle by cycle.

What a job moves and multiplies follows from its schedule, whatever its length (`work`). What engines wait is walked
through at smaller sizes and continued as a straight line in sequences, in key and value heads, in queries, and in keys
before them: every sequence, every head and every pass beyond the first ones adds about as much waiting as the last,
while its work grows with its keys, so that the share of what is continued falls with the length. The causes of waiting,
and how often engines share a read of the global buffer, are in the proportions of the largest of these sizes.
`tests/sim/system/test_extrapolate.py` holds the result to what is walked through.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from itertools import product
from math import ceil, lcm, prod

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.descriptor import Work
from fusioncim_golden.job import traffic
from fusioncim_golden.schedule import Job, passes
from fusioncim_sim.system.cycles import Counts, Memory, run
from fusioncim_sim.system.models import Model, dimension_of, scores, value_dimension_of
from fusioncim_sim.system.workload import CONTIGUOUS, Cache, job_of

EXACT_CYCLES = 6_000_000
"""A job that takes more cycles than this, as `estimate` says, is continued from smaller ones, of as many together."""
PASSES = 6
"""Passes that the shortest of them has: a short pass is bound by the drain of the one before, not by its keys."""
HEADS = (2, 4)
"""Heads that jobs of more heads, of at least so many passes each, are continued from."""
SEQUENCES = (2, 4)
"""Sequences that batches of more are continued from."""
WAITING = ("idle_load", "idle_memory", "idle_drain", "idle_imbalance")


@dataclass(frozen=True, kw_only=True)
class Size:
    """A job: sequences, all alike, and of each its key and value heads, queries of a head, keys before the first one.

    Where a token sees keys behind it these are all keys.
    """

    sequences: int = 1
    heads: int
    queries: int
    before: int


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Layers of a model on a chip, of any size."""

    chip: ChipConfig
    model: Model
    memory: Memory
    cache: Cache = CONTIGUOUS

    def place(self, size: Size) -> tuple[int, int, int]:
        """Queries, the position of the first one, keys."""
        if self.model.looks_back:
            return size.queries, size.before, size.before + size.queries
        return size.queries, max(size.before - size.queries, 0), size.before

    def job(self, size: Size) -> Work:
        """As the chip sees it."""
        return job_of(self.chip, self.model, *self.place(size), size.heads, self.cache, size.sequences)

    @property
    def group(self) -> int:
        """Query heads of a key and value head."""
        return self.model.heads // self.model.kv_heads

    @property
    def pass_rows(self) -> int:
        """Rows of a full pass."""
        return self.chip.engine.rows * self.chip.engines * max(self.chip.engine.words // 2, 1)

    @property
    def keys_of_pass(self) -> int:
        """Keys that the rows of a full pass can see at most."""
        mask = self.model.mask
        return mask.window + mask.ahead + self.pass_rows // self.group

    def passes(self, size: Size) -> int:
        """Passes of a head."""
        return ceil(size.queries * self.group / self.pass_rows)

    def estimate(self, size: Size) -> float:
        """About how many cycles a job takes: the slowest of multiplying, reading and writing."""
        queries, start, keys = self.place(size)
        engine, bus = self.chip.engine, self.chip.bus_bytes
        rows = queries * self.group
        tiles = ceil(rows / engine.rows)
        visible = scores(self.model, queries, start, keys) / self.model.heads / queries  # mean of a query
        heads = size.sequences * size.heads
        busy = min(tiles * heads, self.chip.engines)
        multiply = tiles * heads * visible * engine.operand_bits / busy
        key, value = dimension_of(self.model), value_dimension_of(self.model)
        vector, row = key * engine.operand_bits / 8, value * engine.output_bits / 8
        pair = vector if self.model.latent else (key + value) * engine.operand_bits / 8
        read = (self.passes(size) * min(keys, self.keys_of_pass) * pair + rows * vector) * heads / bus
        write = rows * heads * row / bus
        return max(multiply, self.memory.period * max(read, write))


def layer_counters(layer: Layer, size: Size) -> tuple[Counts, bool]:
    """Counters of a layer, and whether it was walked through as it is."""
    job = layer.job(size)
    job.job.check(layer.chip)
    if layer.estimate(size) <= EXACT_CYCLES:
        return run(layer.chip, [job], layer.memory), True
    whole = work(layer.chip, job)
    waiting = Fraction(0)
    for axes in _shrinking(layer, size):  # the last ones if all take longer
        if _cost(layer, axes) <= EXACT_CYCLES:
            break
    for nodes in product(*(_weights(*axis) for axis in axes)):  # the largest comes last
        largest = run(layer.chip, [layer.job(_size(node for node, _ in nodes))], layer.memory)
        waiting += prod((weight for _, weight in nodes), start=Fraction(1)) * _waiting(largest)
    share = max(waiting, Fraction(0)) / max(_waiting(largest), 1)
    found = {name: round(share * getattr(largest, name)) for name in WAITING}
    cycles = ceil((whole["mac_cycles"] + sum(found.values())) / layer.chip.engines)
    reads = round(Fraction(largest.buffer_reads, largest.deliveries) * whole["deliveries"])
    return Counts(**whole, **found, cycles=cycles, buffer_reads=max(reads, whole["buffer_writes"])), False


def _waiting(counters: Counts) -> int:
    """Engine-cycles idle."""
    return sum(int(getattr(counters, name)) for name in WAITING)


def work(chip: ChipConfig, job: Work) -> dict[str, int]:
    """The counters that follow from the schedule: multiplications, bytes, blocks."""
    heads, rank, slots = job.job.heads // job.job.kv_heads, chip.engine.update_rank, 0
    for part, count in Counter(replace(part, first_row=0, first_key=0) for part in job.parts).items():
        group = Job(queries=part.queries, keys=part.keys, heads=heads, mask=part.mask, start=part.start)
        tiles = (tile for each in passes(chip.engine, group, chip.engines) for tile in each.tiles)
        slots += count * job.job.kv_heads * sum(len(tile.blocks(rank)) for tile in tiles)
    return {"slots": slots, "mac_cycles": slots * chip.engine.block_cycles, **asdict(traffic(chip, job))}


def _shrinking(layer: Layer, size: Size) -> Iterator[list[tuple[int, list[int]]]]:
    """Axes of sequences, heads, queries and keys, shorter and shorter: the wanted value, and some to continue from."""
    rank = layer.chip.engine.update_rank
    whole_passes = lcm(lcm(layer.pass_rows, layer.group) // layer.group, rank)
    whole_bursts = rank * layer.chip.bus_bytes
    many = size.heads > max(HEADS) and layer.passes(size) >= PASSES
    for halvings in range(21):
        queries = _nodes(size.queries, whole_passes, halvings)
        before = _nodes(size.before, whole_bursts, halvings)
        heads = list(HEADS) if many else [size.heads]
        sequences = list(SEQUENCES) if size.sequences > max(SEQUENCES) else [size.sequences]
        yield [(size.sequences, sequences), (size.heads, heads), (size.queries, queries), (size.before, before)]


def _nodes(value: int, step: int, halvings: int) -> list[int]:
    """Two values, whole steps below the wanted one; the value itself if there are too few of them."""
    low = value - max((value - PASSES * step) // step, 0) * step
    top = max(value - ceil((value - (value >> halvings)) / step) * step, low + step)
    return [low, top] if top < value else [value]


def _cost(layer: Layer, axes: list[tuple[int, list[int]]]) -> float:
    """Cycles of all sizes to continue from."""
    return sum(layer.estimate(_size(nodes)) for nodes in product(*(nodes for _, nodes in axes)))


def _size(nodes: Iterable[int]) -> Size:
    """A size by its axes."""
    sequences, heads, queries, before = nodes
    return Size(sequences=sequences, heads=heads, queries=queries, before=before)


def _weights(wanted: int, nodes: list[int]) -> list[tuple[int, Fraction]]:
    """Nodes, and what each weighs on the line through them at the wanted value."""
    if len(nodes) == 1:
        return [(nodes[0], Fraction(1))]
    low, high = nodes
    share = Fraction(wanted - low, high - low)
    return [(low, 1 - share), (high, share)]
