"""Counters of a layer's job that is too long to walk through cycle by cycle.

A job repeats itself: a pass takes as many cycles more than the one before as it has more keys, a block as many as the
last. So every counter is a polynomial once the first passes are over: quadratic in causal queries, each pass being
longer than the last; linear in the keys before them; bilinear in queries and keys of full attention. It is walked
through at a few smaller sizes, whole passes and blocks away from the wanted one, and continued by Lagrange's formula in
whole fractions. Likewise it is linear in key and value heads, once the first ones have filled all queues.

`tests/test_system_extrapolate.py` holds the result to what is walked through. What is short enough is walked through.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from itertools import product
from math import ceil, lcm, prod

from fusioncim_golden.chip import ChipConfig
from fusioncim_sim.system.cycles import Counters, Memory, run
from fusioncim_sim.system.workload import Model, job_of, scores

EXACT_CYCLES = 10_000_000
"""A job that takes more cycles than this, as `estimate` says, is continued from smaller ones, of as many together."""
PASSES = 6
"""Passes that the shortest of them has: a short pass is bound by the drain of the one before, not by its keys."""
HEADS = (2, 4)
"""Heads that jobs of more heads, of so many passes each, are continued from."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """A job: key and value heads, queries of a head, keys before the first one (of full attention: all keys)."""

    heads: int
    queries: int
    before: int


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Layers of a model on a chip, of any size."""

    chip: ChipConfig
    model: Model
    memory: Memory

    def place(self, size: Size) -> tuple[int, int, int]:
        """Queries, the position of the first one, keys."""
        if self.model.causal:
            return size.queries, size.before, size.before + size.queries
        return size.queries, max(size.before - size.queries, 0), size.before

    def walk(self, size: Size) -> Counters:
        """Cycle by cycle."""
        return run(self.chip, [job_of(self.chip, self.model, *self.place(size), size.heads)], self.memory)

    @property
    def group(self) -> int:
        """Query heads of a key and value head."""
        return self.model.heads // self.model.kv_heads

    @property
    def pass_rows(self) -> int:
        """Rows of a full pass."""
        return self.chip.engine.rows * self.chip.engines * max(self.chip.engine.words // 2, 1)

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
        busy = min(tiles * size.heads, self.chip.engines)
        multiply = tiles * size.heads * visible * engine.operand_bits / busy
        read = (2 * self.passes(size) * keys + rows) * size.heads * self.chip.vector_bytes / bus
        write = rows * size.heads * self.chip.output_bytes / bus
        return max(multiply, self.memory.period * max(read, write))

    def steps(self) -> tuple[int, int]:
        """Queries and keys between sizes that behave alike: whole passes, and blocks whose bursts are cut alike."""
        queries = lcm(lcm(self.pass_rows, self.group) // self.group, self.chip.engine.update_rank)
        return queries, self.chip.engine.update_rank * self.chip.bus_bytes


def layer_counters(layer: Layer, size: Size) -> tuple[Counters, bool]:
    """Counters of a layer, and whether it was walked through as it is."""
    job_of(layer.chip, layer.model, *layer.place(size)).check(layer.chip)
    if layer.estimate(size) <= EXACT_CYCLES:
        return layer.walk(size), True
    found = continued(layer, size)
    return Counters(**{name: round(value) for name, value in found.items()}), False


def continued(layer: Layer, size: Size) -> dict[str, Fraction]:
    """Counters of a size, from smaller ones."""
    total = {item.name: Fraction(0) for item in fields(Counters)}
    axes = next(axes for axes in _shrinking(layer, size) if _cost(layer, axes) <= EXACT_CYCLES)
    for nodes in product(*(_weights(*axis) for axis in axes)):
        heads, queries, before = (node for node, _ in nodes)
        counters = layer.walk(Size(heads=heads, queries=queries, before=before))
        weight = prod(weight for _, weight in nodes)
        for name in total:
            total[name] += weight * getattr(counters, name)
    return total


def _shrinking(layer: Layer, size: Size) -> Iterator[list[tuple[int, list[int]]]]:
    """Axes of heads, queries and keys, shorter and shorter: the wanted value, and values to continue from."""
    queries_step, keys_step = layer.steps()
    heads = list(HEADS) if size.heads > max(HEADS) and layer.passes(size) >= PASSES else [size.heads]
    for halvings in range(21):
        queries = _nodes(size.queries, queries_step, 2 if layer.model.causal else 1, halvings)
        before = _nodes(size.before, keys_step, 1, halvings)
        yield [(size.heads, heads), (size.queries, queries), (size.before, before)]
    raise AssertionError(f"no size below {size} is short enough")


def _nodes(value: int, step: int, degree: int, halvings: int) -> list[int]:
    """Whole steps below a value, for a polynomial of that degree; the value itself if it has too few of them."""
    low = value - max((value - PASSES * step) // step, 0) * step
    top = value - ceil((value - (value >> halvings)) / step) * step
    spread = max((top - low) // step // degree, 1)
    nodes = [low + n * spread * step for n in range(degree + 1)]
    return nodes if nodes[-1] < value else [value]


def _cost(layer: Layer, axes: list[tuple[int, list[int]]]) -> float:
    """Cycles of all sizes to continue from."""
    every = product(*(nodes for _, nodes in axes))
    return sum(layer.estimate(Size(heads=heads, queries=queries, before=before)) for heads, queries, before in every)


def _weights(wanted: int, nodes: list[int]) -> list[tuple[int, Fraction]]:
    """Nodes, and what each weighs in the polynomial through them at the wanted value (Lagrange)."""
    return [
        (node, prod((Fraction(wanted - other, node - other) for other in nodes if other != node), start=Fraction(1)))
        for node in nodes
    ]
