"""Power of a mapped netlist from what its nets did: switching, internal, clock and leakage, by module.

    switching  1/2 C V^2 per toggle of a net, C the input pins on it; counted where the net is driven
    internal   the library's energy per toggle of a pin, from its tables at the transition and the load of that pin
    leakage    the library's power by state, weighted with the share of time in that state

Transitions are propagated from the inputs and the clocks as a timing analyser does, the slowest arc winning. Several
causes of an output's toggle (related pins, conditions) share it in proportion to how often the pin toggles and the
condition holds. Pins are taken as independent, except the input and the output of a flip-flop: they differ as often
as the flip-flop toggles. Charging a clock pin, the cell's own energy on it, and clock gates are `clock`.

No wires, no glitches (a net is looked at once per cycle). `tree` stands in for the buffers of a clock tree.

The tests compare this with OpenSTA 2.0.17 under one activity and duty for all pins: thirteen types of cells agree
within 0.1 % in switching and internal power (leakage: 2 %), two mapped modules within 2 %. For internal power the
comparison adds the parts of this model in OpenSTA's way, which differs by intent: there the energies of both edges
count for every toggle, twice what a toggle takes; every cause of an output's toggle adds its energy at its own rate,
instead of a share of it; pins are independent; and leakage does not follow the activity.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from fusioncim.asic.liberty import Arc, Cell, Library, Power, Table, postfix, values
from fusioncim.asic.memory_array import bank_macro
from fusioncim.asic.memory_model import CLOCK_FF, INPUT_FF, Macro
from fusioncim.asic.netlist import ONE, ZERO, Flat, Part, clock_nets
from fusioncim_golden.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TRANSITION = 0.02
"""At the inputs and the clock pins, ns: an inverter of the library driving four of its kind."""


TREE_LOAD_FF = 40.0
"""Clock pins and buffers that one buffer of the clock tree drives."""


@dataclass(frozen=True)
class Energy:
    """Of a run, in fJ. tree: stand-in for the clock tree; memory: accesses of banks; leakages: over the whole run."""

    switching: float = 0.0
    internal: float = 0.0
    clock: float = 0.0
    tree: float = 0.0
    leakage: float = 0.0
    memory: float = 0.0
    memory_leakage: float = 0.0

    def __add__(self, other: "Energy") -> "Energy":
        return Energy(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def logic(self) -> float:
        """Everything but the banks."""
        return self.switching + self.internal + self.clock + self.tree + self.leakage

    @property
    def total(self) -> float:
        """Banks included."""
        return self.logic + self.memory + self.memory_leakage


@dataclass(frozen=True)
class Activity:
    """What nets did. cycles: of the run; toggles, high (cycles in which it was 1): by net number."""

    cycles: int
    toggles: Ints
    high: Ints

    def __add__(self, other: "Activity") -> "Activity":
        return Activity(self.cycles + other.cycles, self.toggles + other.toggles, self.high + other.high)


@dataclass(frozen=True)
class Group:
    """All cells of one type: their indices in the netlist, and for each pin the nets, -1 where it is open."""

    cell: Cell
    index: Ints
    pins: Mapping[str, Ints]


class PowerModel:
    """A flat netlist with loads and transitions, which do not depend on the activity."""

    def __init__(
        self, flat: Flat, library: Library, box_loads: Mapping[str, Mapping[str, Sequence[float]]] | None = None
    ) -> None:
        """box_loads: of the boxes, capacitance of each bit of their inputs by kind and port, see `port_loads`."""
        library.require_power()
        self.flat, self.library, self.box_loads = flat, library, box_loads or {}
        self.groups = _groups(flat, library)
        self.clocks = clock_nets(flat, library)
        self.is_clock = np.zeros(flat.nets, bool)
        self.is_clock[list(self.clocks)] = True
        self.load = self._loads()
        self.rise, self.fall = self._transitions()

    def _loads(self) -> Floats:
        """Capacitance of the pins on each net, in the library's unit."""
        load = np.zeros(self.flat.nets)
        for group in self.groups:
            for name in group.cell.inputs:
                nets = group.pins[name]
                np.add.at(load, nets[nets >= 0], group.cell.pins[name].capacitance)
        scale = 1e-15 / self.library.units.capacitance
        for _, bank in self.flat.banks:
            for pin, bits in bank.pins.items():
                if pin != "read_data":
                    np.add.at(load, list(bits), scale * (CLOCK_FF if pin == "clk" else INPUT_FF))
        for _, box in self.flat.boxes:
            for pin, loads in self.box_loads[box.kind].items():
                np.add.at(load, list(box.pins[pin]), loads)
        load[[ZERO, ONE]] = 0
        return load

    def _transitions(self) -> tuple[Floats, Floats]:
        """Rise and fall transition of every net."""
        rise = np.full(self.flat.nets, TRANSITION * 1e-9 / self.library.units.time)
        fall = rise.copy()
        level = _levels(self.groups, self.flat)
        for _, group in sorted(_by_level(self.groups, level), key=lambda each: each[0]):
            for name in group.cell.outputs:
                nets = group.pins[name]
                used = (nets >= 0) & ~self.is_clock[nets]  # a clock tree restores its edges
                if not used.any():
                    continue
                slow = np.zeros(len(nets)), np.zeros(len(nets))
                for arc in group.cell.pins[name].arcs:
                    for edge, worst in enumerate(slow):
                        np.maximum(worst, self._arc(group, nets, arc, edge, rise, fall), out=worst)
                if slow[0].any() or slow[1].any():
                    rise[nets[used]], fall[nets[used]] = slow[0][used], slow[1][used]
        return rise, fall

    def _arc(self, group: Group, nets: Ints, arc: Arc, edge: int, rise: Floats, fall: Floats) -> Floats:
        table = (arc.rise, arc.fall)[edge]
        if table is None or arc.related not in group.pins:
            return np.zeros(len(nets))
        related = group.pins[arc.related]
        sides = (rise[related], fall[related])
        if group.cell.pins[arc.related].clock:
            transition = sides[0]
        elif arc.unate == "non_unate":
            transition = np.maximum(*sides)
        else:
            transition = sides[edge if arc.unate == "positive_unate" else 1 - edge]
        return lookup(table, transition, self.load[nets])

    def energies(self, activity: Activity, period_ns: float) -> dict[tuple[str, ...], Energy]:
        """Energy of a run by the path of the module around the cells."""
        if len(activity.toggles) != self.flat.nets:
            raise InputError(
                f"the activity must be that of the netlist, with {self.flat.nets} nets, not {len(activity.toggles)}"
            )
        if activity.cycles < 1:
            raise InputError(f"the activity must cover at least one cycle, not {activity.cycles}")
        volts, units = self.library.voltage, self.library.units
        farad, joule = units.capacitance * 1e15, units.energy * 1e15  # to fF, fJ
        run_ns = activity.cycles * period_ns
        switching = np.zeros(len(self.flat.cells))
        internal, clock, trees, leakage = (switching.copy() for _ in range(4))
        share = activity.high / activity.cycles
        share[list(self.clocks)] = activity.toggles[list(self.clocks)] / (4 * activity.cycles)  # high half of a pulse
        charge = 0.5 * farad * volts**2 * activity.toggles
        net_energy = np.where(self.is_clock, 0.0, self.load * charge)
        tree = clock_tree_energy(self.library, TREE_LOAD_FF) * activity.toggles
        for group in self.groups:
            states = States(group, activity, share)
            for name in group.cell.outputs:
                nets = group.pins[name]
                used = nets >= 0
                switching[group.index] += np.where(used, net_energy[nets], 0.0)
                inner = self._output(group, name, states, activity) * joule
                (clock if group.cell.kind == "icg" else internal)[group.index] += inner
            for name in group.cell.inputs:
                pin = group.cell.pins[name]
                inner = self._input(group, name, states, activity) * joule
                (clock if pin.clock else internal)[group.index] += inner
                if pin.clock:
                    nets = group.pins[name]
                    clock[group.index] += pin.capacitance * charge[nets]
                    trees[group.index] += pin.capacitance * farad / TREE_LOAD_FF * tree[nets]
            leakage[group.index] += leakage_power(group.cell, states) * units.leakage * 1e15 * run_ns * 1e-9
        table: dict[tuple[str, ...], Energy] = defaultdict(Energy)
        for n, (path, _) in enumerate(self.flat.cells):
            table[path] += Energy(*(float(x[n]) for x in (switching, internal, clock, trees, leakage)))
        for path, bank in self.flat.banks:
            table[path] += bank_energy(bank, activity, run_ns)
        for direction, bits in self.flat.ports.values():
            if direction == "input":
                table[()] += Energy(switching=float(net_energy[list(bits)].sum()))
        return dict(table)

    def _output(self, group: Group, name: str, states: "States", activity: Activity) -> Floats:
        """Internal energy of an output pin's toggles, each shared by its causes.

        An open output of a flip-flop toggles with the other one.
        """
        nets = group.pins[name]
        toggles = np.where(nets >= 0, activity.toggles[nets], states.toggles)
        load = np.where(nets >= 0, self.load[nets], 0.0)
        if group.cell.kind == "icg":  # the tree behind it drives the rest
            load = np.minimum(load, TREE_LOAD_FF * 1e-15 / self.library.units.capacitance)
        total, weights = np.zeros(len(nets)), np.zeros(len(nets))
        plain, count = np.zeros(len(nets)), 0
        for power in group.cell.pins[name].power:
            if power.related not in group.pins:
                continue
            related = group.pins[power.related]
            energy = toggle_energy(power, self._mean(related), load)
            weight = activity.toggles[related] * states.probability(power.when)
            total, weights, plain, count = total + weight * energy, weights + weight, plain + energy, count + 1
        if not count:
            return np.zeros(len(nets))
        energy = np.where(weights > 0, total / np.where(weights > 0, weights, 1), plain / count)
        return toggles * energy

    def _input(self, group: Group, name: str, states: "States", activity: Activity) -> Floats:
        """Internal energy of an input pin's toggles that change no output."""
        nets = group.pins[name]
        total = np.zeros(len(nets))
        for power in group.cell.pins[name].power:
            energy = toggle_energy(power, self._mean(nets), np.zeros(len(nets)))
            total += states.probability(power.when, name) * energy
        return np.where(nets >= 0, activity.toggles[nets] * total, 0.0)

    def _mean(self, nets: Ints) -> Floats:
        mean: Floats = (self.rise[nets] + self.fall[nets]) / 2
        return mean


