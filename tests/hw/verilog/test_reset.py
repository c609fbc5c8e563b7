"""The kinds of reset: ports, registers, and what happens while the clock stands still."""

import re
import subprocess

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fusioncim.verilog.emit import once, used, verilog
from fusioncim.verilog.reset import Reset

BENCH = """
module bench;
  reg clk = 0, enable = 1;
  reg RESET = INACTIVE;
  wire [3:0] o;
  top dut(.clk(clk), .RESET(RESET), .enable(enable), .o(o));
  task tick; begin #5 clk = 1; #5 clk = 0; end endtask
  initial begin
    #1 RESET = ACTIVE; #1 $display("%b", o);
    tick; tick; tick; $display("%b", o);
    #3 RESET = INACTIVE;
    repeat (6) begin tick; $display("%b", o); end
    #2 RESET = ACTIVE; #1 $display("%b", o);
  end
endmodule
"""
SYNCHRONOUS = ["xxxx", "0101", *("0110", "0111", "1000", "1001", "1010", "1011"), "1011"]
ASYNCHRONOUS = ["0101", "0101", *("0101", "0101", "0110", "0111", "1000", "1001"), "0101"]
"""Values of a counter from 5: after reset without a clock, with one, in the six cycles after its end, and at once."""


class Counter(wiring.Component):
    def __init__(self):
        super().__init__({"enable": In(1), "o": Out(4)})

    def elaborate(self, platform):
        m = Module()
        count = Signal(4, init=5)
        kept = Signal(4, reset_less=True)
        m.d.comb += self.o.eq(count)
        m.d.sync += kept.eq(count)
        with m.If(self.enable):
            m.d.sync += count.eq(count + 1)
        return m


class Top(wiring.Component):
    def __init__(self):
        super().__init__({"enable": In(1), "o": Out(4)})

    def elaborate(self, platform):
        m = Module()
        counter = Counter()
        m.submodules.counter = once(platform, counter)
        m.d.comb += [counter.enable.eq(self.enable), self.o.eq(counter.o)]
        return m


def text_of(reset):
    top = Top()
    used(top)
    return verilog(top, reset)


@pytest.mark.parametrize("reset", Reset)
def test_when_the_registers_are_cleared(reset, tmp_path):
    words = {"RESET": reset.port, "INACTIVE": str(1 - reset.level), "ACTIVE": str(reset.level)}
    bench = re.sub("INACTIVE|ACTIVE|RESET", lambda word: words[word[0]], BENCH)
    (tmp_path / "top.v").write_text(text_of(reset) + bench, encoding="utf-8")
    subprocess.run(["iverilog", "-g2005", "-s", "bench", "-o", "top.vvp", "top.v"], cwd=tmp_path, check=True)
    done = subprocess.run(["vvp", "top.vvp"], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.split() == (ASYNCHRONOUS if reset.asynchronous else SYNCHRONOUS)


@pytest.mark.parametrize("reset", Reset)
def test_ports_and_registers(reset):
    text = text_of(reset)
    top, counter = (re.search(rf"(?s)^module {name}\((.*?)^endmodule", text, re.M)[1] for name in ("top", "counter"))
    assert re.findall(r"input wire (\w+)", top) == ["clk", reset.port, "enable"]
    assert re.findall(r"input wire (\w+)", counter) == ["clk", "rst", "enable"]
    edges = re.findall(r"always @\((posedge .*?)\)", counter)
    cleared = "posedge clk, posedge rst" if reset.asynchronous else "posedge clk"
    assert sorted(edges, key=len) == (["posedge clk"] if "kept" in counter else []) + [cleared]
    assert ("module top_reset_synchronizer(" in text) == reset.asynchronous


def test_an_asynchronous_reset_comes_before_all_else():
    counter = text_of(Reset.ACTIVE_LOW_ASYNC)
    wanted = """
  always @(posedge clk, posedge rst) begin
    if (rst) o <= 4'h5;
    else begin
      if (enable) o <= _1[3:0];
    end
  end
"""
    assert re.sub(r"_\d+", "_1", wanted) in re.sub(r"_\d+", "_1", counter)


def test_the_names_say_what_they_are():
    assert [each.port for each in Reset] == ["rst", "aresetn", "rst", "aresetn"]
    assert [each.level for each in Reset] == [1, 0, 1, 0]
    assert [each.asynchronous for each in Reset] == [False, False, True, True]
    assert all(each.meaning.startswith(f"Reset, active {'high' if each.level else 'low'}, ") for each in Reset)
