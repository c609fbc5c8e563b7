"""The stand-in for a clock tree."""

from dataclasses import replace

import pytest

from fusioncim.asic.clock_tree import TREE_LOAD_FF, clock_tree_energy
from fusioncim_golden.errors import InputError


def test_a_clock_tree_needs_a_buffer(library):
    bare = replace(library, cells={"INV_X1": library.cells["INV_X1"]})
    with pytest.raises(InputError, match="must have a buffer for the clock tree"):
        clock_tree_energy(bare, TREE_LOAD_FF)