class States:
    """How often the pins of a group's cells have values together."""

    def __init__(self, group: Group, activity: Activity, share: Floats) -> None:
        self.group, self.share = group, share
        cell = group.cell
        self.toggles = np.zeros(len(group.index), np.int64)
        self.data, self.out, self.inverse = _state_pins(cell)
        if self.data:
            clock = next(name for name in cell.inputs if cell.pins[name].clock)
            outs = [group.pins[name] for name in (self.out, self.inverse) if name]
            edges = np.maximum(activity.toggles[group.pins[clock]] / 2, 1)
            nets = np.maximum.reduce(outs)
            high = share[nets]
            if self.out and self.inverse:
                high = np.where(group.pins[self.out] >= 0, share[group.pins[self.out]], 1 - share[nets])
            elif self.inverse:
                high = 1 - high
            self.high = high
            self.toggles = activity.toggles[nets]
            self.differ = np.minimum(self.toggles / edges, 1.0) / 2

    def probability(self, when: str, toggling: str = "") -> Floats:
        """Share of time in which a condition holds; the pin `toggling`, if it occurs, is in the state that it needs."""
        total = np.zeros(len(self.group.index))
        names, rows = minterms(when)
        for row in rows:
            total += self._row(dict(zip(names, row, strict=True)), toggling)
        return total

    def _row(self, pins: dict[str, bool], toggling: str) -> Floats:
        weight = np.ones(len(self.group.index))
        q = pins.pop(self.out, None) if self.out else None
        if self.inverse and self.inverse in pins:
            other = not pins.pop(self.inverse)
            if q is not None and q != other:
                return np.zeros(len(weight))
            q = other
        if self.data and (q is not None or self.data in pins):
            weight = weight * self._joint(pins.pop(self.data, None) if self.data != toggling else None, q)
            pins.pop(self.data, None)
        for name, value in pins.items():
            if name == toggling or name not in self.group.pins:
                continue
            nets = self.group.pins[name]
            high = np.where(nets >= 0, self.share[nets], 0.5)
            weight = weight * (high if value else 1 - high)
        return weight

    def _joint(self, d: bool | None, q: bool | None) -> Floats:
        """Probability of a flip-flop's input and state, None for either value."""
        if d is None:
            return self.high if q else 1 - self.high
        if q is None:
            return self._joint(d, True) + self._joint(d, False)
        if d != q:
            return np.minimum(self.differ, np.minimum(self.high, 1 - self.high))
        return np.maximum((self.high if q else 1 - self.high) - self.differ, 0)


