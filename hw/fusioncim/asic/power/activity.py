"""What the nets of a netlist did in a run, and how often the pins of a cell had values together.

Pins are taken as independent, except the input and the output of a flip-flop: they differ as often as the flip-flop
toggles.
"""

from dataclasses import dataclass

import numpy as np

from fusioncim.asic.cells.boolean import minterms
from fusioncim.asic.cells.cell_library import Cell
from fusioncim.asic.cells.table_lookup import Floats, Ints
from fusioncim.asic.netlist.cell_groups import Group


@dataclass(frozen=True)
class Activity:
    """What nets did in a run.

    Members:
        cycles: of the run.
        toggles: by net number; once per cycle at most, but for clocks.
        high: cycles in which it was 1, by net number.
        edges: by net number, toggles and the two edges of every glitch.
    """

    cycles: int
    toggles: Ints
    high: Ints
    edges: Ints

    def __add__(self, other: "Activity") -> "Activity":
        return Activity(
            self.cycles + other.cycles,
            self.toggles + other.toggles,
            self.high + other.high,
            self.edges + other.edges,
        )


class States:
    """How often the pins of a group's cells have values together.

    Members:
        share: of the time that a net is 1, by net number.
        toggles: of the state of flip-flops that store one pin, else 0.
    """

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
        """Share of time in which pins have these values."""
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


def _state_pins(cell: Cell) -> tuple[str, str, str]:
    """Data pin of a flip-flop that stores one pin, and its outputs with the state and the complement; "" if none."""
    if cell.kind != "ff" or cell.state["next"] not in cell.inputs:
        return "", "", ""
    state, complement = cell.state["state"], cell.state["complement"]
    outs = {cell.pins[name].function: name for name in cell.outputs}
    out = outs.get(state, "")
    inverse = outs.get(complement, outs.get(f"(~{state})", ""))
    return (cell.state["next"], out, inverse) if out or inverse else ("", "", "")
