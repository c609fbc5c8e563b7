"""Buffers on the wires of one net, so that its slowest pin is early: the best places on a given tree of wires.

From the pins to the driver every place keeps its candidates, (load, time left, area): with each buffer of the library
and without, for each branch alone and for all of them together (L. van Ginneken, "Buffer placement in distributed
RC-tree networks for minimal Elmore delay", ISCAS 1990). Delays of wires are Elmore's, those of cells a line over the
load (`cells.drive`). Area has a price in ns per um2, so that a net which has time gets few buffers: of candidates with
a larger load, only those stay whose time less price is better.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from fusioncim.asic.cells.drive import Buffer, Drive
from fusioncim.asic.placement.net_tree import NetTree

STEP_UM = 100.0
"""Between two places for buffers on a wire."""
LEAST_FF = 5.0
"""A smaller load gets no buffer of its own."""
KEPT = 12
"""Candidates of a place."""
OVERLOAD_NS_FF = 0.02
"""What a load beyond the limit of the driver counts: no tree is refused, but every other one is better."""


@dataclass(frozen=True)
class WireRC:
    """Of a wire: fF and ohm per um."""

    ff_um: float
    ohm_um: float


@dataclass
class BufferTree:
    """Buffers of a net.

    Members:
        kinds: of each buffer.
        x, y: in um.
        above: the buffer that drives it, -1 for the driver of the net.
        of_pin: the buffer that drives each pin, or -1.
        driver: which of the drivers was taken.
    """

    of_pin: list[int]
    driver: int
    kinds: list[str] = field(default_factory=list)
    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    above: list[int] = field(default_factory=list)


Candidate = tuple[float, float, float, Any]
"""Load in fF, time left in ns, area in um2, and how it came: a pin, two candidates, or a buffer, its place, one."""


def buffer_tree(
    tree: NetTree,
    ff: Sequence[float],
    due: Sequence[float],
    drivers: Sequence[tuple[Drive, float]],
    buffers: Sequence[Buffer],
    wire: WireRC,
    price: float,
) -> BufferTree:
    """Buffers of a net. ff, due: load of each pin, and when it must be reached after the driver begins, in ns.

    drivers: those that can be had, and what each costs, in ns.
    """
    candidates: list[list[Candidate]] = [[] for _ in tree.parent]
    children = tree.children()
    for node in _upwards(children):
        here: list[Candidate] = [(ff[node - 1], due[node - 1], 0.0, node - 1)] if 0 < node <= len(ff) else []
        branches = len(children[node]) + len(here)
        for child in children[node]:
            here = _joined(here, candidates[child], price)
            candidates[child] = []
        if node == 0:
            return _built(_best(here, drivers, price), len(ff))
        if branches > 1:
            here = _buffered(here, tree.x[node], tree.y[node], buffers, price)
        candidates[node] = _along(here, node, tree, buffers, wire, price)
    raise AssertionError("a tree has a root")


def _upwards(children: Sequence[Sequence[int]]) -> list[int]:
    """The nodes, each after all below it."""
    order, stack = [], [0]
    while stack:
        node = stack.pop()
        order.append(node)
        stack.extend(children[node])
    return order[::-1]


def _along(
    here: list[Candidate], node: int, tree: NetTree, buffers: Sequence[Buffer], wire: WireRC, price: float
) -> list[Candidate]:
    """Candidates at the upper end of the edge above a node."""
    length, above = tree.length(node), tree.parent[node]
    steps = max(1, ceil(length / STEP_UM))
    step = length / steps
    cap, ohm = step * wire.ff_um, step * wire.ohm_um * 1e-6
    for n in range(1, steps + 1):
        here = [(c + cap, q - ohm * (c + cap / 2), area, how) for c, q, area, how in here]
        x = tree.x[node] + (tree.x[above] - tree.x[node]) * n / steps
        y = tree.y[node] + (tree.y[above] - tree.y[node]) * n / steps
        here = _buffered(here, x, y, buffers, price)
    return here


def _buffered(here: list[Candidate], x: float, y: float, buffers: Sequence[Buffer], price: float) -> list[Candidate]:
    """Candidates at a place, with a buffer and without."""
    if here[-1][0] < LEAST_FF:
        return here
    more = []
    for buffer in buffers:
        ns_ff, limit = buffer.drive.ns_ff, buffer.drive.limit_ff
        best, found = -1e30, None
        for candidate in here:
            value = candidate[1] - ns_ff * candidate[0] - price * candidate[2]
            if value > best and candidate[0] <= limit:
                best, found = value, candidate
        if found:
            time = found[1] - buffer.drive.own_ns - ns_ff * found[0]
            more.append((buffer.entry_ff, time, found[2] + buffer.area, (buffer.name, x, y, found[3])))
    return _pruned(here + more, price)


def _joined(a: list[Candidate], b: list[Candidate], price: float) -> list[Candidate]:
    """Candidates of two branches together."""
    if not a or not b:
        return a or b
    return _pruned([(c + d, q if q < r else r, s + t, (how, way)) for c, q, s, how in a for d, r, t, way in b], price)


def _pruned(found: list[Candidate], price: float) -> list[Candidate]:
    """Candidates that no other one beats, the smallest load first."""
    found.sort(key=lambda each: (each[0], price * each[2] - each[1]))
    kept, best = [], -1e30
    for each in found:
        value = each[1] - price * each[2]
        if value > best + 1e-6:
            best = value
            kept.append(each)
    if len(kept) > KEPT:
        kept = [kept[round(n * (len(kept) - 1) / (KEPT - 1))] for n in range(KEPT)]
    return kept


def _best(here: Sequence[Candidate], drivers: Sequence[tuple[Drive, float]], price: float) -> tuple[Candidate, int]:
    """The best candidate at the driver, and the best driver for it."""

    def value(c: float, q: float, area: float, drive: Drive, cost: float) -> float:
        over = OVERLOAD_NS_FF * max(c - drive.limit_ff, 0.0)
        return q - drive.own_ns - drive.ns_ff * c - price * area - cost - over

    _, candidate, number = max(
        ((value(*each[:3], drive, cost), each, n) for each in here for n, (drive, cost) in enumerate(drivers)),
        key=lambda each: each[0],
    )
    return candidate, number


def _built(best: tuple[Candidate, int], pins: int) -> BufferTree:
    """The buffers of a candidate."""
    built = BufferTree([-1] * pins, best[1])
    stack = [(best[0][3], -1)]
    while stack:
        how, above = stack.pop()
        if isinstance(how, int):
            built.of_pin[how] = above
        elif len(how) == 2:
            stack += [(how[0], above), (how[1], above)]
        else:
            kind, x, y, below = how
            stack.append((below, len(built.kinds)))
            built.kinds.append(kind)
            built.x.append(x)
            built.y.append(y)
            built.above.append(above)
    return built
