"""Mapped FPGA netlists: the models of their cells, and what they show."""

import subprocess

import pytest

from fusioncim.asic.yosys import run_yosys
from fusioncim.fpga.boards import board
from fusioncim_sim.gates.fpga_netlist import cell_models, passes
from fusioncim_sim.rtl.programs import compile_icarus

MODELLED = """
module memory #(parameter WIDTH = 1, DEPTH = 2, BITS = 1) (
  input clk, input [BITS - 1:0] from, to, input [WIDTH - 1:0] data, input reads, writes, output reg [WIDTH - 1:0] q
);
  (* ram_style = "block" *) reg [WIDTH - 1:0] words [0:DEPTH - 1];
  integer i;
  initial for (i = 0; i < DEPTH; i = i + 1) words[i] = i * 77 + 5;
  initial q = 0;
  always @(posedge clk) if (writes) words[to] <= data;
  always @(posedge clk) if (reads) q <= words[from];
endmodule

module NAME (
  input clk, input [9:0] from, to, input [71:0] data, input reads, writes, output [71:0] a, output [35:0] b,
  output [17:0] c, output [8:0] d, output [3:0] e, output reg signed [29:0] product, output reg [35:0] unsigned_product
);
  memory #(72, 64, 6) wide (clk, from[5:0], to[5:0], data, reads, writes, a);
  memory #(36, 512, 9) half (clk, from[8:0], to[8:0], data[35:0], reads, writes, b);
  memory #(18, 1024, 10) word (clk, from, to, data[17:0], reads, writes, c);
  memory #(9, 1024, 10) byte_ (clk, from, to, data[8:0], reads, writes, d);
  memory #(4, 1024, 10) nibble (clk, from, to, data[3:0], reads, writes, e);
  always @(posedge clk) product <= $signed(data[15:0]) * $signed(data[29:16]);
  always @(posedge clk) unsigned_product <= data[17:0] * data[39:22];
endmodule
"""
BENCH = """
module bench;
  reg clk = 0, reads = 0, writes = 0;
  reg [9:0] from = 0, to = 0;
  reg [71:0] data = 0;
  wire [204:0] golden, mapped;
  rtl one (clk, from, to, data, reads, writes, golden[71:0], golden[107:72], golden[125:108], golden[134:126],
    golden[138:135], golden[168:139], golden[204:169]);
  gates other (clk, from, to, data, reads, writes, mapped[71:0], mapped[107:72], mapped[125:108], mapped[134:126],
    mapped[138:135], mapped[168:139], mapped[204:169]);
  initial begin
    repeat (4000) begin
      #1 {reads, writes, from, to, data} = {$random, $random, $random};
      if (from[5:0] == to[5:0]) writes = 0;  // what a memory reads while it is written there is not defined
      #1 clk = 1;
      #2 if (golden !== mapped) begin $display("differs %h %h", golden, mapped); $finish; end
      clk = 0;
    end
    $display("equal");
    $finish;
  end
endmodule
"""


def test_cell_models_of_the_ecp5_do_what_was_mapped(tmp_path):
    for name in ("rtl", "gates"):
        (tmp_path / f"{name}.v").write_text(
            MODELLED.replace("NAME", name).replace("memory", f"memory_{name}"), encoding="utf-8"
        )
    commands = [f"read_verilog {tmp_path / 'gates.v'}", "synth_ecp5 -no-rw-check -top gates", "flatten"]
    run_yosys("models", [*commands, f"write_verilog -noattr {tmp_path / 'gates.v'}"], tmp_path / "yosys.log")
    mapped = (tmp_path / "gates.v").read_text(encoding="utf-8")
    assert "DP16KD" in mapped
    assert "MULT18X18D" in mapped
    for name, text in {**cell_models(board("ulx3s")), "bench.v": BENCH}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    compile_icarus(tmp_path, "bench", ("rtl.v", "gates.v", "cells.v"))
    done = subprocess.run(
        ["vvp", "-n", str(tmp_path / "simulation")], capture_output=True, encoding="utf-8", timeout=120
    )
    assert done.stdout.strip() == "equal"


@pytest.mark.parametrize(
    ("shown", "passed"),
    [
        ({"serial": "FusionCIM PASS rows=1"}, True),
        ({"serial": "FusionCIM FAIL rows=1"}, False),
        ({"light": "passed"}, True),
        ({"light": "failed"}, False),
    ],
)
def test_what_a_netlist_shows_is_a_verdict(shown, passed):
    assert passes(shown) is passed
