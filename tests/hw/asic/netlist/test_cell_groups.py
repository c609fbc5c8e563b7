"""Cells by type and by their place on the paths."""

import pytest

from fusioncim.asic.netlist.cell_groups import by_level, grouped, levels
from fusioncim.asic.netlist.netlist import Netlist, Part, flatten
from fusioncim_golden.errors import InputError

CHAIN = [
    Part("first", "INV_X1", {"A": [2], "ZN": [3]}),
    Part("second", "NAND2_X1", {"A1": [3], "ZN": [4]}),
    Part("third", "INV_X1", {"A": [4], "ZN": [5]}),
]


def flat(parts):
    return flatten({"unit": Netlist("unit", {"a": ("input", [2])}, parts, 9)}, "unit")


def test_cells_of_a_type_stand_together(library):
    chain = flat(CHAIN)
    inverters, gates = grouped(chain, library)
    assert (inverters.cell.name, inverters.index.tolist()) == ("INV_X1", [0, 2])
    assert inverters.pins["A"].tolist() == [*chain.ports["a"][1], *chain.cells[1][1].pins["ZN"]]
    assert gates.pins["A2"].tolist() == [-1]


def test_levels_count_the_cells_before(library):
    chain = flat(CHAIN)
    groups = grouped(chain, library)
    found = levels(groups, chain)
    assert found.tolist() == [0, 1, 2]
    assert [(level, group.cell.name, group.index.tolist()) for level, group in by_level(groups, found)] == [
        (0, "INV_X1", [0]),
        (2, "INV_X1", [2]),
        (1, "NAND2_X1", [1]),
    ]
    flop = Part("flop", "DFF_X1", {"D": [4], "CK": [6], "Q": [7]})
    after = flat([*CHAIN, flop])
    assert levels(grouped(after, library), after).tolist() == [0, 1, 2, 0]  # a path ends at data


def test_cells_of_another_library_and_loops_are_refused(library, small_library):
    with pytest.raises(InputError, match="not NAND4_X4"):
        grouped(flat([Part("n", "NAND4_X4", {"A1": [2], "ZN": [3]})]), small_library)
    ring = flat([Part("a", "INV_X1", {"A": [2], "ZN": [3]}), Part("b", "INV_X1", {"A": [3], "ZN": [2]})])
    with pytest.raises(InputError, match="no combinational loop"):
        levels(grouped(ring, library), ring)
