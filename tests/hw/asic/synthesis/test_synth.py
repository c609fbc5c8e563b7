"""Mapping: the gates do what the RTL does, every module once, with what the library has."""

import json
import re
import subprocess

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fusioncim.asic.cells.cell_verilog import cells_verilog
from fusioncim.asic.cells.liberty import load
from fusioncim.asic.netlist.mapped_design import report
from fusioncim.asic.synthesis import synth
from fusioncim.asic.synthesis.synth import design_texts, instances, stub, synthesize
from fusioncim.asic.synthesis.synth_recipe import GATED, fallbacks
from fusioncim.engine.ip_cim import IpCimRow
from fusioncim.engine.tile_loader import TileLoader
from fusioncim.verilog import emit
from fusioncim.verilog.emit import once
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import preset


class Counter(wiring.Component):
    """Adds `step` when enabled; config: more of it, which is not in the name."""

    def __init__(self, step, width=8, config=0):
        self.step, self.width, self.config = step, width, config
        self.parameters = (step, width)
        super().__init__({"enable": In(1), "a": In(width), "o": Out(width)})

    def elaborate(self, platform):
        m = Module()
        total = Signal(self.width, reset_less=True)
        with m.If(self.enable):
            m.d.sync += total.eq(total + self.a + self.step + self.config)
        m.d.comb += self.o.eq(total)
        return m


class Three(wiring.Component):
    """Two equal counters and another one."""

    def __init__(self, step=3):
        self.step = step
        self.parameters = (step,)
        super().__init__({"enable": In(1), "a": In(8), "o": Out(8)})

    def elaborate(self, platform):
        m = Module()
        first, second, other = Counter(1), Counter(1), Counter(self.step)
        for name, unit in {"first": first, "second": second, "other": other}.items():
            m.submodules[name] = once(platform, unit)
            m.d.comb += unit.enable.eq(self.enable)
        m.d.comb += [first.a.eq(self.a), second.a.eq(first.o), other.a.eq(second.o), self.o.eq(other.o)]
        return m


@pytest.fixture
def build(tmp_path, monkeypatch):
    """An empty build directory."""
    monkeypatch.setenv("FUSIONCIM_BUILD", str(tmp_path / "build"))
    return tmp_path / "build"


@pytest.fixture
def mapped(monkeypatch):
    """Names of the modules that were mapped."""
    names = []
    original = synth.map_module

    def map_module(name, *rest):
        names.append(name)
        return original(name, *rest)

    monkeypatch.setattr(synth, "map_module", map_module)
    return names


def test_nothing_is_mapped_twice_and_what_changed_is(small_library, build, mapped, nangate, tmp_path):
    first = synthesize(Three(), small_library)
    names = ["counter_1_8", "counter_3_8", "three_3"]
    assert sorted(mapped) == names
    assert synthesize(Three(), small_library) == first
    assert sorted(mapped) == names
    synthesize(Three(5), small_library)
    assert sorted(mapped[3:]) == ["counter_5_8", "three_5"]
    synthesize(Counter(1, config=2), small_library)
    assert mapped[5:] == ["counter_1_8"]  # another one of this name
    other = tmp_path / "other.lib"
    other.write_text(nangate.only("INV_X1", "NAND2_X1", "NOR2_X1", "DFF_X1", "BUF_X1"), encoding="utf-8")
    synthesize(Counter(1), load(other))
    assert mapped[6:] == ["counter_1_8"]


def test_figures_add_up(small_library, build):
    design = synthesize(Three(), small_library)
    assert design.copies == {"three_3": 1, "counter_1_8": 2, "counter_3_8": 1}
    assert design.order[0] == "three_3"
    own = {name: module.area for name, module in design.modules.items()}
    assert design.area() == pytest.approx(own["three_3"] + 2 * own["counter_1_8"] + own["counter_3_8"])
    areas = {name: cell.area for name, cell in small_library.cells.items()}
    assert design.area() == pytest.approx(sum(areas[cell] * n for cell, n in design.cells().items()))
    classes = design.classes()
    assert classes["flip-flop"] == 24
    assert sum(classes.values()) == sum(design.cells().values())
    text = report(design)
    assert text["modules"]["counter_1_8"]["copies"] == 2
    assert text["modules"]["three_3"]["area_below"] == text["area_um2"]
    assert "seconds" not in json.dumps(text)


def test_enables_shared_by_some_flip_flops_become_clock_gates(small_library, build):
    """A register of four is worth a gate, one of three is not."""
    gated, plain = (synthesize(Counter(1, width), small_library).cells() for width in (GATED, GATED - 1))
    assert gated["CLKGATE_X1"] == 1
    assert gated["DFF_X1"] == GATED
    assert plain["CLKGATE_X1"] == 0


LACKING = {
    "clock gate": ("CLKGATE_X1", "has no clock-gating cell: enables stay multiplexers"),
    "full adder": ("FA_X1", "has no full-adder cell: sums are mapped on gates"),
}


