"""The stand-in for a clock tree."""

from dataclasses import replace

import pytest

from fusioncim.asic.power.clock_tree import TREE_LOAD_FF, clock_tree_energy
from fusioncim_golden.errors import InputError


def test_a_clock_tree_needs_a_buffer(library):
    bare = replace(library, cells={"INV_X1": library.cells["INV_X1"]})
    with pytest.raises(InputError, match="must have a buffer for the clock tree"):
        clock_tree_energy(bare, TREE_LOAD_FF)


def test_the_cheapest_buffer_is_taken_and_must_drive_more_than_its_own_input(library):
    def tree(*names):
        return clock_tree_energy(replace(library, cells={name: library.cells[name] for name in names}), TREE_LOAD_FF)

    alone = [tree("BUF_X1"), tree("BUF_X4")]
    assert min(alone) > 0
    assert tree("BUF_X1", "BUF_X4") == min(alone)
