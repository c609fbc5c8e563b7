"""A netlist as it is compared: gates, flip-flops behind clock gates, and what is refused."""

from dataclasses import replace

import pytest

from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.asic.netlist.netlist import Netlist, Part
from fusioncim.formal.netlist_miter import functional_verilog, port_directions


@pytest.fixture(scope="module")
def library():
    return load(default_liberty())


PORTS = {"clk": ("input", [2]), "go": ("input", [3]), "d": ("input", [4, 5]), "q": ("output", [8])}
PARTS = [
    Part("gate", "CLKGATE_X1", {"CK": [2], "E": [3], "GCK": [6]}),
    Part("xor", "XOR2_X1", {"A": [4], "B": [5], "Z": [7]}),
    Part("state", "DFF_X1", {"CK": [6], "D": [7], "Q": [8]}),
    Part("leaf", "leaf", {"i": [7], "o": [9]}),
]
DIRECTIONS = {"leaf.i": "input", "leaf.o": "output"}


def test_it_is_assignments_and_flip_flops(library):
    text = functional_verilog(Netlist("top", PORTS, PARTS, 10), library, DIRECTIONS)
    assert "assign n7 = (n4 ^ n5);" in text
    assert r"always @(posedge \clk [0]) if (n3) state_2 <= n7;" in text
    assert "assign n8 = state_2;" in text
    assert "CLKGATE" not in text


def test_what_is_below_is_ports(library):
    text = functional_verilog(Netlist("top", PORTS, PARTS, 10), library, DIRECTIONS)
    assert r"output [0:0] \leaf.i " in text
    assert r"input [0:0] \leaf.o " in text


def test_flip_flops_with_a_clear_are_refused(library):
    parts = [replace(PARTS[2], kind="DFFR_X1", pins={**PARTS[2].pins, "RN": [3]})]
    with pytest.raises(ValueError, match="without clear or preset are compared, not DFFR_X1"):
        functional_verilog(Netlist("top", PORTS, parts, 10), library, {})


def test_directions_are_those_of_modules_and_banks():
    text = "module \\leaf\n  wire width 2 input 0 \\i\n  wire output 1 \\o\nend\n"
    found = port_directions({"leaf": text})
    assert (found["leaf.i"], found["leaf.o"]) == ("input", "output")
    assert (found["fusioncim_sram.write_data"], found["fusioncim_sram.read_data"]) == ("input", "output")
