"""The mapped netlist in simulation: the bits of the golden model, and toggles as a waveform shows them."""

import os
import re
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from fusioncim.asic.cells.cell_verilog import cells_verilog
from fusioncim.asic.delays import delays
from fusioncim.asic.netlist.net_delays import Delays
from fusioncim.asic.netlist.netlist import Netlist, Part, flatten
from fusioncim.asic.netlist.netlist_verilog import flat_verilog
from fusioncim.asic.synthesis.synth import synthesize
from fusioncim.engine.tile_loader import TileLoader
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import preset
from fusioncim_sim.gates.gate_level import TOGGLES, build_gates, counter, read_activities, require_gates
from fusioncim_sim.rtl.programs import compile_icarus
from fusioncim_sim.rtl.stream import CLOCK_NS


def simulated(flat, library, cycles, place, timed=None):
    """Random inputs: what `toggles.c` counts, and the waveform. timed: delays."""
    inputs = {name: len(bits) for name, (side, bits) in flat.ports.items() if side == "input" and name != "clk"}
    wires = [f"reg [{bits - 1}:0] {name};" for name, bits in inputs.items()]
    drives = [f"for (m = 0; m < {bits}; m = m + 32) {name} = {{{name}, $random}};" for name, bits in inputs.items()]
    pins = ", ".join(f".{name}({name})" for name in ("clk", *inputs))
    bench = f"""
module bench;
  reg clk; integer n, m;
  {" ".join(wires)}
  {flat.name} dut({pins});
  initial begin
    $dumpfile("wave.vcd"); $dumpvars(1, dut); #1 clk = 1;
    for (n = 0; n < {cycles}; n = n + 1) begin #5 clk = 0; #5 clk = 1; #1 {" ".join(drives)} #1; end
    $finish;
  end
endmodule
"""
    (place / "bench.v").write_text(bench, encoding="utf-8")
    (place / "cells.v").write_text(cells_verilog(library, [part.kind for _, part in flat.cells]), encoding="utf-8")
    (place / "flat.v").write_text(flat_verilog(flat, library, timed), encoding="utf-8")
    compile_icarus(place, "bench", ("flat.v", "cells.v"))
    command = ["vvp", "-M", str(counter()), "-m", "toggles", "simulation"]
    environment = {**os.environ, "COCOTB_TOPLEVEL": "bench.dut", TOGGLES: str(place / "toggles")}
    subprocess.run(command, cwd=place, env=environment, check=True, capture_output=True)
    (activity,) = read_activities(place / "toggles", flat.nets, timed)
    return activity, (place / "wave.vcd").read_text(encoding="utf-8")


def of_waveform(text, nets):
    """Toggles, high cycles and edges by net: n nets seen at each falling edge of clk, c nets at each edge."""
    names = {}
    for identifier, name in re.findall(r"\$var \w+ +1 (\S+) (\w+) (?:\[0\] )?\$end", text):
        names.setdefault(identifier, []).append(name)
    now, seen, known = {}, {}, {}
    toggles, high, edges, fresh = (np.zeros(nets, np.int64) for _ in range(4))
    falls = 0
    body = text.partition("$enddefinitions $end")[2]
    for block in re.split(r"^#\d+$", body, flags=re.MULTILINE)[1:]:
        before = now.get("clk")
        for value, identifier in re.findall(r"^([01xz])(\S+)$", block, re.MULTILINE):
            for name in names.get(identifier, ()):
                if name[0] == "c" and name != "clk" and {now.get(name), value} == {"0", "1"}:
                    toggles[int(name[1:])] += 1
                now[name] = value
                if re.fullmatch(r"n\d+", name) and value in "01":
                    fresh[int(name[1:])] += known.get(name, value) != value
                    known[name] = value
        if before == "1" and now["clk"] == "0":
            falls += 1
            for name, value in now.items():
                if re.fullmatch(r"n\d+", name):
                    toggles[int(name[1:])] += {seen.get(name), value} == {"0", "1"}
                    high[int(name[1:])] += value == "1"
                    edges[int(name[1:])] += fresh[int(name[1:])] * (seen.get(name) in ("0", "1"))
                    seen[name] = value
            fresh[:] = 0
    return falls, toggles, high, edges


