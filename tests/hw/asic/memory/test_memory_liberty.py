"""The Liberty view of a bank, as Yosys and OpenSTA read it."""

import re
import subprocess
import sys

import pytest
from amaranth.hdl import Cat

from fusioncim.asic.cells.liberty import default_liberty
from fusioncim.asic.memory.memory_array import ArrayMacro
from fusioncim.asic.memory.memory_liberty import liberty_view, macro_name
from fusioncim.asic.memory.memory_model import Macro
from fusioncim.lib.bank import Bank
from fusioncim.verilog.emit import used

SHAPES = [(4, 1024, 1), (128, 96, 2), (32, 33, 1), (1, 1, 1), (4096, 512, 1)]
PORTS = ("write_enable", "write_address", "write_data", "read_enable", "read_address", "read_data")


def widths(macro):
    """Widths of the ports: the connections of the instance that a bank is in the Verilog."""
    bank = Bank(depth=macro.depth, width=macro.width, reads=macro.reads)
    used(bank)
    return {port: len(Cat(getattr(bank, port))) for port in PORTS}


def written(macro, where):
    """The view, and a module `top` that leads all of its ports out."""
    library, design = where / "bank.lib", where / "top.v"
    library.write_text(liberty_view(macro_name(macro), macro), encoding="utf-8")
    ports = widths(macro)
    lines = [f"{'output' if p == 'read_data' else 'input'} [{w - 1}:0] {p}" for p, w in ports.items()]
    pins = ", ".join(f".{p}({p})" for p in ("clk", *ports))
    design.write_text(
        f"module top(input clk, {', '.join(lines)});\n{macro_name(macro)} bank({pins});\nendmodule\n", encoding="utf-8"
    )
    return library, design


@pytest.mark.parametrize("shape", SHAPES)
def test_yosys_takes_it_for_the_macro_with_its_ports_and_area(shape, tmp_path):
    macro = Macro(*shape)
    library, design = written(macro, tmp_path)
    passes = [
        *(f"read_liberty -lib {library}", f"read_verilog {design}", "hierarchy -check -top top", "check -assert"),
        *(f"select -assert-count 1 top/t:{macro_name(macro)}", f"stat -liberty {library}"),
        *(f"select -assert-count 1 ={macro_name(macro)}/w:{p} =*/s:{w} %i" for p, w in widths(macro).items()),
    ]
    program = f"import pyosys.libyosys as y; d = y.Design(); [y.run_pass(p, d) for p in {passes!r}]"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    assert "arning" not in done.stdout + done.stderr
    area = re.findall(r"Chip area for .*: ([\d.]+)", done.stdout)
    assert float(area[-1]) == pytest.approx(macro.area_um2)


@pytest.mark.parametrize("shape", SHAPES)
def test_opensta_finds_the_delays_without_a_warning(shape, tmp_path):
    macro = Macro(*shape)
    library, design = written(macro, tmp_path)
    script = tmp_path / "run.tcl"
    read = [f"read_liberty {default_liberty()}", f"read_liberty {library}", f"read_verilog {design}", "link_design top"]
    script.write_text(
        "\n".join(
            [
                *read,
                "create_clock -period 10 -name clk [get_ports clk]",
                *(f"set_input_delay 1 -clock clk [get_ports {port}]" for port in PORTS if port != "read_data"),
                *("set_output_delay 0 -clock clk [get_ports read_data]", "set_load 10 [get_ports read_data]"),
                *("report_checks -digits 6 -from [get_pins bank/clk]", "report_checks -digits 6 -to bank/write_enable"),
                *("report_checks -digits 6 -path_delay min -to bank/read_address[0]", "report_power -digits 6"),
            ]
        ),
        encoding="utf-8",
    )
    done = subprocess.run(
        ["sta", "-no_splash", "-exit", str(script)], capture_output=True, encoding="utf-8", check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert not re.search("warning|error", said, re.I), said
    slack = [float(number) for number in re.findall(r"(-?[\d.]+)\s+slack", said)]
    load_ns = 10 * 0.0012
    assert slack == pytest.approx([10 - macro.access_ns - load_ns, 10 - 1 - 0.04, 1 - 0.02], abs=5e-4)
    leakage = float(re.findall(r"Total +\S+ +\S+ +(\S+)", said)[-1])
    assert leakage == pytest.approx(macro.leakage_nw * 1e-9, rel=1e-4)


def test_every_port_has_its_energy():
    macro = Macro(128, 96, 2)
    text = re.sub(r"\s+", " ", liberty_view("bank", macro))
    found = re.findall(r'internal_power \(\) { (?:when : "(.*?)"; )?rise_power \(scalar\) { values \("([\d.]+)"', text)
    reads = [(f"read_enable[{n}]", macro.read_energy_fj) for n in range(2)]
    expected = [("", macro.idle_energy_fj), ("write_enable", macro.write_energy_fj), *reads]
    assert [(when, float(value)) for when, value in found] == [(when, pytest.approx(fJ)) for when, fJ in expected]
    assert text.count('fall_power (scalar) { values ("0.000000")') == len(expected)


def test_units_and_thresholds_are_those_of_the_cell_library():
    def header(text):
        named = r"(time_unit|leakage_power_unit|voltage_unit|current_unit|pulling_resistance_unit|\w+_threshold_\w+)"
        simple = dict(re.findall(named + r'\s*:\s*"?([\w.]+)"?', text))
        return simple, re.findall(r"capacitive_load_unit\s*\(\s*(\w+)\s*,\s*(\w+)\s*\)", text)

    library = header(default_liberty().read_text(encoding="utf-8")[:20000])
    assert len(library[0]) == 13
    assert header(liberty_view("bank", Macro(4, 8))) == library


def test_names():
    assert macro_name(Macro(4, 1024)) == "fusioncim_sram_4x1024_r1"
    assert macro_name(Macro(128, 96, 2)) == "fusioncim_sram_128x96_r2"
    assert macro_name(ArrayMacro(4, 1024)) == "fusioncim_sram_4x1024_r1_array"
