"""The picture of a placement."""

import numpy as np
from tests.sim.gates.placed_by_hand import placement_by_hand

from fusioncim.asic.placement.objects import ROW_UM, SITE_UM
from fusioncim_sim.gates.units import UNITS
from fusioncim_sim.pages.placement_picture import COLOURS, draw_placement, pixels


def test_every_unit_has_a_colour_of_its_own():
    assert tuple(COLOURS) == UNITS
    assert len(set(COLOURS.values())) == len(UNITS)


def test_pixels_are_where_cells_and_banks_stand(small_library):
    placement = placement_by_hand(small_library)
    grid = pixels(placement)
    assert grid.shape[0] == placement.height
    unit = 2 * UNITS.index("softmax") + 1
    rows, columns = np.nonzero(grid == unit)
    assert set(rows.tolist()) == {10}
    assert columns.min() == round(1000 * SITE_UM / (ROW_UM / 2))
    bank = grid == 2 * UNITS.index("OP-CIM rows") + 2
    assert bank.sum() > 1
    assert (grid > 0).sum() < 0.1 * grid.size


def test_the_picture_is_a_png_that_is_always_the_same(small_library):
    first, second = (draw_placement(placement_by_hand(small_library)) for _ in range(2))
    assert first == second
    assert first.startswith(b"\x89PNG")
    assert len(first) < 150_000
