"""The rewritten Verilog: what it looks like, and that it computes what Yosys wrote."""

import re
import subprocess
import sys
from functools import cache

import pytest
from amaranth.hdl import Array, Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from tests.cases import part

from fusioncim.chip.chip import Chip
from fusioncim.engine.engine import Engine
from fusioncim.lib.bank import SRAM, Bank
from fusioncim.verilog.emit import Modules, once
from fusioncim_golden.presets import preset


class Next(wiring.Component):
    """The next number."""

    def __init__(self):
        super().__init__({"release": In(2), "o": Out(2)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(self.release + 1)
        return m


class Sample(wiring.Component):
    """A module in which everything occurs that is rewritten.

    Members: command; o; hit; sum.
    """

    def __init__(self):
        layout = data.StructLayout({"enable": 1, "word": 2, "last": 1})
        super().__init__({"command": In(layout), "o": Out(4), "hit": Out(1), "sum": Out(4)})

    def elaborate(self, platform):
        m = Module()
        following, bank = Next(), Bank(depth=4, width=4)
        m.submodules.following = once(platform, following)
        m.submodules.bank = once(platform, bank)
        count = Signal(2)
        kept = Signal(4, reset_less=True)
        new = Signal(2)
        m.d.comb += [
            *(following.release.eq(count), new.eq(following.o)),
            *(bank.read_enable[0].eq(1), bank.read_address[0].eq(self.command.word)),
            *(bank.write_enable.eq(self.command.enable & ~self.command.last), bank.write_data.eq(kept)),
            bank.write_address.eq(count),
            self.hit.eq((count == 3) & ~self.command.last),
            self.sum.eq(kept + ~count[1] + self.command.word.bit_select(count[0], 1)),
            self.o.eq(Cat(Array([count[0], count[1]])[self.command.last], bank.read_data[0][1:])),
        ]
        with m.If(self.command.enable):
            m.d.sync += count.eq(new)
        with m.If(self.command.enable & (count != self.command.word)):
            m.d.sync += kept.eq(bank.read_data[0] + 1)
        return m


EXPECTED = r"""// The next number.
module next(
  input wire [1:0] \release ,
  output wire [1:0] o
);
  wire [2:0] _1 = \release  + 1'h1;
  assign o = _1[1:0];
endmodule

// A module in which everything occurs that is rewritten.
//
// Members: command; o; hit; sum.
module sample(
  input wire clk,
  input wire rst,
  input wire [3:0] command,
  output wire [3:0] o,
  output wire hit,
  output wire [3:0] sum
);
  reg _8;
  reg at_start;
  wire [3:0] bank_read_data__0;
  reg [1:0] count;
  reg [3:0] kept;
  wire [1:0] new_;
  wire command_last = command[3];
  wire _1 = !command_last;
  wire command_enable = command[0];
  wire bank_write_enable = command_enable & _1;
  assign hit = (count == 2'h3) & _1;
  wire [4:0] _5 = kept + (!count[1]);
  wire [1:0] command_word = command[2:1];
  wire _6 = command_word >> count[0];
  wire [5:0] _7 = _5 + _6;
  wire [4:0] _11 = bank_read_data__0 + 1'h1;
  assign o = { bank_read_data__0[3:1], _8 };
  assign sum = _7[3:0];
  always @(posedge clk) begin
    if (command_enable) count <= new_;
    if (rst) count <= 2'h0;
  end
  always @(posedge clk)
    if (command_enable & (count != command_word)) kept <= _11[3:0];
  fusioncim_sram #(
    .DEPTH(32'd4),
    .READS(32'd1),
    .WIDTH(32'd4)
  ) bank (
    .clk(clk),
    .read_address(command_word),
    .read_data(bank_read_data__0),
    .read_enable(1'h1),
    .write_address(count),
    .write_data(kept),
    .write_enable(bank_write_enable)
  );
  next following (
    .o(new_),
    .\release (count)
  );
  always @* begin
    if (at_start) begin end
    casez (command_last)
      1'h0: _8 = count[0];
      1'h1: _8 = count[1];
      default: ;
    endcase
  end
  initial at_start = 1'b0;
endmodule
"""


def modules_of(component):
    modules = Modules()
    modules.add(component)
    return modules


def test_it_reads_as_if_written_by_hand():
    assert modules_of(Sample()).verilog() == EXPECTED


def split(verilog):
    """Modules by name, all names as the rewriting makes them."""
    modules = [plain(text) for text in re.findall(r"(?ms)^module .*?^endmodule\n", verilog)]
    return {re.match(r"module (\w+)", text)[1]: text for text in modules}


def plain(text):
    """A module, the names with a point, a dollar or a word of the language without an escape; ports keep theirs."""
    header = text[: text.index(");")]
    text = re.sub(r"\\(\w+(?:[.$]\w+)+|\$[a-z]\w*(?:\$\d+)?) ", lambda name: re.sub(r"\W", "_", name[1]) + " ", text)
    return re.sub(r"(?<!\.)\\([a-z]\w*) ", lambda name: name[0] if name[0] in header else f"{name[1]}_ ", text)


def opaque(head, wires):
    """A module of which nothing is known: it keeps its inputs in registers and shows registers."""
    lines = [head]
    for direction, bits, name in wires:
        own = "own_" + name.strip(" \\")
        lines.append(f"reg {bits} {own}; always @(posedge clk) {own} <= {name if direction == 'input' else f'~{own}'};")
        if direction == "output":
            lines.append(f"assign {name} = {own};")
    return "\n".join([*lines, "endmodule\n"])


def ports(head):
    return re.findall(r"(input|output) +(?:wire|reg) *(\[\S+\])? *(\\\S+ |\w+)", head)


EQUAL = """
import sys, pyosys.libyosys as ys
design = ys.Design()
for name in sys.argv[1:]:
    for side in ("gold", "gate"):
        for line in (
            f"read_verilog {name}.{side}.v", f"hierarchy -check -top {side}", "proc -norom", "flatten",
            "memory -nordff", "opt_clean", f"design -stash {side}",
        ):
            ys.run_pass(line, design)
    for line in (
        "design -copy-from gold -as gold gold", "design -copy-from gate -as gate gate", "equiv_make gold gate equal",
        "hierarchy -top equal", "opt_clean", "equiv_struct", "equiv_simple -undef", "equiv_induct -undef",
        "equiv_status -assert", "design -reset",
    ):
        ys.run_pass(line, design)
"""


SHARES = 4
"""In how many parts the modules of a chip are proved."""
SIMULATED = ("softmax_lane",)
"""Modules whose multiplier keeps the proof from ending; their text is what every simulation of the engine runs on."""


def stubs_of(verilog):
    """What stands for a module inside another one, by name: an opaque module if it has a clock, else itself."""
    macro = SRAM.read_text(encoding="utf-8")
    stubs = {}
    for name, text in {"fusioncim_sram": macro[macro.index("module") :], **verilog}.items():
        head = text[: text.index(");") + 2].replace("output reg", "output wire")
        wires = [wire for wire in ports(head) if wire[2] != "clk"]
        stubs[name] = opaque(head, wires) if re.search(r"wire +clk,", head) else text
    return stubs


def prove(before, after, names, place):
    """Prove that modules compute the same, undefined values included; the modules inside them are opaque."""
    stubs = stubs_of(after)
    for name in names:
        inside = "".join(stub for other, stub in stubs.items() if re.search(rf"^  {other} ", after[name], re.MULTILINE))
        for side, text in (("gold", before[name]), ("gate", after[name])):
            text = re.sub(r"^module \w+", f"module {side}", text) + inside
            (place / f"{name}.{side}.v").write_text(text, encoding="utf-8")
    command = [sys.executable, "-c", EQUAL, *names]
    done = subprocess.run(command, cwd=place, capture_output=True, encoding="utf-8", check=False)
    assert done.stdout.count("Equivalence successfully proven!") == len(names), done.stdout[-2000:] + done.stderr


@pytest.mark.parametrize("component", [Sample, lambda: Engine(preset("tiny").alone())], ids=["sample", "engine"])
def test_nothing_that_is_computed_changes(component, tmp_path):
    modules = modules_of(component())
    before, after = split(modules.raw_verilog()), split(modules.verilog())
    assert set(before) == set(after)
    prove(before, after, [name for name in before if name not in SIMULATED], tmp_path)


@cache
def of_chip():
    """The text of a chip before and after, and the modules that only a chip has."""
    chip = preset("tiny")
    modules = modules_of(Chip(chip))
    before, after = split(modules.raw_verilog()), split(modules.verilog())
    return before, after, sorted(set(before) - set(split(modules_of(Engine(chip.engine)).raw_verilog())))


@pytest.mark.long
@pytest.mark.parametrize("share", part(range(SHARES), 0))
def test_nothing_that_a_chip_computes_changes(share, tmp_path):
    """The modules that only a chip has, each SHARES-th of them."""
    before, after, names = of_chip()
    assert set(before) == set(after)
    assert len(names) > 20
    prove(before, after, names[share::SHARES], tmp_path)
