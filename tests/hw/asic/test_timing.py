"""Timing: what limits the clock, in any units, and that copies of a module need not be timed."""

from types import SimpleNamespace

import pytest

from fusioncim import package as delivery
from fusioncim.asic import timing
from fusioncim.asic.memory.memory_array import macro_of_shape
from fusioncim.asic.memory.memory_model import Macro
from fusioncim.asic.netlist.netlist import Netlist, Part
from fusioncim.asic.opensta import without_wires
from fusioncim.asic.synthesis.synth import synthesize
from fusioncim.asic.timing import analyse
from fusioncim.engine.engine import Engine
from fusioncim.integration.ports import ports_of
from fusioncim_golden.presets import preset

IO_NS = delivery.IO_SHARE * 2.5
SDC = f"""create_clock -name clk -period 2.5 [get_ports clk]
set_input_delay -clock clk {IO_NS} [get_ports a]
set_output_delay -clock clk {IO_NS} [get_ports z]
"""
BANK = {"clk": [2], "write_enable": [3], "write_address": [3] * 12, "write_data": [3] * 512, "read_enable": [3],
        "read_address": [3] * 12, "read_data": list(range(1000, 1512))}  # fmt: skip


def design(library, inverters=8, banks=0, flops=2):
    """Flip-flop, inverters, flip-flop; the first one drives the output as well."""
    chain = [Part(f"i{n}", "INV_X1", {"A": [5 + n], "ZN": [6 + n]}) for n in range(inverters)]
    ends = [
        Part("first", "DFF_X1", {"CK": [2], "D": [3], "Q": [5]}),
        Part("last", "DFF_X1", {"CK": [2], "D": [5 + inverters], "Q": [99]}),
    ]
    parameters = {"DEPTH": 4096, "WIDTH": 512, "READS": 1}
    macros = [Part("bank", "fusioncim_sram", BANK, parameters)] * banks
    ports = {"clk": ("input", [2]), "a": ("input", [3]), "z": ("output", [5])}
    netlist = Netlist("chain", ports, [*ends[:flops], *chain, *macros], 1600)
    return SimpleNamespace(
        top="chain",
        order=["chain"],
        library=library,
        netlist=lambda name: netlist,
        banks=lambda: {"4096x512r1": banks} if banks else {},
    )


def test_the_clock_is_limited_by_the_path_that_grows_least(library):
    """The output has less slack, as what follows it takes a share of the period; the inverters need the longer one."""
    timed = analyse(design(library), SDC, 2.5)
    (path,) = timed.paths
    assert (path.module, path.start, path.end) == ("chain", "first/Q", "last/D")
    assert path.slack_ns == pytest.approx(2.5 - path.period_ns, abs=2e-4)
    assert 0.15 < path.period_ns < 0.4
    assert timed.frequency_mhz == pytest.approx(1000 / path.period_ns)
    assert "i7/ZN (INV_X1)" in timed.report
    assert "slack (MET)" in timed.report
    assert timed.reached


def test_a_path_to_a_port_has_its_share_of_the_period(library):
    one = analyse(design(library, flops=1), SDC, 2.5)
    (path,) = one.paths
    assert path.end == "z"
    delay = 2.5 - IO_NS - path.slack_ns
    assert path.period_ns == pytest.approx(delay / (1 - delivery.IO_SHARE), abs=2e-4)


def test_a_frequency_may_be_unreachable(library):
    sdc = SDC.replace("2.5", "0.05").replace(str(IO_NS), "0.015")
    timed = analyse(design(library), sdc, 0.05)
    assert not timed.reached
    assert timed.paths[0].slack_ns < 0
    slow = analyse(design(library), SDC, 2.5)
    assert timed.shortest_ns == pytest.approx(slow.shortest_ns, abs=1e-3)


def test_banks_limit_the_clock_too(library):
    macro = Macro(4096, 512)
    timed = analyse(design(library, banks=1), SDC, 2.5)
    assert timed.bank_ns == macro.cycle_ns
    assert timed.shortest_ns == max(macro.cycle_ns, timed.paths[0].period_ns)
    assert macro_of_shape("4096x512r1") == macro


def test_other_units_give_the_same_timing(small_library, small_library_rescaled):
    one, other = (analyse(design(each), SDC, 2.5) for each in (small_library, small_library_rescaled))
    assert other.paths == one.paths
    assert other.report == one.report


def test_wires_have_no_load(library, nangate, tmp_path):
    """The default wire load of the library is left out."""
    assert "default_wire_load" in nangate.head
    assert "default_wire_load" not in without_wires(nangate.head)
    load = library.cells["INV_X1"].pins["A"].capacitance
    report = analyse(design(library), SDC, 2.5).report
    (line,) = (line for line in report.splitlines() if "i0/ZN" in line)
    assert float(line.split()[0]) == pytest.approx(load, abs=1e-3)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_copies_need_not_be_timed(library, monkeypatch):
    """An engine with every module once, and whole: the same shortest period, and by module within 1 %.

    Modules that start paths elsewhere, behind all copies, may differ: here those whose ring of values is the second.
    """
    config = preset("tiny").alone()
    component = Engine(config)
    ports = ports_of(component, component.ports)
    mapped = synthesize(component, library, jobs=2)
    sdc = delivery.constraints(mapped.top, ports, 400.0)
    pruned = analyse(mapped, sdc, 2.5)
    original = timing._pruned
    monkeypatch.setattr(timing, "_pruned", lambda netlist, modules: original(netlist, ()))
    whole = analyse(mapped, sdc, 2.5)
    assert pruned.shortest_ns == pytest.approx(whole.shortest_ns, rel=0.01)
    slowest = {path.module: path.period_ns for path in whole.paths}
    assert len(pruned.paths) == len(slowest) > 10
    for path in pruned.paths:
        if path.period_ns > 0.5 * whole.shortest_ns:
            assert path.period_ns == pytest.approx(slowest[path.module], rel=0.01), path.module
    assert pruned.report.count("slack (MET)") == 1


def test_constraints_that_do_not_fit_are_an_error(library):
    with pytest.raises(RuntimeError, match=r"OpenSTA could not time chain: .*port 'b' not found"):
        analyse(design(library), SDC.replace("get_ports a", "get_ports b"), 2.5)