@cache
def minterms(when: str) -> tuple[tuple[str, ...], tuple[tuple[bool, ...], ...]]:
    """The pins of a condition and the values of them for which it holds."""
    if not when:
        return (), ((),)
    names = tuple(sorted({token for token in postfix(when) if re.fullmatch(r"[A-Za-z_]\w*", token)}))
    table = values(when, names)
    rows = product((False, True), repeat=len(names))
    return names, tuple(row for row, true in zip(rows, table, strict=True) if true)


def toggle_energy(power: Power, transition: Floats, load: Floats) -> Floats:
    """Energy of a toggle: half of all toggles rise."""
    tables = [table for table in (power.rise, power.fall) if table]
    return sum((lookup(table, transition, load) / 2 for table in tables), np.zeros(len(load)))


def lookup(table: Table, transition: Floats, load: Floats) -> Floats:
    """Bilinear in transition and load; beyond the table its outermost values go on linearly."""
    rows, columns = np.array(table.transition), np.array(table.load)
    grid = np.array(table.values)
    i, a = _between(rows, transition)
    j, b = _between(columns, load)
    down, right = np.minimum(i + 1, len(rows) - 1), np.minimum(j + 1, len(columns) - 1)
    found: Floats = (1 - a) * ((1 - b) * grid[i, j] + b * grid[i, right])
    found += a * ((1 - b) * grid[down, j] + b * grid[down, right])
    return found


