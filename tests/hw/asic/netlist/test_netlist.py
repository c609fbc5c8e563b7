"""Netlists: reading, the flat view, Verilog."""

import json
import subprocess
from itertools import product

import numpy as np
import pytest

from fusioncim.asic.cells.cell_verilog import cells_verilog
from fusioncim.asic.netlist.net_delays import Delays
from fusioncim.asic.netlist.netlist import ONE, ZERO, Netlist, Part, flatten, read_netlist
from fusioncim.asic.netlist.netlist_verilog import flat_verilog, plain_verilog
from fusioncim_golden.errors import InputError

PAIR = Netlist(
    "pair",
    # z0 is fed through from a; z1 and z2 share a net; z3 is constant.
    {
        "a": ("input", [2]),
        "b": ("input", [3]),
        "z": ("output", [2, 4, 4, ONE]),
    },
    [Part("gate", "NAND2_X1", {"A1": [2], "A2": [3], "ZN": [4]})],
    5,
)
TOP = Netlist(
    "top",
    {"x": ("input", [2, 3]), "y": ("output", [4, 5, 6, 7, 8])},
    [
        Part("first", "pair", {"a": [2], "b": [ONE], "z": [9, 10, 11, 12]}),
        Part("second", "pair", {"a": [10], "b": [3], "z": [4, 5, 6, 7]}),
        Part("last", "AND2_X1", {"A1": [9], "A2": [12], "ZN": [8]}),
    ],
    13,
)
MODULES = {"pair": PAIR, "top": TOP}


def expected(x0, x1):
    """y, from bit 0."""
    inner = 1 - (x0 & 1)
    outer = 1 - (inner & x1)
    return [inner, outer, outer, 1, x0]


def simulated(text, library, tmp_path):
    """Y of every x."""
    loop = 'initial for (n = 0; n < 4; n = n + 1) begin #1 $display("%b", y); end'
    bench = f"module bench; integer n; wire [4:0] y; top t(n[1:0], y); {loop} endmodule"
    (tmp_path / "t.v").write_text(text + cells_verilog(library, ["NAND2_X1", "AND2_X1"]) + bench, encoding="utf-8")
    subprocess.run(["iverilog", "-g2012", "-s", "bench", "-o", "t", "t.v"], cwd=tmp_path, check=True)
    done = subprocess.run(["vvp", "t"], cwd=tmp_path, check=True, capture_output=True, encoding="utf-8")
    return [[int(bit) for bit in reversed(line)] for line in done.stdout.split()]


def test_the_flat_design_has_the_nets_of_the_whole():
    flat = flatten(MODULES, "top")
    pins = {(path, part.name): part.pins for path, part in flat.cells}
    assert set(pins) == {(("first",), "gate"), (("second",), "gate"), ((), "last")}
    first, second, last = pins[("first",), "gate"], pins[("second",), "gate"], pins[(), "last"]
    (x0, x1), y = flat.ports["x"][1], flat.ports["y"][1]
    assert first["A1"] == [x0]
    assert first["A2"] == [ONE]
    assert second["A1"] == first["ZN"] == [y[0]]  # through the port z0 of `second`
    assert second["A2"] == [x1]
    assert second["ZN"] == [y[1]] == [y[2]]
    assert y[3] == ONE
    assert last["A1"] == [x0]
    assert last["A2"] == [ONE]
    assert flat.nets == 2 + 5  # x0, x1, both gates, the last cell
    assert {ZERO, ONE}.isdisjoint({x0, x1, y[0], y[1], y[4]})


def test_modules_may_stay_boxes():
    flat = flatten(MODULES, "top", keep=["pair"])
    assert [part.name for _, part in flat.boxes] == ["first", "second"]
    assert [part.name for _, part in flat.cells] == ["last"]


def test_both_kinds_of_verilog_compute_the_same(library, tmp_path):
    rows = [expected(x0, x1) for x1, x0 in product((0, 1), repeat=2)]
    flat = flatten(MODULES, "top")
    assert simulated(flat_verilog(flat, library), library, tmp_path) == rows
    assert (
        simulated("".join(plain_verilog(each, lambda p: p.kind) for each in MODULES.values()), library, tmp_path)
        == rows
    )


