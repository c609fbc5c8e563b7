"""How strongly cells drive: a line through the library's delays over the load, buffers, and cells of other strength."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from fusioncim.asic.cells.cell_library import Cell, Library
from fusioncim.asic.cells.table_lookup import lookup

EDGE_NS = 0.04
"""Transition at the input for which the line is taken: that of a buffer with a quarter of its largest load."""


@dataclass(frozen=True)
class Drive:
    """Delay of an output: own_ns + ns_ff * load.

    Members:
        own_ns, ns_ff: through the slowest of all arcs and edges without a load and with half of `limit_ff`.
        limit_ff: largest load that the library allows, infinite if it states none.
    """

    own_ns: float
    ns_ff: float
    limit_ff: float


@dataclass(frozen=True)
class Buffer:
    """A buffer of a library.

    Members:
        entry, out: its pins.
        entry_ff: of its input.
        area: in um2.
    """

    name: str
    entry: str
    out: str
    entry_ff: float
    area: float
    drive: Drive


def drive_of(library: Library, cell: Cell, pin: str) -> Drive:
    """How strongly an output drives. A cell without delays counts as one that does not delay."""
    femtofarad, nanosecond = library.units.capacitance * 1e15, library.units.time * 1e9
    limit = cell.pins[pin].limit * femtofarad
    edge = np.full(2, EDGE_NS / nanosecond)
    far = (limit or 100.0) / 2
    worst = np.zeros(2)
    for arc in cell.pins[pin].arcs:
        for table in (arc.delay_rise, arc.delay_fall):
            if table is not None:
                worst = np.maximum(worst, lookup(table, edge, np.array([0.0, far / femtofarad])) * nanosecond)
    return Drive(float(worst[0]), float(worst[1] - worst[0]) / far, limit or np.inf)


def buffers_of(library: Library) -> list[Buffer]:
    """The buffers of a library that no other one beats, the weakest first; a stronger one is larger."""
    femtofarad = library.units.capacitance * 1e15
    found = []
    for cell in library.cells.values():
        if is_buffer(cell):
            (entry,), (out,) = cell.inputs, cell.outputs
            drive = drive_of(library, cell, out)
            found.append(Buffer(cell.name, entry, out, cell.pins[entry].capacitance * femtofarad, cell.area, drive))
    kept: list[Buffer] = []
    for each in sorted(found, key=lambda each: (each.area, each.drive.ns_ff, each.name)):
        if not kept or each.drive.ns_ff < kept[-1].drive.ns_ff:
            kept.append(each)
    return kept


def is_buffer(cell: Cell | None) -> bool:
    """Whether a cell passes its one input on as it is."""
    return _has_one_input(cell) and cell.pins[cell.outputs[0]].function == cell.inputs[0]


def is_inverter(cell: Cell) -> bool:
    """Whether a cell inverts its one input."""
    return _has_one_input(cell) and not is_buffer(cell)


def is_gate(cell: Cell) -> bool:
    """Whether a cell computes a function of two inputs or more."""
    return cell.kind == "comb" and len(cell.inputs) > 1


def _has_one_input(cell: Cell | None) -> TypeGuard[Cell]:
    return cell is not None and cell.kind == "comb" and len(cell.inputs) == len(cell.outputs) == 1


def strengths(library: Library) -> Mapping[str, Sequence[Cell]]:
    """By every cell the cells that do the same with the same pins, itself included, the weakest first."""
    families: dict[object, list[Cell]] = defaultdict(list)
    for cell in library.cells.values():
        if cell.kind in ("comb", "ff") and cell.outputs:
            pins = tuple(sorted((name, pin.direction, pin.function) for name, pin in cell.pins.items()))
            families[cell.kind, pins, tuple(sorted(cell.state.items()))].append(cell)
    return {
        cell.name: sorted(family, key=lambda each: (each.area, each.name))
        for family in families.values()
        for cell in family
    }
