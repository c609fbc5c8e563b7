"""Capacitance on nets and ports."""

import pytest

from fusioncim.asic.memory.memory_technology import CLOCK_FF, INPUT_FF
from fusioncim.asic.netlist.cell_groups import grouped
from fusioncim.asic.netlist.loads import net_loads, port_loads
from fusioncim.asic.netlist.netlist import SRAM_MODULE, Netlist, Part, flatten

BANK = {"clk": [2], "write_enable": [3], "write_address": [3], "write_data": [3], "read_enable": [3],
        "read_address": [3], "read_data": [4]}  # fmt: skip
LEAF = Netlist(
    "leaf",
    {"clk": ("input", [2]), "a": ("input", [3]), "z": ("output", [4])},
    [Part("bank", SRAM_MODULE, BANK, {"DEPTH": 2, "WIDTH": 1, "READS": 1}), Part("i", "INV_X1", {"A": [3], "ZN": [5]})],
    6,
)
TOP = Netlist(
    "top",
    {"clk": ("input", [2]), "a": ("input", [3]), "z": ("output", [4])},
    [
        Part("one", "leaf", {"clk": [2], "a": [3], "z": [6]}),
        Part("two", "leaf", {"clk": [2], "a": [6], "z": [4]}),
        Part("more", "NAND2_X1", {"A1": [3], "A2": [3], "ZN": [5]}),
    ],
    7,
)
MODULES = {"leaf": LEAF, "top": TOP}


def test_a_port_carries_all_pins_below_it(library):
    cells = library.cells
    leaf = port_loads(MODULES, "leaf", library, {})
    assert leaf["clk"] == pytest.approx([CLOCK_FF])
    assert leaf["a"] == pytest.approx([5 * INPUT_FF + cells["INV_X1"].pins["A"].capacitance])
    top = port_loads(MODULES, "top", library, {})
    nand = cells["NAND2_X1"].pins
    assert top["clk"] == pytest.approx([2 * CLOCK_FF])
    assert top["a"] == pytest.approx([leaf["a"][0] + nand["A1"].capacitance + nand["A2"].capacitance])


@pytest.mark.parametrize("boxes", [(), ("leaf",)])
def test_nets_carry_what_their_ports_do(library, boxes):
    """Also where modules are boxes of known loads."""
    flat = flatten(MODULES, "top", keep=boxes)
    kinds = {kind: port_loads(MODULES, kind, library, {}) for kind in boxes}
    load = net_loads(flat, library, grouped(flat, library), kinds)
    expected = port_loads(MODULES, "top", library, {})
    for port in ("clk", "a"):
        assert load[flat.ports[port][1]] == pytest.approx(expected[port])
    assert load[flat.ports["z"][1]] == [0]  # the output of a bank loads nothing


def test_loads_are_in_the_unit_of_the_library(small_library, small_library_rescaled):
    one, other = (port_loads(MODULES, "top", each, {}) for each in (small_library, small_library_rescaled))
    assert other["a"] == pytest.approx([load * 1e-3 for load in one["a"]])