def _between(axis: Floats, x: Floats) -> tuple[Ints, Floats]:
    """Index of the point below and the distance from it, in units of the step."""
    if len(axis) == 1:
        return np.zeros(len(x), np.int64), np.zeros(len(x))
    i = np.clip(np.searchsorted(axis, x) - 1, 0, len(axis) - 2)
    return i, (x - axis[i]) / (axis[i + 1] - axis[i])


def clock_tree_energy(library: Library, load_ff: float) -> float:
    """Energy in fJ of an edge in the buffers of a tree, per load_ff of clock pins.

    Each buffer drives load_ff, of pins or of further buffers; it is the one of the library that takes the least energy.
    Its share of the levels above is load / (load - input).
    """
    units = library.units
    farad, joule = units.capacitance * 1e15, units.energy * 1e15
    transition, load = (np.array([x]) for x in (TRANSITION * 1e-9 / units.time, load_ff / farad))
    best = np.inf
    for cell in library.cells.values():
        if cell.kind != "comb" or len(cell.inputs) != 1 or len(cell.outputs) != 1:
            continue
        (entry,), (name,) = cell.inputs, cell.outputs
        pin, entrance = cell.pins[name], cell.pins[entry].capacitance * farad
        if pin.function != entry or entrance > load_ff / 2:
            continue
        inner = sum(float(toggle_energy(power, transition, load)[0]) for power in pin.power) * joule
        best = min(best, (inner + entrance * library.voltage**2 / 2) * load_ff / (load_ff - entrance))
    if not np.isfinite(best):
        raise InputError(f"the Liberty file must have a buffer for the clock tree, not so {library.path}")
    return float(best)


