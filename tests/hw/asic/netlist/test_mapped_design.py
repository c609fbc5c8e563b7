"""Figures of a mapped design from those of its modules."""

from pathlib import Path

import pytest

from fusioncim.asic.netlist.mapped_design import Design, Mapped, report


@pytest.fixture
def design(small_library):
    """A top with two leaves and a middle, which has a third leaf."""
    leaf = Mapped("leaf", 10.0, {"DFF_X1": 2, "FA_X1": 1}, {}, {"4x8r1": 1}, 1, "adders", 0.1)
    middle = Mapped("middle", 5.0, {"INV_X1": 3}, {"leaf": 1}, {}, 2, "plain", 0.2)
    top = Mapped("top", 1.0, {"CLKGATE_X1": 1}, {"leaf": 2, "middle": 1}, {"2x2r1a": 1}, 3, "booth", 0.3)
    modules = {each.name: each for each in (leaf, top, middle)}
    return Design("top", small_library, modules, {name: Path(name) for name in modules})


def test_a_module_counts_as_often_as_it_occurs(design):
    assert design.order == ["top", "middle", "leaf"]
    assert design.copies == {"top": 1, "middle": 1, "leaf": 3}
    assert design.area() == 1 + 5 + 3 * 10
    assert design.area("middle") == 15
    assert design.cells() == {"DFF_X1": 6, "FA_X1": 3, "INV_X1": 3, "CLKGATE_X1": 1}
    assert design.banks() == {"4x8r1": 3, "2x2r1a": 1}
    assert design.classes() == {"flip-flop": 6, "full adder": 3, "combinational": 3, "clock gate": 1}


def test_the_report_has_every_module_with_all_below_it(design):
    found = report(design)
    assert {name: (one["copies"], one["area_below"]) for name, one in found["modules"].items()} == {
        "top": (1, 36),
        "middle": (1, 15),
        "leaf": (3, 10),
    }
    assert found["area_um2"] == 36
    assert "seconds" not in found["modules"]["top"]
