"""Bank macros: against published arrays, and what must follow from depth, width and ports."""

import re

import pytest

from fusioncim.asic.memory import memory_model
from fusioncim.asic.memory.memory_model import Macro, area_at
from fusioncim.asic.memory.memory_technology import CELL_UM2, SUPPLY_V
from fusioncim.asic.scaling import LIBRARY, Point, scale
from fusioncim_golden.errors import InputError

CLOSE = 0.006
"""The ratios are stated to two digits after the point."""
BUFFER = Macro(131072, 64)

ENERGIES_PJ = [
    # depth, width, reads, theirs, ratio stated
    (1024, 64, 1, 4.31 * 1.21, 0.94),
    (4096, 64, 1, 10.74 * 1.21, 0.53),
    (131072, 64, 1, 60.26 * 1.21, 0.23),
    (4096, 512, 1, 116.0 * 1.21, 0.54),
    (128, 96, 1, 2.63 * 1.21, 0.89),
    (128, 96, 2, 3.10 * 1.21, 0.77),
    (32, 32, 1, 0.604 * 1.21, 0.87),
    (32, 64, 1, 1.50, 0.80),
    (2048, 39, 1, 6.86, 0.55),
    (1024, 64, 1, 10, 0.49),
    (4096, 64, 1, 20, 0.34),
    (131072, 64, 1, 100, 0.16),
]
AREAS_UM2 = [
    (1024, 64, 1, 25368, 1.07),
    (4096, 64, 1, 106332, 1.01),
    (131072, 64, 1, 3340590, 1.02),
    (4096, 512, 1, 729876, 1.17),
    (128, 96, 1, 11722, 0.71),
    (128, 96, 2, 21998, 0.49),
    (32, 32, 1, 1319, 0.84),
    (32, 64, 1, 1755, 1.11),
    (2048, 39, 1, 45479, 0.74),
]
SHAPES = [(1, 1), (1, 8), (2, 1), (3, 5), (4, 1024), (32, 33), (33, 64), (128, 96), (257, 64), (5000, 24)]


@pytest.mark.parametrize(("depth", "width", "reads", "theirs", "ratio"), ENERGIES_PJ)
def test_read_energy_against_published_arrays(depth, width, reads, theirs, ratio):
    found = Macro(depth, width, reads).read_energy_fj / 1000
    assert found / theirs == pytest.approx(ratio, abs=CLOSE)
    assert f"{found:.2f} / {theirs:.2f} = {ratio:.2f}" in memory_model.__doc__


@pytest.mark.parametrize(("depth", "width", "reads", "theirs", "ratio"), AREAS_UM2)
def test_area_against_published_arrays(depth, width, reads, theirs, ratio):
    found = Macro(depth, width, reads).area_um2
    assert found / theirs == pytest.approx(ratio, abs=CLOSE)
    assert f"{found:.0f} / {theirs} = {ratio:.2f}" in memory_model.__doc__


def test_every_row_of_the_table_is_tested():
    rows = re.findall(r"\d / [\d.]+ = \d\.\d\d", memory_model.__doc__)
    assert len(rows) == len(ENERGIES_PJ) + len(AREAS_UM2)


@pytest.mark.parametrize(("depth", "per_bit"), [(4, 1.12), (32, 0.31)])
def test_area_per_bit_at_28_nm(depth, per_bit):
    found = area_at(Macro(depth, 1024), Point(28, 0.9)) / (depth * 1024)
    assert found == pytest.approx(per_bit, abs=CLOSE)
    assert str(per_bit) in memory_model.__doc__


def test_the_cells_of_a_large_buffer_fill_most_of_it_and_of_four_words_little():
    assert 0.8 < BUFFER.cells_um2 / BUFFER.area_um2 < 0.9
    assert BUFFER.cells_um2 == pytest.approx(8 * 2**20 * CELL_UM2[45])
    assert 0.1 < Macro(4, 1024).cells_um2 / Macro(4, 1024).area_um2 < 0.2


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reads", [1, 2, 3])
def test_more_of_anything_costs_more(shape, reads):
    depth, width = shape
    macro, wider = Macro(depth, width, reads), Macro(depth, 2 * width, reads)
    deeper, ported = Macro(2 * depth, width, reads), Macro(depth, width, reads + 1)
    for name in ("area_um2", "leakage_nw"):
        assert 0 < getattr(macro, name) < min(getattr(other, name) for other in (wider, deeper, ported))
    for name in ("read_energy_fj", "write_energy_fj"):
        assert 0 < getattr(macro, name) < getattr(wider, name)
    assert 0.1 < macro.access_ns < macro.cycle_ns < 3
    assert macro.idle_energy_fj < ported.idle_energy_fj


@pytest.mark.parametrize("name", ["read_energy_fj", "write_energy_fj", "access_ns"])
@pytest.mark.parametrize("reads", [1, 2])
def test_longer_bit_lines_cost_more(name, reads):
    figures = [getattr(Macro(depth, 64, reads), name) for depth in (4, 8, 16, 32, 33, 64, 128, 256)]
    assert figures == sorted(set(figures))


def test_a_shared_port_is_for_deep_banks_with_one_read_port():
    assert [Macro(*shape).shared for shape in [(256, 64, 1), (257, 64, 1), (257, 64, 2)]] == [False, True, False]


def test_random_data_on_the_way_to_a_subarray():
    assert BUFFER.tree_fj(0.5) == pytest.approx(2 * BUFFER.tree_fj())
    way_mm = (3.411365**0.5, 64 + 17)
    assert BUFFER.tree_fj(1) == pytest.approx(way_mm[0] * way_mm[1] * 249 * 1.21, rel=1e-4)
    assert Macro(256, 4096, 2).tree_fj() == 0


def test_a_bit_line_swings_once_per_column():
    """Two rows more per column of a sensed array: junction and wire of two cells, 0.16 V from 1.1 V."""
    more = Macro(1024, 64).read_energy_fj - Macro(1016, 64).read_energy_fj
    assert more == pytest.approx(256 * 2 * (0.1 + 0.38 * 0.27) * 0.16 * SUPPLY_V, rel=0.01)


def test_four_words_of_flip_flops_are_larger():
    """The alternative from the library: a flip-flop of 4.522 um2 per bit, and multiplexers."""
    assert Macro(4, 1024).area_um2 < 0.7 * 4096 * 4.522


def test_the_library_point_changes_nothing():
    macro = Macro(128, 96, 2)
    assert area_at(macro, LIBRARY) == pytest.approx(macro.area_um2)


def test_28_nm_uses_its_own_cell_and_scales_the_rest():
    macro, point = Macro(4096, 512), Point(28, 0.72)
    expected = macro.cells_um2 * 0.127 / 0.346 + macro.periphery_um2 * scale(point).area
    assert area_at(macro, point) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["depth", "width", "reads"])
@pytest.mark.parametrize("value", [0, -3])
def test_sizes_below_one_are_refused(name, value):
    sizes = {"depth": 4, "width": 8, "reads": 1, name: value}
    with pytest.raises(InputError, match=f"{name} of a memory must be at least 1, not {value}"):
        Macro(**sizes)


def test_a_node_without_a_bit_cell_is_refused():
    with pytest.raises(InputError, match="a bit cell is known at 28 and 45 nm, not 32"):
        area_at(Macro(4, 8), Point(32, 0.9))
    with pytest.raises(InputError, match="a technology node must be one of"):
        area_at(Macro(4, 8), Point(16, 0.8))