@pytest.mark.parametrize("case", LACKING)
def test_what_the_library_lacks_is_said_and_done_otherwise(case, small_library, nangate, tmp_path):
    name, text = LACKING[case]
    path = tmp_path / "lacking.lib"
    path.write_text(nangate.only(*(each for each in small_library.cells if each != name)), encoding="utf-8")
    library = load(path)
    (line,) = fallbacks(library)
    assert text in line
    design = synthesize(Counter(1), library)
    assert name not in design.cells()
    assert design.classes()["flip-flop"] == 8
    assert design.area() > 0
    assert fallbacks(small_library) == []


def test_a_library_without_a_cell_that_a_module_needs_is_refused(nangate, build, tmp_path):
    path = tmp_path / "scan.lib"
    path.write_text(nangate.only("INV_X1", "NAND2_X1", "NOR2_X1", "BUF_X1", "SDFFRS_X1"), encoding="utf-8")
    with pytest.raises(InputError, match="flip-flops that counter_1_8 needs: D flip-flops are not supported"):
        synthesize(Counter(1), load(path))


def test_ways_are_compared_and_the_smallest_is_kept(library):
    row = synthesize(IpCimRow(preset("tiny").alone()), library).modules["ip_cim_row"]
    assert row.way == "adders"
    assert row.cells["FA_X1"] > 50
    assert sum(row.banks.values()) == 1


def test_gates_equal_the_rtl(library, tmp_path):
    """2,000 random cycles; what the first leave undefined is gone after some."""
    design = synthesize(TileLoader(preset("tiny").alone()), library)
    modules = emit.Modules()
    top = modules.add(TileLoader(preset("tiny").alone()))
    (tmp_path / "rtl.v").write_text(modules.verilog(), encoding="utf-8")
    (tmp_path / "gates.v").write_text(design.verilog().replace(f"module {top}(", "module gates("), encoding="utf-8")
    (tmp_path / "cells.v").write_text(cells_verilog(library, list(design.cells())), encoding="utf-8")
    pins, bits, outputs = [".clk(clk)"], 0, []
    for name, (direction, nets) in design.netlist(top).ports.items():
        if direction == "output":
            outputs.append((name, len(nets)))
        elif name != "clk":
            pins.append(f".\\{name} (stimulus[{bits + len(nets) - 1}:{bits}])")
            bits += len(nets)
    width = sum(number for _, number in outputs)
    units = []
    for kind in (top, "gates"):
        ends, first = [], 0
        for name, number in outputs:
            ends.append(f".\\{name} ({kind}_o[{first + number - 1}:{first}])")
            first += number
        units.append(f"wire [{width - 1}:0] {kind}_o; {kind} u_{kind}({', '.join([*pins, *ends])});")
    bench = f"""
module bench;
  reg clk = 0; reg [{bits - 1}:0] stimulus; integer n, m, bad = 0, changes = 0; reg [{width - 1}:0] last;
  {" ".join(units)}
  initial begin
    for (n = 0; n < 2000; n = n + 1) begin
      for (m = 0; m < {bits}; m = m + 32) stimulus = {{stimulus, $random}};
      #5 clk = 1;
      #4 if (n > 200) begin bad = bad + ({top}_o !== gates_o); changes = changes + (gates_o !== last); end
      last = gates_o; #1 clk = 0;
    end
    $display("%0d differ, %0d changes", bad, changes);
  end
endmodule
"""
    (tmp_path / "bench.v").write_text(bench, encoding="utf-8")
    command = ["iverilog", "-g2012", "-s", "bench", "-o", "bench", "bench.v", "rtl.v", "gates.v", "cells.v"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run(["vvp", "bench"], cwd=tmp_path, check=True, capture_output=True, encoding="utf-8")
    differ, changes = map(int, re.findall(r"\d+", done.stdout)[:2])
    assert (differ, changes > 100) == (0, True)


def test_a_damaged_build_is_named(small_library, build):
    design = synthesize(Counter(1), small_library)
    place = design.places["counter_1_8"]
    (place / "netlist.json").unlink()
    with pytest.raises(
        InputError, match=rf"damaged \(netlist.json: No such file or directory\); remove {place} and run"
    ):
        design.verilog()
    (place / "module.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=rf"damaged \(module.json: .*remove {place} and run again"):
        synthesize(Counter(1), small_library)
    (rtlil,) = (build / "rtlil").rglob("design.json")
    rtlil.write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=rf"damaged \(design.json: .*remove {rtlil.parent}"):
        synthesize(Counter(1), small_library)


def test_a_missing_yosys_is_named(small_library, monkeypatch):
    def missing(name):
        raise synth.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(synth.importlib.metadata, "version", missing)
    component = Counter(1)
    emit.used(component)
    with pytest.raises(InputError, match=r"pyosys is missing: install it with pip install 'fusioncim\[synth\]'"):
        synthesize(component, small_library)


def test_black_boxes_have_the_ports_of_their_modules():
    top, texts = design_texts(Three())
    assert instances(texts[top]) == {"counter_1_8", "counter_3_8"}
    text = stub("counter_1_8", texts["counter_1_8"])
    assert "attribute \\blackbox 1\nmodule \\counter_1_8\n" in text
    assert "cell" not in text
    assert text.count("wire") == 5  # clk, rst, enable, a, o
