"""Looking up tables of a library for many cells at once."""

import numpy as np
from numpy.typing import NDArray

from fusioncim.asic.cells.cell_library import Power, Table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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
