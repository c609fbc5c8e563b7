"""Banks of a compute array: against published macros, and what must follow from words, width and rows."""

import re

import pytest

from fusioncim.asic.memory import memory_array
from fusioncim.asic.memory.memory_array import LOGIC_UM2, ArrayMacro, bank_macro, bank_shape, macro_of_shape
from fusioncim.asic.memory.memory_model import Macro, area_at
from fusioncim.asic.memory.memory_technology import CELL_UM2, SUPPLY_V
from fusioncim.asic.scaling import LIBRARY, Point
from fusioncim.engine.ip_cim import IpCimRow
from fusioncim.lib.bank import Bank
from fusioncim.verilog.emit import verilog
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS

CLOSE = 0.006
"""The ratios are stated to two digits after the point."""
DENSITIES = [
    # um2 per bit with all arithmetic at 28 nm, ratio stated, 6-transistor cells
    (1e6 / (1.041 * 2**20), 0.25, 7.2),
    (1e6 / (1005 * 2**10), 0.24, 7.7),
    (2569 * 0.028**2, 0.12, 15.9),
]
QUERIES = ArrayMacro(4, 1024)


@pytest.mark.parametrize(("theirs", "ratio", "cells"), DENSITIES)
def test_area_against_published_macros(theirs, ratio, cells):
    found = area_at(QUERIES, Point(28, 0.9)) / (4 * 1024)
    assert found / theirs == pytest.approx(ratio, abs=CLOSE)
    assert theirs / CELL_UM2[28] == pytest.approx(cells, abs=0.05)
    assert f"{found:.2f} / {theirs:.2f} = {ratio:.2f}" in memory_array.__doc__
    assert found / CELL_UM2[28] == pytest.approx(1.8, abs=0.05)


def test_every_row_of_the_table_is_tested():
    assert len(re.findall(r"\d / [\d.]+ = \d\.\d\d", memory_array.__doc__)) == len(DENSITIES)


def test_four_words_are_a_fifth_of_a_compiled_macro():
    compiled = Macro(4, 1024)
    assert QUERIES.area_um2 < 0.22 * compiled.area_um2
    assert QUERIES.read_energy_fj < 0.2 * compiled.read_energy_fj
    assert QUERIES.leakage_nw < 0.2 * compiled.leakage_nw
    assert 0.7 < QUERIES.cells_um2 / QUERIES.area_um2 < 0.9


def test_arithmetic_between_the_banks():
    """346 um2 per multiply-accumulate and cycle of a row that computes 128 of them in 8 cycles."""
    assert pytest.approx(346 * 128 / 8 / 1024, abs=0.05) == LOGIC_UM2
    row_um = 1024 * 1.3 * 1.144 * 0.346 / 0.38
    assert QUERIES.pitch_um == pytest.approx(4 * 0.38 + LOGIC_UM2 * 1024 / row_um)


@pytest.mark.parametrize("shape", [(1, 1), (2, 128), (3, 5), (4, 512), (8, 64)])
@pytest.mark.parametrize("rows", [1, 8, 128])
def test_more_of_anything_costs_more(shape, rows):
    depth, width = shape
    bank, wider, deeper = (ArrayMacro(*s, rows=rows) for s in [shape, (depth, 2 * width), (2 * depth, width)])
    for name in ("area_um2", "leakage_nw", "read_energy_fj", "write_energy_fj"):
        assert 0 < getattr(bank, name) < min(getattr(wider, name), getattr(deeper, name))
    assert 0.1 < bank.access_ns < bank.cycle_ns < 1
    assert 0 < bank.idle_energy_fj <= deeper.idle_energy_fj


def test_rows_share_drivers_and_charge_the_same_bit_lines():
    few, many = ArrayMacro(4, 1024, rows=8), ArrayMacro(4, 1024, rows=64)
    assert few.area_um2 > many.area_um2
    assert few.read_energy_fj == many.read_energy_fj
    more = (many.write_energy_fj - few.write_energy_fj) / (1024 * 56)
    assert more == pytest.approx((4 * 0.1 + QUERIES.pitch_um * 0.27) / 2 * 4 / 3 * SUPPLY_V**2)
    assert ArrayMacro(4, 1024, rows=32).area_um2 == pytest.approx(1.11 * QUERIES.area_um2, rel=0.01)


def test_a_word_change_charges_two_select_lines_and_a_quarter_of_the_nodes():
    nodes = 1024 / 4 * 4 * (2 * 0.1 + 0.38 * 0.27) * SUPPLY_V**2
    lines = 2 * ((1024 * 1.4872 * 0.346 / 0.38 * 0.27 + 1024 * 0.2) * 4 / 3 + 4 * 11.8) * SUPPLY_V**2
    sampled = 10.1 + 2 * 8.1
    assert QUERIES.read_energy_fj == pytest.approx(nodes + lines + sampled)


def test_the_library_point_changes_nothing():
    assert area_at(QUERIES, LIBRARY) == pytest.approx(QUERIES.area_um2)


def test_what_an_array_cannot_be_is_refused():
    with pytest.raises(InputError, match="a bank of a compute array must have one read port, not 2"):
        ArrayMacro(4, 8, 2)
    with pytest.raises(InputError, match="a bank of a compute array must have at most 16 words, not 17"):
        ArrayMacro(17, 8)
    with pytest.raises(InputError, match="rows of a compute array must be at least 1, not 0"):
        ArrayMacro(4, 8, rows=0)


def test_a_bank_says_whether_it_is_in_an_array():
    shape = {"DEPTH": 4, "WIDTH": 1024, "READS": 1}
    assert bank_macro(shape) == Macro(4, 1024)
    assert bank_macro(shape | {"ARRAY": 1}) == macro_of_shape("4x1024r1a") == QUERIES
    assert macro_of_shape("128x96r2") == Macro(128, 96, 2)
    assert [bank_shape(shape | array) for array in ({}, {"ARRAY": 1})] == ["4x1024r1", "4x1024r1a"]
    assert re.search(r"\.ARRAY\(32'\w+1\)", verilog(IpCimRow(PRESETS["tiny"].alone())))
    assert "ARRAY" not in verilog(Bank(depth=4, width=8))