@pytest.mark.parametrize("delayed", [False, True])
def test_toggles_and_edges_are_those_of_a_waveform(delayed, library, tmp_path):
    design = synthesize(TileLoader(preset("tiny").alone()), library)
    flat = flatten({name: design.netlist(name) for name in design.order}, design.top)
    flat = replace(flat, ports={f"{name}_" if name == "release" else name: port for name, port in flat.ports.items()})
    timed = delays(flat, library) if delayed else None
    activity, text = simulated(flat, library, 200, tmp_path, timed)
    falls, toggles, high, edges = of_waveform(text, flat.nets)
    assert activity.cycles == falls == 200
    assert np.array_equal(activity.toggles, toggles)
    clocks = {net for _, part in flat.cells for pin, bits in part.pins.items() for net in bits
              if library.cells[part.kind].pins[pin].clock}  # fmt: skip
    data = np.array(sorted(set(range(2, flat.nets)) - clocks))
    # A value is high from the cycle after the one in which it is first seen to that in which it is last.
    assert np.abs(activity.high[data] - high[data]).max() <= 1
    assert (activity.toggles[data] > 0).mean() > 0.3
    if delayed:
        gates = np.flatnonzero(timed.rise)
        assert len(gates) > len(data) / 2
        assert np.array_equal(activity.edges[gates], edges[gates])
        glitches = activity.edges - activity.toggles
        assert glitches.min() == 0
        assert glitches.sum() > 500
        assert not (glitches % 2).any()
    else:
        assert np.array_equal(activity.edges, activity.toggles)
    gated = clocks - set(flat.ports["clk"][1])
    assert gated
    assert all(0 < activity.toggles[net] < 400 for net in gated)


def test_a_static_hazard_is_two_edges(library, tmp_path):
    """The AND of an input and its late complement: a pulse for every rise of the input, and never a settled change."""
    late = [Part(f"i{n}", "INV_X1", {"A": [3 + n], "ZN": [4 + n]}) for n in range(7)]
    gate = Part("and", "AND2_X1", {"A1": [3], "A2": [10], "ZN": [11]})
    flop = Part("flop", "DFF_X1", {"CK": [2], "D": [11], "Q": [12]})
    ports = {"clk": ("input", [2]), "a": ("input", [3]), "z": ("output", [12])}
    flat = flatten({"hazard": Netlist("hazard", ports, [*late, gate, flop], 13)}, "hazard")
    (a,) = flat.ports["a"][1]
    (pulse,) = next(part for _, part in flat.cells if part.name == "and").pins["ZN"]
    timed = delays(flat, library)
    assert all(edge[pulse] < sum(timed.rise[3:11]) / 2 for edge in (timed.rise, timed.fall))
    activity, _ = simulated(flat, library, 100, tmp_path, timed)
    rises = activity.toggles[a] // 2
    assert 10 < rises < 40
    assert activity.toggles[pulse] == 0
    assert activity.edges[pulse] == 2 * rises
    assert activity.edges[a] == activity.toggles[a]
    settled, _ = simulated(flat, library, 100, tmp_path)
    assert settled.edges[pulse] == 0


def test_paths_longer_than_half_a_cycle_are_refused(library):
    flat = flatten({"top": Netlist("top", {"clk": ("input", [2])}, [], 3)}, "top")
    slow = Delays(np.zeros(3), np.zeros(3), CLOCK_NS / 2 + 0.1)
    message = "the longest path of top must take at most 5 ns in a simulation with delays, not 5.1"
    with pytest.raises(InputError, match=message):
        build_gates(SimpleNamespace(library=library), flat, slow)


def test_what_the_counter_wrote_is_read(tmp_path):
    (tmp_path / "toggles").write_text("10 7\n3 4 5 6 3 2 5\n2 1 0 3 0 7 0\n", encoding="utf-8")
    delayed = np.array([0, 0, 0, 0.1, 0])
    first, second = read_activities(tmp_path / "toggles", 5, Delays(delayed, delayed, 1.0))
    assert (first.cycles, second.cycles) == (10, 7)
    assert first.toggles.tolist() == [0, 0, 1, 4, 0]
    assert first.high.tolist() == [0, 10, 0, 5, 0]
    assert second.toggles.tolist() == [0, 0, 0, 3, 0]
    assert second.high.tolist() == [0, 7, 7, 2, 0]
    assert first.edges.tolist() == [0, 0, 1, 6, 0]  # net 2 has no delay
    assert second.edges.tolist() == [0, 0, 0, 5, 0]
    whole = first + second
    assert whole.cycles == 17
    assert whole.toggles.tolist() == [0, 0, 1, 7, 0]
    assert whole.high.tolist() == [0, 17, 7, 7, 0]


def test_missing_programs_are_named(without):
    without("iverilog", "vvp")
    with pytest.raises(InputError, match="iverilog-vpi and cc must be on PATH"):
        require_gates()
