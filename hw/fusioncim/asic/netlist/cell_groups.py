"""The cells of a flat netlist by type, as arrays, and their order along the paths."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusioncim.asic.cells.cell_library import Cell, Library
from fusioncim.asic.cells.table_lookup import Ints
from fusioncim.asic.netlist.netlist import Flat
from fusioncim_golden.errors import InputError


@dataclass(frozen=True)
class Group:
    """All cells of one type.

    Members:
        cell: the type.
        index: of each cell in the netlist.
        pins: the net of each cell by pin, -1 where it is open.
    """

    cell: Cell
    index: Ints
    pins: Mapping[str, Ints]


def grouped(flat: Flat, library: Library) -> list[Group]:
    """The cells of a netlist by type."""
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


def levels(groups: Sequence[Group], flat: Flat) -> Ints:
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


def by_level(groups: Iterable[Group], level: Ints) -> Iterable[tuple[int, Group]]:
    """The groups in parts of one level, with that level."""
    for group in groups:
        here = level[group.index]
        for value in np.unique(here).tolist():
            at = here == value
            yield value, Group(group.cell, group.index[at], {name: nets[at] for name, nets in group.pins.items()})