def test_clock_nets_are_named_apart(library):
    flop = Netlist("flop", {"clk": ("input", [2]), "d": ("input", [3]), "q": ("output", [4])},
                   [Part("f", "DFF_X1", {"CK": [2], "D": [3], "Q": [4]})], 5)  # fmt: skip
    flat = flatten({"flop": flop}, "flop")
    (clk,), (d,), (q,) = (flat.ports[name][1] for name in ("clk", "d", "q"))
    text = flat_verilog(flat, library)
    assert f".CK(c{clk}), .D(n{d}), .Q(n{q})" in text


def test_delays_stand_before_what_drives_a_net(library):
    """Flip-flops and banks drive a wire of their own, which the net follows."""
    bank = {"clk": [2], "write_enable": [3], "write_address": [3], "write_data": [3, 3], "read_enable": [3],
            "read_address": [3], "read_data": [6, 7]}  # fmt: skip
    parts = [
        Part("f", "DFF_X1", {"CK": [2], "D": [3], "Q": [4]}),
        Part("i", "INV_X1", {"A": [4], "ZN": [5]}),
        Part("b", "fusioncim_sram", bank, {"DEPTH": 2, "WIDTH": 2, "READS": 1}),
    ]
    ports = {"clk": ("input", [2]), "d": ("input", [3]), "z": ("output", [5, 6, 7])}
    flat = flatten({"top": Netlist("top", ports, parts, 8)}, "top")
    (clk,), (d,), (z, low, high) = (flat.ports[name][1] for name in ("clk", "d", "z"))
    (q,) = flat.cells[0][1].pins["Q"]
    rise = np.zeros(flat.nets)
    rise[[q, z, low, high]] = 0.1, 0.012, 0.3, 0.4
    text = flat_verilog(flat, library, Delays(rise, rise / 2, 0.2))
    for line in (
        f"  assign #(0.012,0.006) n{z} = (~n{q});",
        "  wire [0:0] g0_Q;",
        f"  assign #(0.100,0.050) n{q} = g0_Q[0];",
        f"  DFF_X1 g0 (.CK(c{clk}), .D(n{d}), .Q(g0_Q));",
        "  wire [1:0] g2_read_data;",
        f"  assign #(0.300,0.150) n{low} = g2_read_data[0];",
        f"  assign #(0.400,0.200) n{high} = g2_read_data[1];",
        f"  assign c{clk} = clk;",
    ):
        assert line in text.splitlines()
    assert ".read_data(g2_read_data)" in text


def test_depth_counts_cells_between_registers(library):
    inverters = [Part(f"i{n}", "INV_X1", {"A": [2 + n], "ZN": [3 + n]}) for n in range(4)]
    assert Netlist("chain", {}, inverters, 7).depth(library) == 4
    cut = [*inverters[:2], Part("f", "DFF_X1", {"D": [4], "CK": [9], "Q": [5]}), inverters[3]]
    assert Netlist("cut", {}, cut, 10).depth(library) == 2


def test_constants_and_parameters_are_read(tmp_path):
    cell = {
        "type": "fusioncim_sram",
        "parameters": {"DEPTH": "00000000000000000000000000000100", "WIDTH": 8},
        "connections": {"write_data": ["0", "1", "x", 5]},
    }
    module = {"attributes": {}, "ports": {"d": {"direction": "input", "bits": [5]}}, "cells": {"bank": cell}}
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps({"modules": {"m": module, "box": {"attributes": {"blackbox": "1"}}}}), encoding="utf-8")
    netlist = read_netlist(path)
    (part,) = netlist.parts
    assert part.parameters == {"DEPTH": 4, "WIDTH": 8}
    assert part.pins["write_data"] == (ZERO, ONE, ZERO, *netlist.ports["d"][1])
    path.write_text(path.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    with pytest.raises(InputError, match=r"the build directory is damaged \(netlist.json"):
        read_netlist(path)
