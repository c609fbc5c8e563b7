"""A standard-cell library in plain data: cells, their pins, and tables of energy and transition.

Quantities keep the units of the Liberty file; `Units` says what they are in SI. Functions are in the normal form of
`boolean`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path

from fusioncim.asic.cells.boolean import truth_table
from fusioncim.asic.scaling import LIBRARY
from fusioncim_golden.errors import InputError

EDGES = ("rise", "fall")
THRESHOLDS = (
    *(f"{side}_threshold_pct_{edge}" for side in ("input", "output") for edge in EDGES),
    *(f"slew_{side}_threshold_pct_{edge}" for side in ("lower", "upper") for edge in EDGES),
)
"""Attributes of a Liberty file: where its delays and transitions are measured."""


@dataclass(frozen=True)
class Units:
    """SI value of one unit of the file. The unit of internal energies is capacitance times voltage squared."""

    time: float
    capacitance: float
    leakage: float
    voltage: float

    @property
    def energy(self) -> float:
        """Joule."""
        return self.capacitance * self.voltage**2


@dataclass(frozen=True)
class Table:
    """A lookup table over input transition and output load; a table over the transition alone has one load, 0."""

    transition: tuple[float, ...]
    load: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Power:
    """Energy of a toggle of a pin.

    Members:
        related: the pin that causes the toggle, "" on inputs.
        when: the condition under which the tables hold.
        rise, fall: energy over transition and load, by the edge of the pin.
    """

    related: str
    when: str
    rise: Table | None
    fall: Table | None


@dataclass(frozen=True)
class Arc:
    """Transition of an output.

    Members:
        related: the input that causes it.
        unate: positive_unate, negative_unate or non_unate.
        rise, fall: transition over that of the input and load, by the edge of the output.
        delay_rise, delay_fall: from the input to the output, over the same.
    """

    related: str
    unate: str
    rise: Table | None
    fall: Table | None
    delay_rise: Table | None = None
    delay_fall: Table | None = None


@dataclass(frozen=True)
class Pin:
    """A signal pin.

    Members:
        direction: input, output or inout.
        capacitance: of an input.
        limit: largest load on an output, 0 if the library states none.
        function: of an output, over input pins and the cell's state.
        clock: whether it is a clock.
        power: energies of its toggles.
        arcs: transitions of an output.
    """

    direction: str
    capacitance: float
    limit: float = 0.0
    function: str = ""
    clock: bool = False
    power: tuple[Power, ...] = ()
    arcs: tuple[Arc, ...] = ()


@dataclass(frozen=True)
class Cell:
    """A cell.

    Members:
        area: in the library's unit, um2 in Nangate.
        kind: comb, ff, latch, icg (integrated clock gate) or other.
        pins: by name.
        leakage: by condition, and "" for the cell's own figure.
        state: names of the state and its complement, and the functions next (D), clock (or enable), clear, preset.
        gate: Liberty's kind of clock gate, such as latch_posedge.
    """

    name: str
    area: float
    kind: str
    pins: Mapping[str, Pin]
    leakage: Mapping[str, float] = field(default_factory=dict)
    state: Mapping[str, str] = field(default_factory=dict)
    gate: str = ""

    @property
    def inputs(self) -> list[str]:
        """Names of the input pins."""
        return [name for name, pin in self.pins.items() if pin.direction == "input"]

    @property
    def outputs(self) -> list[str]:
        """Names of the output pins."""
        return [name for name, pin in self.pins.items() if pin.direction == "output"]


@dataclass(frozen=True)
class Library:
    """A library at one corner.

    Members:
        path: of the Liberty file.
        key: short hash of its content.
        voltage: supply in V.
        temperature: in degrees C.
        cells: by name.
        node: technology of the cells in nm; None if it is not known.
    """

    path: Path
    name: str
    key: str
    units: Units
    voltage: float
    temperature: float
    cells: Mapping[str, Cell]
    node: int | None = None

    @cached_property
    def adder(self) -> tuple[str, Mapping[str, str]] | None:
        """The smallest full adder, if any: cell and its pins by role: a, b, c, sum, carry."""
        found = [(cell.area, cell.name, roles) for cell in self.cells.values() if (roles := _adder_roles(cell))]
        return min(found)[1:] if found else None

    @cached_property
    def clock_gate(self) -> tuple[str, Mapping[str, str]] | None:
        """The smallest gate for a rising clock with a high enable, if any: cell, pins by role: enable, clock, gated."""
        found = []
        for cell in self.cells.values():
            if cell.kind == "icg" and cell.gate == "latch_posedge" and len(cell.inputs) == 2:
                clock = next(name for name in cell.inputs if cell.pins[name].clock)
                enable = next(name for name in cell.inputs if name != clock)
                roles = {"enable": enable, "clock": clock, "gated": cell.outputs[0]}
                found.append((cell.area, cell.name, roles))
        return min(found)[1:] if found else None

    @property
    def node_of_banks(self) -> bool:
        """The cells are of the technology of the memory model, so that figures of both may be added."""
        return self.node == LIBRARY.node

    def require_node_of_banks(self) -> None:
        """Refuse cells of another technology than the memory model's, or of one that nobody stated."""
        if not self.node_of_banks:
            what = f"{self.node} nm" if self.node else "a node that is not stated (--node)"
            raise InputError(
                f"cells and memory banks must be of one technology: the banks are of {LIBRARY.node} nm, the cells of "
                f"{self.name} of {what}: {self.path}; --node {LIBRARY.node} takes both together all the same"
            )

    def require_power(self) -> None:
        """Refuse a library without internal power or leakage."""
        gates = [cell for cell in self.cells.values() if cell.kind in ("comb", "ff")]
        if not any(pin.power for cell in gates for pin in cell.pins.values()):
            raise InputError(f"the Liberty file must have internal_power tables for a power figure, not so {self.path}")
        if not any(cell.leakage for cell in gates):
            raise InputError(f"the Liberty file must have leakage power for a power figure, not so {self.path}")

    def require_thresholds(self) -> None:
        """Refuse a library that does not say where its delays and transitions are measured."""
        text = self.path.read_text(encoding="utf-8", errors="replace")
        for name in THRESHOLDS:
            if not re.search(rf"\b{name}\s*:", text):
                raise InputError(f"the Liberty file must state {name} for delays, not so {self.path}")


def _adder_roles(cell: Cell) -> Mapping[str, str] | None:
    """Pins of a full adder by role; None for every other cell."""
    if cell.kind != "comb" or len(cell.inputs) != 3 or len(cell.outputs) != 2:
        return None
    roles = dict(zip("abc", cell.inputs, strict=True))
    tables = {truth_table(cell.pins[name].function, tuple(cell.inputs)): name for name in cell.outputs}
    ones = [sum(row) for row in product((0, 1), repeat=3)]
    total, carry = tuple(n % 2 == 1 for n in ones), tuple(n >= 2 for n in ones)
    if set(tables) != {total, carry}:
        return None
    return {**roles, "sum": tables[total], "carry": tables[carry]}
