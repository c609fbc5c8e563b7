"""The trees of the clocks of a placement, from where their pins are.

Clock pins that are near each other hang on one buffer, those buffers on further ones, up to the clock gate or the port
that drives the clock. A group is halved across its longer side until its pins and its wire (`steiner`) are at most
TREE_LOAD_FF; two nodes that are further apart have several buffers along the wire. A pin that is left over waits for
the next level. The buffer is that of the stand-in (`clock_tree`). The levels are not balanced.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.table_lookup import Floats, Ints
from fusioncim.asic.memory.memory_technology import CLOCK_FF
from fusioncim.asic.placement.placement import Placement
from fusioncim.asic.placement.steiner import net_lengths
from fusioncim.asic.power.clock_tree import TREE_LOAD_FF, TreeEnergy, tree_buffer

GROUP = 64
"""Pins of a group whose wire is measured; that of a larger one is estimated."""
SPREAD = 0.75
"""Wire of n pins in an area A: SPREAD sqrt(n A); 0.71 for very many (`steiner` finds 0.74 to 0.77 for 10 to 200)."""


@dataclass(frozen=True)
class ClockPins:
    """Pins of clocks: the clock, place in um and capacitance in fF of each."""

    clock: Ints
    x: Floats
    y: Floats
    ff: Floats


@dataclass(frozen=True)
class Branch:
    """What a buffer drives, or several along one wire.

    Members:
        clock: number of the tree.
        pins: clock pins behind it.
        wire_um: from the driver to what it drives.
        buffers: on it; the driver of the clock itself, at the root, is not among them.
        load_ff: on each of them.
    """

    clock: int
    pins: Ints
    wire_um: float
    buffers: int
    load_ff: float


@dataclass(frozen=True)
class ClockTrees:
    """The trees of a placement.

    Members:
        pins: all clock pins, those of cells first.
        branches: of all trees.
        nets: of the clocks, by their number in `pins`.
        energy: of an edge, by cell and bank.
    """

    pins: ClockPins
    branches: Sequence[Branch]
    nets: Ints
    energy: TreeEnergy

    @property
    def wire_um(self) -> float:
        """Of all trees."""
        return sum(branch.wire_um for branch in self.branches)

    @property
    def buffers(self) -> int:
        """Of all trees."""
        return sum(branch.buffers for branch in self.branches)


def clock_trees(placement: Placement, library: Library, ff_um: float) -> ClockTrees:
    """The trees of all clocks; ff_um: capacitance of wires."""
    flat, objects = placement.flat, placement.objects
    farad = library.units.capacitance * 1e15
    nets, clock = np.unique(objects.clock_net, return_inverse=True)
    x, y = placement.middles(objects.clock_object)
    ff = [
        sum(pin.capacitance for pin in library.cells[flat.cells[n][1].kind].pins.values() if pin.clock) * farad
        if n < objects.cells
        else CLOCK_FF
        for n in objects.clock_object.tolist()
    ]
    pins = ClockPins(clock.astype(np.int64), x, y, np.array(ff))
    buffer = tree_buffer(library, TREE_LOAD_FF)
    branches = grow(pins, _roots(placement, library, nets), buffer.entry_ff, ff_um)
    energy = np.zeros(len(pins.ff))
    per_branch = buffer.energies(np.array([each.load_ff for each in branches]))
    wire = 0.5 * library.voltage**2 * ff_um
    for branch, inner in zip(branches, per_branch.tolist(), strict=True):
        share = pins.ff[branch.pins] / pins.ff[branch.pins].sum()
        energy[branch.pins] += (branch.buffers * inner + wire * branch.wire_um) * share
    table = np.zeros(len(objects.width))
    np.add.at(table, objects.clock_object, energy)
    banks = np.zeros(len(flat.banks))
    np.add.at(banks, objects.bank[objects.cells :], table[objects.cells :])
    return ClockTrees(pins, branches, nets, TreeEnergy(table[: objects.cells], banks))


def grow(pins: ClockPins, roots: tuple[Floats, Floats], entry_ff: float, ff_um: float) -> list[Branch]:
    """The trees over pins of all clocks; roots: places of the drivers by clock. entry_ff: input of a buffer."""
    behind = [np.array([n]) for n in range(len(pins.ff))]
    clock, x, y, ff = pins.clock, pins.x, pins.y, pins.ff
    branches: list[Branch] = []
    while len(clock):
        groups = [np.flatnonzero(clock == n) for n in np.unique(clock).tolist()]
        numbers = [int(clock[group[0]]) for group in groups]
        wires = _wires(groups, x, y, (roots[0][numbers], roots[1][numbers]))
        left = []
        for group, number, wire in zip(groups, numbers, wires.tolist(), strict=True):
            load = float(ff[group].sum()) + ff_um * wire
            if len(group) > 1 and load > TREE_LOAD_FF:
                left.append(group)
                continue
            drivers = _drivers(load, entry_ff)
            below = np.concatenate([behind[n] for n in group.tolist()])
            branches.append(Branch(number, below, wire, drivers - 1, (load + (drivers - 1) * entry_ff) / drivers))
        nodes: list[tuple[int, float, float, float, Ints]] = []
        for group, wire in _halved(left, x, y, ff, ff_um):
            number, below = int(clock[group[0]]), np.concatenate([behind[n] for n in group.tolist()])
            if len(group) == 1:
                nodes.append((number, float(x[group[0]]), float(y[group[0]]), float(ff[group[0]]), below))
                continue
            load = float(ff[group].sum()) + ff_um * wire
            drivers = _drivers(load, entry_ff)
            branches.append(Branch(number, below, wire, drivers, (load + (drivers - 1) * entry_ff) / drivers))
            nodes.append((number, float(np.median(x[group])), float(np.median(y[group])), entry_ff, below))
        clock = np.array([node[0] for node in nodes], np.int64)
        x, y, ff = (np.array([node[n] for node in nodes], float) for n in (1, 2, 3))
        behind = [node[4] for node in nodes]
    return branches


def _halved(groups: Sequence[Ints], x: Floats, y: Floats, ff: Floats, ff_um: float) -> list[tuple[Ints, float]]:
    """Groups of nodes that a buffer in their middle can drive, and pairs; with their wires."""
    done: list[tuple[Ints, float]] = []
    while groups:
        middle = np.array([[np.median(x[group]), np.median(y[group])] for group in groups]).T
        wires = _wires(groups, x, y, (middle[0], middle[1]))
        halves: list[Ints] = []
        for group, wire in zip(groups, wires.tolist(), strict=True):
            load = float(ff[group].sum()) + ff_um * wire
            if load <= TREE_LOAD_FF or len(group) <= 2:
                done.append((group, wire))
                continue
            parts = ceil(load / TREE_LOAD_FF)
            order = group[np.argsort(x[group] if np.ptp(x[group]) > np.ptp(y[group]) else y[group], kind="stable")]
            at = int(np.searchsorted(np.cumsum(ff[order]), ff[order].sum() * (parts // 2) / parts))
            at = min(max(at, 1), len(order) - 1)
            halves += [order[:at], order[at:]]
        groups = halves
    return done


def _wires(groups: Sequence[Ints], x: Floats, y: Floats, more: tuple[Floats, Floats]) -> Floats:
    """Wire over each group and one more place."""
    wires = np.zeros(len(groups))
    small = np.flatnonzero([len(group) <= GROUP for group in groups])
    for n in np.setdiff1d(np.arange(len(groups)), small).tolist():
        across, along = (np.ptp(np.append(each[groups[n]], at[n])) for each, at in zip((x, y), more, strict=True))
        wires[n] = SPREAD * np.sqrt(len(groups[n]) * across * along)
    if len(small):
        nodes = np.concatenate([groups[n] for n in small.tolist()])
        net = np.append(np.repeat(small, [len(groups[n]) for n in small.tolist()]), small)
        wires += net_lengths(net, np.append(x[nodes], more[0][small]), np.append(y[nodes], more[1][small]), len(groups))
    return wires


def _drivers(load: float, entry_ff: float) -> int:
    """Drivers along a wire so that none has more than TREE_LOAD_FF."""
    return max(1, ceil((load - entry_ff) / (TREE_LOAD_FF - entry_ff)))


def _roots(placement: Placement, library: Library, nets: Ints) -> tuple[Floats, Floats]:
    """Places of the drivers of clocks: cells, or the middle of the lower edge."""
    driver: dict[int, int] = defaultdict(lambda: -1)
    wanted = set(nets.tolist())
    for n, (_, part) in enumerate(placement.flat.cells):
        for pin in library.cells[part.kind].outputs:
            driver.update((net, n) for net in part.pins.get(pin, ()) if net in wanted)
    cells = np.array([driver[net] for net in nets.tolist()], np.int64)
    x, y = placement.middles(np.maximum(cells, 0))
    return np.where(cells < 0, placement.width_um / 2, x), np.where(cells < 0, 0.0, y)
