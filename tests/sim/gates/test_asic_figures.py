"""The commands synth, timing and power, on small components and on what the flow gives them."""

import json
import re
import subprocess
from dataclasses import fields, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tests.sim.gates.placed_by_hand import wires_by_hand
from typer.testing import CliRunner

from fusioncim.asic.cells.cell_verilog import cells_verilog
from fusioncim.asic.memory.memory_model import Macro
from fusioncim.asic.power.power import Energy
from fusioncim.lib.bank import Bank
from fusioncim.verilog.emit import once
from fusioncim_golden.config import Config
from fusioncim_golden.presets import preset
from fusioncim_sim.cli.app import app
from fusioncim_sim.gates.asic_figures import macs_per_cycle
from fusioncim_sim.gates.tile_energy import TileResult
from fusioncim_sim.gates.units import UNITS
from fusioncim_sim.gates.wire_figures import wire_figures

TINY = ("--preset", "tiny")


class Unit(wiring.Component):
    """A bank, an adder and a register behind it."""

    ports: ClassVar = {"address": "Word.", "data": "To write.", "write": "Write.", "total": "Sum."}

    def __init__(self, config):
        self.config = config
        super().__init__({"address": In(4), "data": In(8), "write": In(1), "total": Out(8)})

    def elaborate(self, platform):
        m = Module()
        bank = Bank(depth=16, width=8)
        m.submodules.bank = once(platform, bank)
        total = Signal(8)
        m.d.comb += [bank.write_enable.eq(self.write), bank.write_address.eq(self.address), self.total.eq(total)]
        m.d.comb += [bank.write_data.eq(self.data), bank.read_enable[0].eq(~self.write)]
        m.d.comb += bank.read_address[0].eq(self.address)
        with m.If(self.write):
            m.d.sync += total.eq(total + bank.read_data[0])
        return m


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working directory, in which every design is `Unit`."""
    monkeypatch.setenv("FUSIONCIM_BUILD", str(Path("build").resolve()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fusioncim_sim.gates.asic_figures.component_of", Unit)
    return tmp_path


def fusioncim(*arguments):
    return CliRunner(env={"COLUMNS": None}).invoke(app, [str(each) for each in arguments], prog_name="fusioncim")


def ends_with_one_line(result, text):
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert text in result.stderr


def test_synth_prints_and_writes_what_it_found(place, library):
    result = fusioncim("synth", *TINY, "--engine", "--output", "out", "--json", "out.json")
    assert result.exit_code == 0, result.output
    data = json.loads((place / "out.json").read_text(encoding="utf-8"))
    assert data["top"] == "unit"
    assert data["modules"]["unit"]["flip_flops"] == 8
    assert data["modules"]["unit"]["cells"]["DFF_X1"] == 8
    area = round(Macro(16, 8).area_um2, 3)
    assert data["banks"] == {"16x8r1": {"count": 1, "um2": area}}
    assert data["banks_um2"] == area
    assert data["um2_per_mac_per_cycle"] == pytest.approx(data["area_um2"] / 32, abs=0.01)
    assert data["fallbacks"] == []
    for text in ("unit", "16x8r1", "flip-flop", "combinational", f"{data['area_um2']:,.0f}", "um2 each"):
        assert text in result.stdout
    assert "fallback" not in result.stdout
    assert str(library.path) in result.stdout.replace("\n", "")

    files = {str(path.relative_to(place / "out")) for path in (place / "out").rglob("*") if path.is_file()}
    bank = "fusioncim_sram_16x8_r1"
    assert files == {"modules/unit.v", "unit_netlist.v", f"banks/{bank}.lib", "banks.v", "sram.v", "synth.json",
                     "manifest.json"}  # fmt: skip
    assert json.loads((place / "out/synth.json").read_text(encoding="utf-8")) == data
    assert f"cell ({bank})" in (place / f"out/banks/{bank}.lib").read_text(encoding="utf-8")
    assert str(place) not in "".join((place / "out" / name).read_text(encoding="utf-8") for name in files)
    (place / "cells.v").write_text(cells_verilog(library, list(data["modules"]["unit"]["cells"])), encoding="utf-8")
    for text in ("unit_netlist.v", "modules/unit.v"):
        sources = ["cells.v", f"out/{text}", "out/banks.v", "out/sram.v"]
        command = ["iverilog", "-g2012", "-Wall", "-Wno-timescale", "-t", "null", "-s", "unit", *sources]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
        assert "out/" not in done.stderr, done.stderr
    again = fusioncim("synth", *TINY, "--engine", "--output", "out", "--json", "out.json")
    assert again.exit_code == 0, again.output


def test_a_netlist_with_its_bank_views_is_what_opensta_reads(place, library):
    assert fusioncim("synth", *TINY, "--engine", "--output", "out").exit_code == 0
    commands = [f"read_liberty {library.path}", "read_liberty out/banks/fusioncim_sram_16x8_r1.lib"]
    commands += ["read_verilog out/unit_netlist.v", "link_design unit"]
    (place / "run.tcl").write_text("\n".join(commands), encoding="utf-8")
    command = ["sta", "-no_init", "-no_splash", "-exit", "run.tcl"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout + done.stderr in ("", "1\n")


def test_what_a_library_lacks_is_printed(place, nangate, small_library):
    cells = [name for name in small_library.cells if name not in ("CLKGATE_X1", "FA_X1")]
    (place / "lacking.lib").write_text(nangate.only(*cells), encoding="utf-8")
    result = fusioncim("synth", *TINY, "--engine", "--liberty", "lacking.lib")
    assert result.exit_code == 0, result.output
    assert "fallback: NangateOpenCellLibrary has no clock-gating cell" in result.stdout
    assert "fallback: NangateOpenCellLibrary has no full-adder cell" in result.stdout


def test_banks_are_added_to_cells_of_their_node_only(place, nangate, small_library):
    text = nangate.only(*small_library.cells).replace("NangateOpenCellLibrary", "mine")
    (place / "mine.lib").write_text(text, encoding="utf-8")
    command = ("synth", *TINY, "--engine", "--liberty", "mine.lib", "--json", "out.json")
    for node, why in {(): "a node that is not stated (--node)", ("--node", 180): "180 nm"}.items():
        result = fusioncim(*command, *node)
        assert result.exit_code == 0, result.output
        assert f"banks are not added, the cells are of {why}." in result.stdout
        data = json.loads((place / "out.json").read_text(encoding="utf-8"))
        assert data["um2_per_mac_per_cycle_with_banks"] is None
        assert data["node_nm"] == (node[1] if node else None)
        for other in ("timing", "power"):
            options = TINY if other == "timing" else ()
            ends_with_one_line(
                fusioncim(other, *options, "--liberty", "mine.lib", *node), f"the cells of mine of {why}"
            )
    assert fusioncim(*command, "--node", 45).exit_code == 0
    data = json.loads((place / "out.json").read_text(encoding="utf-8"))
    together = data["area_um2"] + data["banks_um2"]
    assert data["um2_per_mac_per_cycle_with_banks"] == pytest.approx(together / 32, abs=0.01)


def test_another_supply_is_said(place, nangate, small_library):
    text = nangate.only(*small_library.cells)
    (place / "slow.lib").write_text(re.sub(r"nom_voltage\s*: \S+;", "nom_voltage : 0.95;", text), encoding="utf-8")
    result = fusioncim("timing", *TINY, "--engine", "--liberty", "slow.lib")
    assert result.exit_code == 0, result.output
    assert "fallback: NangateOpenCellLibrary is at 0.95 V: banks stay at 1.1 V" in result.stdout


def test_a_cell_without_area_is_refused_when_it_is_used(place, nangate, small_library):
    text = nangate.only(*small_library.cells)
    text = re.sub(r"(cell \(DFF_X1\) \{.*?area\s*: )\S+;", r"\g<1>0;", text, flags=re.S)
    (place / "free.lib").write_text(text, encoding="utf-8")
    result = fusioncim("synth", *TINY, "--engine", "--liberty", "free.lib")
    ends_with_one_line(result, "the area of a cell that is used must be above 0, not so DFF_X1: ")


def test_timing_says_whether_the_clock_is_reached(place):
    result = fusioncim("timing", *TINY, "--engine", "--json", "out.json")
    assert result.exit_code == 0, result.output
    data = json.loads((place / "out.json").read_text(encoding="utf-8"))
    assert data["reached"] is True
    assert data["period_ns"] == 2.5
    assert 0 < data["shortest_period_ns"] < 2.5
    assert f"at most {1000 / data['shortest_period_ns']:,.0f} MHz" in result.stdout
    assert "Startpoint:" in result.stdout
    assert "unreachable" not in result.stdout

    result = fusioncim("timing", *TINY, "--engine", "--clock-mhz", "20000", "--json", "out.json")
    assert result.exit_code == 1, result.output
    assert "unreachable: 20000 MHz; unit reaches" in result.stdout
    assert json.loads((place / "out.json").read_text(encoding="utf-8"))["reached"] is False


def tile(mismatches=0):
    config = Config()
    energies = {unit: Energy(*(n + 7 * k + 1.0 for k in range(len(fields(Energy))))) for n, unit in enumerate(UNITS)}
    return TileResult(
        config=config, heads=("sink",), tokens=64, queries=32, period_ns=2.0, cycles=100, macs=50, columns=64,
        additions=9,
        mismatches=mismatches, phases={"stream": (110, energies), "idle": (7, energies)},
    )  # fmt: skip


@pytest.mark.parametrize("mismatches", [0, 3])
def test_power_prints_and_writes_what_it_found(mismatches, place, monkeypatch):
    asked = []

    def run_tile(config, library, heads, tokens, period, **_):
        asked.append((config, [head.name for head in heads], tokens, period))
        return tile(mismatches)

    monkeypatch.setattr("fusioncim_sim.gates.tile_energy.run_tile", run_tile)
    options = ("--head", "sink", "--tokens", "64", "--clock-mhz", "500", "--json", "out.json")
    result = fusioncim("power", *options)
    assert asked == [(preset("small").alone(), ["sink"], 64, 2.0)]
    assert result.exit_code == (1 if mismatches else 0), result.output
    data = json.loads((place / "out.json").read_text(encoding="utf-8"))
    energy = tile().energy
    assert data["bit_exact"] is (mismatches == 0)
    assert list(data["energy_fj"]) == sorted(UNITS)
    assert data["total_fj"] == pytest.approx(energy.total)
    assert data["fj_per_mac"] == pytest.approx(energy.total / 100, abs=0.01)
    assert data["power_mw"] == pytest.approx(energy.total / (110 * 2.0) * 1e-3, abs=1e-4)
    assert ("NO, 3 of 2,048 outputs differ" if mismatches else "all 2,048 outputs are") in result.stdout
    for unit in ("IP-CIM rows", "key/value buffer", "normalizer", f"{energy.total / 100:,.1f}", "500 MHz", "no wires"):
        assert unit in result.stdout
    assert data["wires"] is None
    assert "Wires:" not in result.stdout


def test_power_with_wires_places_the_engine(place, monkeypatch, small_library):
    asked = []

    def run_tile(*_, wires, **__):
        asked.append(wires.ff_um)
        return tile()

    monkeypatch.setattr("fusioncim_sim.gates.tile_energy.run_tile", run_tile)
    monkeypatch.setattr("fusioncim.asic.placement.placer.importlib.util.find_spec", lambda _: True)
    monkeypatch.setattr(
        "fusioncim_sim.gates.tile_energy.engine_wires",
        lambda config, library, ff_um, **_: wires_by_hand(small_library, ff_um),
    )
    options = ("--wires", "--wire-ff-um", "0.18", "--output", "out", "--json", "out.json")
    result = fusioncim("power", *options)
    assert result.exit_code == 0, result.output
    assert asked == [0.18]
    data = json.loads((place / "out.json").read_text(encoding="utf-8"))
    assert data["wires"] == json.loads(json.dumps(wire_figures(wires_by_hand(small_library, 0.18), small_library)))
    assert "with wires" in result.stdout
    assert f"Wires: {data['wires']['total_mm']:,.0f} mm at 0.18 fF per um" in result.stdout
    assert json.loads((place / "out/power.json").read_text(encoding="utf-8")) == data
    assert (place / "out/placement.png").read_bytes().startswith(b"\x89PNG")

    fusioncim("power", "--wires", "--output", "out")
    assert asked == [0.18, 0.1]


def test_power_takes_heads_of_files(place, monkeypatch):
    asked = []

    def run_tile(config, library, heads, tokens, period, **_):
        asked.append(([head.name for head in heads], heads[0].dimension, tokens))
        return tile()

    monkeypatch.setattr("fusioncim_sim.gates.tile_energy.run_tile", run_tile)
    rng = np.random.default_rng(1)
    for name, shape in {"q": (4, 1, 20), "k": (2, 300, 20), "v": (2, 300, 20)}.items():
        np.save(place / f"{name}.npy", rng.normal(size=shape))
    files = ("q.npy", "k.npy", "v.npy")
    for options in ((), ("--head", "head3", "--tokens", "300")):
        result = fusioncim("power", *files, *options, "--json", "out.json")
        assert result.exit_code == 0, result.output
    assert asked == [(["head0", "head1", "head2"], 20, 300), (["head3"], 20, 300)]
    assert json.loads((place / "out.json").read_text(encoding="utf-8"))["models"] == ["q.npy, k.npy, v.npy"]
    assert "sink of q.npy, k.npy, v.npy, equalized" in result.stdout


def test_wires_need_the_extra(place, monkeypatch):
    monkeypatch.setattr("fusioncim.asic.placement.placer.importlib.util.find_spec", lambda _: None)
    ends_with_one_line(
        fusioncim("power", "--wires"), "coloquinte is missing: install it with pip install 'fusioncim[place]'"
    )


BAD = {
    "no library": (("synth", "--liberty", "none.lib"), "cannot be read (No such file or directory): none.lib"),
    "no liberty": (("synth", "--liberty", "prose.lib"), "the Liberty file must have a group library"),
    "output is a file": (("synth", "--output", "prose.lib"), "prose.lib"),
    "output is another's": (("synth", "--output", "full"), "not written by fusioncim"),
    "json onto another": (("synth", "--json", "full/other.json"), "other.json"),
    "timing json onto another": (("timing", "--json", "full/other.json"), "other.json"),
    "power json onto another": (("power", "--json", "full/other.json"), "other.json"),
    "no clock": (("timing", "--clock-mhz", "0"), "clock frequency must be from 0.001 to 100000 MHz, not 0"),
    "negative clock": (("power", "--clock-mhz", "-1"), "must be from 0.001 to 100000 MHz, not -1"),
    "not a clock": (("timing", "--clock-mhz", "nan"), "must be from 0.001 to 100000 MHz, not nan"),
    "an endless clock": (("timing", "--clock-mhz", "inf"), "not inf"),
    "a clock that stands": (("timing", "--clock-mhz", "1e-9"), "must be from 0.001 to 100000 MHz, not 1e-09"),
    "a clock of more digits": (("power", "--clock-mhz", "1e-300"), "must be from 0.001 to 100000 MHz, not 1e-300"),
    "a clock beyond ps": (("timing", "--clock-mhz", "1e6"), "must be from 0.001 to 100000 MHz, not 1e+06"),
    "no process": (("synth", "--jobs", "0"), "--jobs"),
    "endless processes": (("synth", "--jobs", "1000000000000"), "--jobs"),
    "no node": (("synth", "--node", "0"), "--node"),
    "unknown head": (("power", "--head", "tail"), "not tail"),
    "unknown preset": (("synth", "--preset", "huge"), "not huge"),
    "columns": (("power", "--preset", "tiny"), "captured heads side by side must have columns = 16, not 64"),
    "tokens": (("power", "--tokens", "600"), "tokens must be 1 to 512, the length of the heads, not 600"),
    "wires without a source": (
        ("power", "--wires", "--wire-ff-um", "0"),
        "capacitance of wires must be from 0.01 to 1 fF per um, not 0",
    ),
    "capacitance without wires": (("power", "--wire-ff-um", "0.1"), "--wire-ff-um must come with --wires"),
    "power onto another's": (("power", "--output", "full"), "not written by fusioncim"),
    "power without tables": (("power", "--liberty", "bare.lib"), "must have internal_power tables"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused(case, place, nangate):
    arguments, text = BAD[case]
    (place / "full").mkdir()
    (place / "full/other.json").write_text('{"heads": 1}', encoding="utf-8")
    (place / "prose.lib").write_text("hello world", encoding="utf-8")
    (place / "bare.lib").write_text(
        nangate.only("INV_X1", "BUF_X1", "NAND2_X1", "DFF_X1").replace("internal_power", "external_power"),
        encoding="utf-8",
    )
    before = {path: path.is_file() and path.read_bytes() for path in place.rglob("*")}
    ends_with_one_line(fusioncim(*arguments), text)
    assert {path: path.is_file() and path.read_bytes() for path in place.rglob("*")} == before


MISSING = {
    "sta": (("timing", *TINY), "OpenSTA is missing (sta must be on PATH): install it with 'apt-get install opensta'"),
    "iverilog": (("power",), "Icarus Verilog is missing"),
}


@pytest.mark.parametrize("case", MISSING)
def test_missing_programs_are_named(case, place, monkeypatch):
    arguments, text = MISSING[case]
    monkeypatch.setenv("PATH", str(place / "none"))
    ends_with_one_line(fusioncim(*arguments), text)


@pytest.mark.parametrize("command", ["synth", "timing", "power"])
def test_missing_packages_are_named(command, place, monkeypatch):
    def missing(*_):
        raise ModuleNotFoundError("No module named 'liberty'", name="liberty")

    monkeypatch.setattr("fusioncim_sim.gates.asic_figures.load", missing)
    ends_with_one_line(fusioncim(command), "liberty is missing: install it with pip install 'fusioncim[synth]'")
    monkeypatch.setattr("fusioncim.asic.synthesis.synth.importlib.metadata.version", missing_distribution)
    ends_with_one_line(fusioncim(command), "pyosys is missing: install it with pip install 'fusioncim[synth]'")


def missing_distribution(name):
    import importlib.metadata

    raise importlib.metadata.PackageNotFoundError(name)


def test_multipliers_are_those_of_both_arrays_of_all_engines():
    small = preset("small")
    assert macs_per_cycle(small.engine) == 2 * 32 * 64 / 8
    assert macs_per_cycle(small) == small.engines * macs_per_cycle(small.engine)
    assert replace(tile(), mismatches=1).bit_exact is False
