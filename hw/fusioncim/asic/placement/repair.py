"""Buffers and strengths of drivers for the wires of a placement, as a tool flow repairs them after it has placed.

The buffers of synthesis, which knew no places, are taken out (`rebuffer`). Every net that loads its driver too much, or
has many pins, gets a tree of its own (`buffer_tree`). Then, in rounds: pins that are late (`slacks`) get the time that
they have, and their nets a tree, and a driver, at a lower price. A late gate that stands off the way between what
drives it and what waits for it moves there, unless it is in a row of an array. Clocks keep their own trees.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.drive import Drive, buffers_of, drive_of, is_buffer, strengths
from fusioncim.asic.cells.table_lookup import Floats
from fusioncim.asic.memory.memory_technology import LOAD_FF, OUTPUT_NS_FF
from fusioncim.asic.placement.buffer_tree import WireRC, buffer_tree
from fusioncim.asic.placement.late_gates import move_late_gates
from fusioncim.asic.placement.net_tree import net_tree
from fusioncim.asic.placement.nets import Net, nets_of
from fusioncim.asic.placement.objects import ROW_UM
from fusioncim.asic.placement.placed_pins import placed_pins
from fusioncim.asic.placement.placement import Placement
from fusioncim.asic.placement.rebuffer import NetBuffers, with_buffers, without_buffers
from fusioncim.asic.placement.steiner import net_lengths
from fusioncim.asic.slacks import Slacks, slacks
from fusioncim.asic.spef import OHM_UM
from fusioncim.asic.synthesis.buffers import PORT_FF

MANY = 16
"""Pins of a net that gets a tree whatever its load is."""
PORT = Drive(0.0, 0.0005, PORT_FF)
"""Of an input port."""
BANK = Drive(0.0, OUTPUT_NS_FF, LOAD_FF)
BEFORE_NS_FF = 0.002
"""What a larger input of a driver costs before it: the delay of most cells of the weakest strength."""
PRICES = (0.03, 0.001, 0.0005, 0.0003)
"""In ns per um2: of the first trees, and of those in each round."""
MARGIN_NS = 0.1
"""Time that a path has left from which its nets stay as they are."""


@dataclass(frozen=True)
class Repaired:
    """A placement after repair.

    Members:
        length: of wires in um, by net.
        removed, added: buffers by kind.
        resized: cells that got another strength.
        moved: gates that moved.
        area: of cells in um2, before and after.
        worst_ns: the least time left, as `slacks` estimates it, after each round.
    """

    placement: Placement
    length: Floats
    removed: Mapping[str, int]
    added: Mapping[str, int]
    resized: int
    moved: int
    area: tuple[float, float]
    worst_ns: Sequence[float]


class _Repair:
    def __init__(self, placement: Placement, library: Library, wire: WireRC) -> None:
        self.library, self.wire = library, wire
        self.base = without_buffers(placement, library)
        self.pins = placed_pins(self.base, library)
        self.nets = nets_of(self.pins, self.base.flat.nets)
        self.buffers = buffers_of(library)
        self.strengths = strengths(library)
        self.parts = self.base.flat.cells
        self.trees: dict[int, NetBuffers] = {}
        self.of_net: dict[int, str] = {}
        self.choices: dict[tuple[str, str], list[tuple[str, Drive, float]]] = {}

    def needy(self) -> list[int]:
        """Nets with many pins, or with more than their driver may carry."""
        load = np.zeros(self.base.flat.nets)
        np.add.at(load, self.pins.net, self.pins.ff)
        degree = np.bincount(self.pins.net, minlength=self.base.flat.nets)
        few = (degree <= MANY)[self.pins.net] & self.pins.wired
        lengths = net_lengths(self.pins.net[few], self.pins.x[few], self.pins.y[few], self.base.flat.nets)
        load += lengths * self.wire.ff_um
        return [net for net, each in self.nets.items()
                if degree[net] > MANY or load[net] > self.drivers(each)[0][1].limit_ff]  # fmt: skip

    def drivers(self, net: Net) -> list[tuple[str, Drive, float]]:
        """Kinds of cells that may drive a net, the present one first, and what each costs in ns beside its area."""
        part = int(self.pins.part[net.driver])
        if part < 0 or part >= len(self.parts):
            return [("", PORT if part < 0 else BANK, 0.0)]
        kind, pin = self.parts[part][1].kind, self.pins.names[self.pins.name[net.driver]]
        if (kind, pin) not in self.choices:
            self.choices[kind, pin] = self._choices(kind, pin)
        return self.choices[kind, pin]

    def _choices(self, kind: str, pin: str) -> list[tuple[str, Drive, float]]:
        farad = self.library.units.capacitance * 1e15
        own = self.library.cells[kind]
        found = []
        for cell in sorted(self.strengths.get(kind, [own]), key=lambda each: each.name != kind):
            more = max((cell.pins[name].capacitance - own.pins[name].capacitance for name in own.inputs), default=0.0)
            found.append((cell.name, drive_of(self.library, cell, pin), more * farad * BEFORE_NS_FF))
        return found

    def solve(self, number: int, due: Sequence[float], price: float) -> None:
        """Give a net its tree and its driver."""
        net = self.nets[number]
        first = [net.driver, *(bundle[0] for bundle in net.pins)]
        tree = net_tree(self.pins.x[first], self.pins.y[first])
        ff = [float(self.pins.ff[bundle].sum()) for bundle in net.pins]
        drivers = self.drivers(net)
        area = self.library.cells[drivers[0][0]].area if drivers[0][0] else 0.0
        costs = [(drive, cost + (price * (self.library.cells[kind].area - area) if kind else 0.0))
                 for kind, drive, cost in drivers]  # fmt: skip
        built = buffer_tree(tree, ff, due, costs, self.buffers, self.wire, price)
        self.trees[number] = NetBuffers(number, built, net.pins)
        self.of_net[number] = drivers[built.driver][0]

    def applied(self) -> Placement:
        """The placement with all trees and drivers. A cell with two outputs is as strong as either needs it."""
        kinds: dict[int, str] = {}
        for number, kind in self.of_net.items():
            part = int(self.pins.part[self.nets[number].driver])
            if kind and self.library.cells[kind].area >= self.library.cells[kinds.get(part, kind)].area:
                kinds[part] = kind
        return with_buffers(self.base, self.library, self.pins, list(self.trees.values()), kinds)

    def late(self, found: Slacks, added: int) -> dict[int, list[float]]:
        """Nets on late paths, and when each bundle of their pins must be reached after the driver begins.

        found: of the applied placement, whose pins are those here with `added` more between cells and banks.
        """
        inner = int((self.pins.part >= 0).sum() - (self.pins.part >= len(self.parts)).sum())
        at = np.arange(len(self.pins.part))
        at[inner:] += added
        slack, arrival = found.slack[at], found.arrival[at]
        moved = move_late_gates(self.base, self.pins, self.nets, self.library, slack, MARGIN_NS)
        touched = np.isin(self.pins.part, list(moved))
        nets = {}
        for number in np.unique(self.pins.net[(slack < MARGIN_NS) | touched]).tolist():
            net = self.nets.get(number)
            if net is None:
                continue
            kind = self.of_net.get(number)
            drive = next(drive for name, drive, _ in self.drivers(net) if kind is None or name == kind)
            begin = arrival[net.driver] - drive.own_ns - drive.ns_ff * found.load_ff[number]
            due = [float(min(arrival[pin] + slack[pin] for pin in bundle) - begin) for bundle in net.pins]
            nets[number] = [min(each, 1e3) for each in due]
        return nets


def repaired(
    placement: Placement, library: Library, period_ns: float, *, ff_um: float, ohm_um: float = OHM_UM, rounds: int = 3
) -> Repaired:
    """Repair a placement for a clock period."""
    work = _Repair(placement, library, WireRC(ff_um, ohm_um))
    for net in work.needy():
        work.solve(net, [0.0] * len(work.nets[net].pins), PRICES[0])
    worst: list[float] = []
    best: tuple[float, Placement, Floats] | None = None
    for price in (*PRICES[1 : rounds + 1], None):
        now = work.applied()
        length = net_lengths(*now.pins, now.flat.nets)
        pins = placed_pins(now, library)
        found = slacks(now.flat, pins, length * ff_um, library, period_ns, ohm_um)
        worst.append(round(float(np.min(found.slack[np.isfinite(found.slack)])), 4))
        if best is None or worst[-1] > best[0]:
            best = worst[-1], now, length
        if price is None or worst[-1] >= MARGIN_NS:
            break
        for net, due in work.late(found, len(pins.part) - len(work.pins.part)).items():
            work.solve(net, due, price)
    assert best is not None
    return _summary(placement, without_buffers(placement, library), best[1], best[2], worst, library)


def _summary(
    before: Placement, base: Placement, after: Placement, length: Floats, worst: Sequence[float], library: Library
) -> Repaired:
    """base: what was before without buffers."""

    def area(placement: Placement) -> float:
        return round(sum(library.cells[part.kind].area for _, part in placement.flat.cells), 3)

    def buffers(placement: Placement) -> dict[str, int]:
        kinds = Counter(part.kind for _, part in placement.flat.cells)
        return {kind: count for kind, count in sorted(kinds.items()) if is_buffer(library.cells[kind])}

    own = np.arange(len(base.flat.cells))
    (x0, y0), (x1, y1) = base.middles(own), after.middles(own)
    pairs = zip(base.flat.cells, after.flat.cells, strict=False)
    return Repaired(
        after,
        length,
        buffers(before),
        buffers(after),
        sum(a.kind != b.kind for (_, a), (_, b) in pairs),
        int((np.abs(x1 - x0) + np.abs(y1 - y0) > ROW_UM).sum()),
        (area(before), area(after)),
        worst,
    )
