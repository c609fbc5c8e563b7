"""How much time every pin of a placed netlist has: an estimate with the library's tables, to steer repairs.

Arrivals go forward from clocks and inputs, required times back from registers, banks and outputs. A wire delays each
pin by the resistance of its way, times half of the load of its net. OpenSTA has the last word (`placed_timing`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fusioncim.asic.cells.cell_library import Arc, Library
from fusioncim.asic.cells.table_lookup import Floats, Ints, lookup
from fusioncim.asic.memory.memory_array import bank_macro
from fusioncim.asic.memory.memory_technology import OUTPUT_NS_FF, SETUP_NS, SLEW_NS, SLEW_NS_FF
from fusioncim.asic.netlist.cell_groups import Group, by_level, grouped, levels
from fusioncim.asic.netlist.loads import net_loads
from fusioncim.asic.netlist.netlist import ONE, Flat
from fusioncim.asic.placement.placed_pins import PlacedPins
from fusioncim.asic.power.transitions import TRANSITION
from fusioncim.asic.spef import OHM_UM
from fusioncim.package import IO_SHARE


@dataclass(frozen=True)
class Slacks:
    """Of a placement, in ns.

    Members:
        slack: of every pin of `PlacedPins`.
        arrival: at every pin, the later edge.
        load_ff: of every net, wire included.
    """

    slack: Floats
    arrival: Floats
    load_ff: Floats


class _Graph:
    """Cells by level with the numbers of their pins, and times of both edges, the rising one first."""

    def __init__(self, flat: Flat, pins: PlacedPins, wire_ff: Floats, library: Library, ohm_um: float) -> None:
        self.flat, self.pins, self.library = flat, pins, library
        self.ns = library.units.time * 1e9
        groups = grouped(flat, library)
        self.load = net_loads(flat, library, groups, {}) + wire_ff * 1e-15 / library.units.capacitance
        self.parts = sorted(by_level(groups, levels(groups, self.flat)), key=lambda each: each[0])
        key = pins.part * len(pins.names) + pins.name
        cells = (pins.part >= 0) & (pins.part < len(self.flat.cells))
        self.order = np.flatnonzero(cells)[np.argsort(key[cells], kind="stable")]
        self.keys = key[self.order]
        self.name = {name: n for n, name in enumerate(pins.names)}
        self.delay = self._wire_delays(ohm_um)
        self.arrival = np.full((2, self.flat.nets), -np.inf)
        self.slew = np.full((2, self.flat.nets), TRANSITION / self.ns)
        self.required = np.full((2, self.flat.nets), np.inf)

    def _wire_delays(self, ohm_um: float) -> Floats:
        pins = self.pins
        driver = np.full(self.flat.nets, -1)
        driver[pins.net[pins.drives]] = np.flatnonzero(pins.drives)
        at = driver[pins.net]
        away = np.abs(pins.x - pins.x[at]) + np.abs(pins.y - pins.y[at])
        farad = self.library.units.capacitance * 1e15
        delay: Floats = away * ohm_um * self.load[pins.net] * farad / 2 * 1e-6
        delay[pins.drives | ~pins.wired | (at < 0)] = 0.0
        return delay

    def numbers(self, group: Group, name: str) -> Ints:
        """Of the pins of that name, -1 where there is none."""
        if name not in self.name:
            return np.full(len(group.index), -1)
        keys = group.index * len(self.pins.names) + self.name[name]
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, self.order[at], -1)

    def arcs(self, group: Group) -> Iterator[tuple[str, Arc, int, int, Floats, Floats]]:
        """Output, arc, edge of the input, edge of the output, delay in ns, transition."""
        for name in group.cell.outputs:
            for arc in group.cell.pins[name].arcs:
                if arc.related not in group.pins:
                    continue
                clock = group.cell.pins[arc.related].clock
                ways = {"positive_unate": ((0, 0), (1, 1)), "negative_unate": ((0, 1), (1, 0))}.get(
                    arc.unate, ((0, 0), (0, 1), (1, 0), (1, 1))
                )
                for before, after in ((0, 0), (0, 1)) if clock else ways:
                    table, slew = ((arc.delay_rise, arc.rise), (arc.delay_fall, arc.fall))[after]
                    if table is None or slew is None:
                        continue
                    edge = self.slew[before][group.pins[arc.related]]
                    if clock:
                        edge = np.full(len(group.index), TRANSITION / self.ns)
                    load = self.load[group.pins[name]]
                    yield name, arc, before, after, lookup(table, edge, load) * self.ns, lookup(slew, edge, load)


def slacks(
    flat: Flat, pins: PlacedPins, wire_ff: Floats, library: Library, period_ns: float, ohm_um: float = OHM_UM
) -> Slacks:
    """The time that every pin has at a period. wire_ff: of the wires, by net number."""
    graph = _Graph(flat, pins, wire_ff, library, ohm_um)
    farad = library.units.capacitance * 1e15
    for _, bank in flat.banks:
        nets = list(bank.pins["read_data"])
        graph.arrival[:, nets] = bank_macro(bank.parameters).access_ns + OUTPUT_NS_FF * graph.load[nets] * farad
        graph.slew[:, nets] = (SLEW_NS + SLEW_NS_FF * graph.load[nets] * farad) / graph.ns
    inputs = [net for way, bits in flat.ports.values() if way == "input" for net in bits]
    graph.arrival[:, inputs] = IO_SHARE * period_ns
    _forward(graph)
    need = _backward(graph, period_ns)
    at = graph.arrival[:, pins.net] + graph.delay
    slack = np.min(np.where(pins.drives, graph.required[:, pins.net], need) - at, axis=0)
    return Slacks(slack, np.max(at, axis=0), graph.load * farad)


def _forward(graph: _Graph) -> None:
    for _, group in graph.parts:
        if group.cell.kind == "icg":
            continue
        worst = {name: (np.full((2, len(group.index)), -np.inf), np.zeros((2, len(group.index))))
                 for name in group.cell.outputs}  # fmt: skip
        for name, arc, before, after, delay, slew in graph.arcs(group):
            if group.cell.pins[arc.related].clock:
                time = delay
            else:
                wire = graph.delay[graph.numbers(group, arc.related)]
                time = graph.arrival[before][group.pins[arc.related]] + wire + delay
            np.maximum(worst[name][0][after], time, out=worst[name][0][after])
            np.maximum(worst[name][1][after], slew, out=worst[name][1][after])
        for name, (time, slew) in worst.items():
            nets = group.pins[name]
            used = nets > ONE
            graph.arrival[:, nets[used]] = time[:, used]
            graph.slew[:, nets[used]] = slew[:, used]


def _backward(graph: _Graph, period_ns: float) -> Floats:
    """When every pin must be reached."""
    pins, cells = graph.pins, len(graph.flat.cells)
    need = np.full((2, len(pins.part)), np.inf)
    gates = np.zeros(cells, bool)
    for _, group in graph.parts:
        gates[group.index] = group.cell.kind == "comb"
    of_cell = (pins.part >= 0) & (pins.part < cells)
    ends = ~pins.drives & ~(of_cell & gates[np.where(of_cell, pins.part, 0)])
    need[:, ends] = period_ns - SETUP_NS
    need[:, ends & (pins.part < 0)] = period_ns * (1 - IO_SHARE)
    _to_nets(graph, need, np.flatnonzero(ends))
    for _, group in reversed(graph.parts):
        if group.cell.kind != "comb":
            continue
        numbers = {name: graph.numbers(group, name) for name in group.cell.inputs}
        for name, arc, before, after, delay, _ in graph.arcs(group):
            at, nets = numbers[arc.related], group.pins[name]
            used = (at >= 0) & (nets > ONE)
            time = graph.required[after][nets[used]] - delay[used]
            need[before][at[used]] = np.minimum(need[before][at[used]], time)
        for at in numbers.values():
            _to_nets(graph, need, at[at >= 0])
    return need


def _to_nets(graph: _Graph, need: Floats, pins: Ints) -> None:
    """Carry what pins need to their nets."""
    for edge in range(2):
        np.minimum.at(graph.required[edge], graph.pins.net[pins], need[edge][pins] - graph.delay[pins])
