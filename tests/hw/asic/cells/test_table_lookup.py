"""Lookup tables."""

import numpy as np

from fusioncim.asic.cells.cell_library import Table
from fusioncim.asic.cells.table_lookup import lookup


def test_tables_go_on_linearly():
    table = Table((1.0, 2.0), (10.0, 20.0), ((11.0, 21.0), (12.0, 22.0)))
    at = lookup(table, np.array([1.0, 1.5, 3.0, 0.0]), np.array([10.0, 15.0, 30.0, 0.0]))
    assert at.tolist() == [1 + 10, 1.5 + 15, 3 + 30, 0]
