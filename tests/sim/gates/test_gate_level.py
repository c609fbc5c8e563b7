"""The mapped netlist in simulation: the bits of the golden model, and toggles as a waveform shows them."""

import os
import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from fusioncim.asic.cells.cell_verilog import cells_verilog
from fusioncim.asic.netlist.netlist import flatten
from fusioncim.asic.netlist.netlist_verilog import flat_verilog
from fusioncim.asic.synthesis.synth import synthesize
from fusioncim.engine.tile_loader import TileLoader
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import preset
from fusioncim_sim.gates.gate_level import TOGGLES, counter, read_activities, require_gates
from fusioncim_sim.rtl.programs import compile_icarus


def simulated(flat, library, cycles, place):
    """Random inputs: what `toggles.c` counts, and the waveform."""
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
    (place / "flat.v").write_text(flat_verilog(flat, library), encoding="utf-8")
    compile_icarus(place, "bench", ("flat.v", "cells.v"))
    command = ["vvp", "-M", str(counter()), "-m", "toggles", "simulation"]
    environment = {**os.environ, "COCOTB_TOPLEVEL": "bench.dut", TOGGLES: str(place / "toggles")}
    subprocess.run(command, cwd=place, env=environment, check=True, capture_output=True)
    (activity,) = read_activities(place / "toggles", flat.nets)
    return activity, (place / "wave.vcd").read_text(encoding="utf-8")


def of_waveform(text, nets):
    """Toggles and high cycles by net: n nets seen at each falling edge of clk, c nets at each edge."""
    names = {}
    for identifier, name in re.findall(r"\$var \w+ +1 (\S+) (\w+) (?:\[0\] )?\$end", text):
        names.setdefault(identifier, []).append(name)
    now, seen = {}, {}
    toggles, high, falls = np.zeros(nets, np.int64), np.zeros(nets, np.int64), 0
    body = text.partition("$enddefinitions $end")[2]
    for block in re.split(r"^#\d+$", body, flags=re.MULTILINE)[1:]:
        before = now.get("clk")
        for value, identifier in re.findall(r"^([01xz])(\S+)$", block, re.MULTILINE):
            for name in names.get(identifier, ()):
                if name[0] == "c" and name != "clk" and {now.get(name), value} == {"0", "1"}:
                    toggles[int(name[1:])] += 1
                now[name] = value
        if before == "1" and now["clk"] == "0":
            falls += 1
            for name, value in now.items():
                if re.fullmatch(r"n\d+", name):
                    toggles[int(name[1:])] += {seen.get(name), value} == {"0", "1"}
                    high[int(name[1:])] += value == "1"
                    seen[name] = value
    return falls, toggles, high


def test_toggles_are_those_of_a_waveform(library, tmp_path):
    design = synthesize(TileLoader(preset("tiny").alone()), library)
    flat = flatten({name: design.netlist(name) for name in design.order}, design.top)
    flat = replace(flat, ports={f"{name}_" if name == "release" else name: port for name, port in flat.ports.items()})
    activity, text = simulated(flat, library, 200, tmp_path)
    falls, toggles, high = of_waveform(text, flat.nets)
    assert activity.cycles == falls == 200
    assert np.array_equal(activity.toggles, toggles)
    clocks = {net for _, part in flat.cells for pin, bits in part.pins.items() for net in bits
              if library.cells[part.kind].pins[pin].clock}  # fmt: skip
    data = np.array(sorted(set(range(2, flat.nets)) - clocks))
    # A value is high from the cycle after the one in which it is first seen to that in which it is last.
    assert np.abs(activity.high[data] - high[data]).max() <= 1
    assert (activity.toggles[data] > 0).mean() > 0.3
    gated = clocks - set(flat.ports["clk"][1])
    assert gated
    assert all(0 < activity.toggles[net] < 400 for net in gated)


def test_what_the_counter_wrote_is_read(tmp_path):
    (tmp_path / "toggles").write_text("10 7\n3 4 5 3 2\n2 1 0 0 7\n", encoding="utf-8")
    first, second = read_activities(tmp_path / "toggles", 5)
    assert (first.cycles, second.cycles) == (10, 7)
    assert first.toggles.tolist() == [0, 0, 1, 4, 0]
    assert first.high.tolist() == [0, 10, 0, 5, 0]
    assert second.toggles.tolist() == [0, 0, 0, 3, 0]
    assert second.high.tolist() == [0, 7, 7, 2, 0]
    whole = first + second
    assert whole.cycles == 17
    assert whole.toggles.tolist() == [0, 0, 1, 7, 0]
    assert whole.high.tolist() == [0, 17, 7, 7, 0]


def test_missing_programs_are_named(without):
    without("iverilog", "vvp")
    with pytest.raises(InputError, match="iverilog-vpi and cc must be on PATH"):
        require_gates()