def leakage_power(cell: Cell, states: States) -> Floats:
    """Leakage of a group's cells, in the library's unit."""
    default = cell.leakage.get("", 0.0)
    total = np.zeros(len(states.group.index))
    covered = total.copy()
    for when, value in cell.leakage.items():
        if when:
            share = states.probability(when)
            total, covered = total + share * value, covered + share
    return total + np.maximum(1 - covered, 0) * default


def macro_of(bank: Part) -> Macro:
    """The memory model of a bank of the netlist."""
    return bank_macro(bank.parameters)


def bank_energy(bank: Part, activity: Activity, run_ns: float) -> Energy:
    """Accesses and leakage of a bank: an enable that is high in a cycle is an access."""
    macro = macro_of(bank)
    reads = activity.high[list(bank.pins["read_enable"])].sum()
    writes = activity.high[list(bank.pins["write_enable"])].sum()
    accesses = reads * macro.read_energy_fj + writes * macro.write_energy_fj
    clock = activity.cycles * macro.idle_energy_fj
    return Energy(memory=float(accesses + clock), memory_leakage=macro.leakage_nw * run_ns * 1e-3)


def _state_pins(cell: Cell) -> tuple[str, str, str]:
    """Data pin of a flip-flop that stores one pin, and its outputs with the state and the complement; "" if none."""
    if cell.kind != "ff" or cell.state["next"] not in cell.inputs:
        return "", "", ""
    state, complement = cell.state["state"], cell.state["complement"]
    outs = {cell.pins[name].function: name for name in cell.outputs}
    out = outs.get(state, "")
    inverse = outs.get(complement, outs.get(f"(~{state})", ""))
    return (cell.state["next"], out, inverse) if out or inverse else ("", "", "")


def _groups(flat: Flat, library: Library) -> list[Group]:
    kinds: dict[str, list[int]] = defaultdict(list)
    for n, (_, part) in enumerate(flat.cells):
        kinds[part.kind].append(n)
    groups = []
    for kind, index in kinds.items():
        cell = library.cells.get(kind)
        if cell is None:
            raise InputError(f"the netlist's cells must be those of {library.name}, not {kind}")
        pins = {
            pin: np.array([(flat.cells[n][1].pins.get(pin) or (-1,))[0] for n in index], np.int64) for pin in cell.pins
        }
        groups.append(Group(cell, np.array(index, np.int64), pins))
    return groups


def _levels(groups: Sequence[Group], flat: Flat) -> Ints:
    """Number of cells before each cell on the longest combinational path; clock gates before flip-flops."""
    driver = np.full(flat.nets, -1, np.int64)
    before: list[list[int]] = [[] for _ in flat.cells]
    for group in groups:
        for name in group.cell.outputs:
            nets = group.pins[name]
            driver[nets[nets >= 0]] = group.index[nets >= 0]
    for group in groups:
        names = [name for name in group.cell.inputs if group.cell.kind == "comb" or group.cell.pins[name].clock]
        for name in names:
            for cell, net in zip(group.index.tolist(), group.pins[name].tolist(), strict=True):
                if net >= 0 and driver[net] >= 0:
                    before[cell].append(int(driver[net]))
    after: list[list[int]] = [[] for _ in flat.cells]
    missing = np.array([len(each) for each in before])
    for cell, sources in enumerate(before):
        for source in sources:
            after[source].append(cell)
    level = np.zeros(len(flat.cells), np.int64)
    ready = np.flatnonzero(missing == 0).tolist()
    while ready:
        cell = ready.pop()
        for next_cell in after[cell]:
            level[next_cell] = max(level[next_cell], level[cell] + 1)
            missing[next_cell] -= 1
            if not missing[next_cell]:
                ready.append(next_cell)
    if missing.any():
        raise InputError(
            f"the netlist must have no combinational loop, not so cell {flat.cells[int(missing.argmax())]}"
        )
    return level


def _by_level(groups: Iterable[Group], level: Ints) -> Iterable[tuple[int, Group]]:
    for group in groups:
        here = level[group.index]
        for value in np.unique(here).tolist():
            at = here == value
            yield value, Group(group.cell, group.index[at], {name: nets[at] for name, nets in group.pins.items()})
