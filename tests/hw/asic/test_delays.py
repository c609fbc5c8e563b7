"""Delays of nets: those of OpenSTA's paths, never negative, none on clocks."""

import re

import numpy as np
import pytest

from fusioncim.asic.cells.liberty import load
from fusioncim.asic.delays import delays
from fusioncim.asic.memory.memory_model import Macro
from fusioncim.asic.memory.memory_technology import OUTPUT_NS_FF
from fusioncim.asic.netlist.net_delays import LEAST_NS
from fusioncim.asic.netlist.netlist import Netlist, Part, flatten
from fusioncim.asic.netlist.netlist_verilog import plain_verilog
from fusioncim.asic.opensta import run_sta
from fusioncim.asic.power.transitions import TRANSITION

GATES = ("NAND2_X1", "INV_X1", "NOR2_X1", "XOR2_X1", "FA_X1", "INV_X4")
"""Along the path, from the flip-flop's Q; their other inputs are the port's."""
FIRST, SECOND = ("A1", "A", "A1", "A", "A", "A"), ("A2", "", "A2", "B", "B", "")


def path(library, others=0, clock=4):
    """A clock gate, a flip-flop behind it, gates, a flip-flop.

    others: inverters on the first flip-flop's output; clock: net of the first one, 2 without the gate.
    """
    parts = [
        Part("icg", "CLKGATE_X1", {"CK": [2], "E": [3], "GCK": [4]}),
        Part("first", "DFF_X1", {"CK": [clock], "D": [3], "Q": [10]}),
        Part("last", "DFF_X1", {"CK": [2], "D": [10 + len(GATES)], "Q": [5]}),
    ]
    for n, (kind, one, other) in enumerate(zip(GATES, FIRST, SECOND, strict=True)):
        cell = library.cells[kind]
        pins = {pin: [3] for pin in cell.inputs} | {one: [10 + n], cell.outputs[-1]: [11 + n]}
        assert other in ("", *pins)
        parts.append(Part(f"g_{n}", kind, pins))
    parts += [Part(f"o{n}", "INV_X1", {"A": [10], "ZN": [20 + n]}) for n in range(others)]
    ports = {"clk": ("input", [2]), "a": ("input", [3]), "z": ("output", [5])}
    return Netlist("path", ports, parts, 40)


def flat_path(library, others=0):
    """Flat, and its nets along the path."""
    flat = flatten({"path": path(library, others)}, "path")
    nets = {part.name: part for _, part in flat.cells}
    steps = [nets["first"].pins["Q"][0]]
    steps += [nets[f"g_{n}"].pins[library.cells[kind].outputs[-1]][0] for n, kind in enumerate(GATES)]
    return flat, steps


def test_a_path_takes_what_opensta_reports(library, tmp_path):
    """Every net of the slowest path has at least its delay there, and just that one where the gate has one arc."""
    flat, steps = flat_path(library)
    found = delays(flat, library)
    said = run_sta(
        tmp_path,
        "path",
        plain_verilog(path(library, clock=2), lambda part: part.kind),
        library,
        banks=(),
        others="",
        commands=[
            "create_clock -name clk -period 1000 [get_ports clk]",
            f"set_clock_transition {TRANSITION} [all_clocks]",
            f"set_input_transition {TRANSITION} [get_ports a]",
            f"report_checks -from first -to last -digits 4 > {tmp_path}/report",
        ],
        writes="report",
    )
    assert "Error" not in said
    report = (tmp_path / "report").read_text(encoding="utf-8")
    rows = re.findall(r"^ *(\d\.\d+) +(\d\.\d+) ([v^]) (first|g_\d)/\w+ \(", report, re.MULTILINE)
    rows = [row for row in rows if row[3] != "first" or float(row[0])]
    assert len(rows) == len(steps)
    for (delay, _, edge, name), net in zip(rows, steps, strict=True):
        ours = (found.rise if edge == "^" else found.fall)[net]
        kind = "DFF_X1" if name == "first" else GATES[int(name[2:])]
        if kind.startswith(("INV", "DFF")):
            assert ours == pytest.approx(float(delay), abs=2e-4), name
        else:
            assert float(delay) - 2e-4 <= ours < 3 * float(delay), name
    setup = float(re.search(r"(-\d\.\d+) +\d+\.\d+ +library setup time", report)[1])
    arrival = float(re.search(r"(\d\.\d+) +data arrival time", report)[1])
    assert found.longest_ns == pytest.approx(arrival - setup, rel=0.01)


def test_clocks_and_inputs_have_none(library):
    flat, steps = flat_path(library)
    found = delays(flat, library)
    (gated,) = next(part for _, part in flat.cells if part.name == "icg").pins["GCK"]
    (clk,), (a,) = flat.ports["clk"][1], flat.ports["a"][1]
    for edge in (found.rise, found.fall):
        assert edge[[clk, a, gated, 0, 1]].tolist() == [0] * 5
        assert edge[steps].min() > 0.005


def test_a_wire_is_a_load(library):
    """As much as the pins of three inverters, whose rising and falling edges OpenSTA loads a little differently."""
    flat, steps = flat_path(library)
    loaded, same = flat_path(library, others=3)
    wires = np.zeros(flat.nets)
    wires[steps[0]] = 3 * library.cells["INV_X1"].pins["A"].capacitance
    bare, wired, other = delays(flat, library), delays(flat, library, wires), delays(loaded, library)
    for net, twin in zip(steps, same, strict=True):
        assert wired.rise[net] == pytest.approx(other.rise[twin], abs=1e-3)
        assert wired.fall[net] == pytest.approx(other.fall[twin], abs=1e-3)
    assert wired.rise[steps[0]] > bare.rise[steps[0]] + 0.005


def test_other_units_give_the_same_delays(small_library, small_library_rescaled):
    """Wires too."""
    flat, steps = flat_path(small_library)
    one, other = (
        delays(flat, each, np.full(flat.nets, 5e-15 / each.units.capacitance))
        for each in (small_library, small_library_rescaled)
    )
    assert other.rise == pytest.approx(one.rise, abs=2e-4)
    assert other.fall == pytest.approx(one.fall, abs=2e-4)
    assert other.longest_ns == pytest.approx(one.longest_ns, abs=1e-3)
    assert one.rise[steps].min() > 0.005


def test_a_negative_delay_is_the_least(nangate, tmp_path):
    text = nangate.only()
    head, inverter, rest = text.partition("cell (INV_X1)")
    body, end, after = rest.partition("  cell (")
    body = re.sub(
        r"(?s)(cell_fall\s*\([^{]*\{.*?values\s*\()(.*?)(\);)",
        lambda found: found[1] + re.sub(r"(?<=[\"\s,])(\d)", r"-\1", found[2]) + found[3],
        body,
    )
    file = tmp_path / "early.lib"
    file.write_text(head + inverter + body + end + after, encoding="utf-8")
    library = load(file)
    flat, steps = flat_path(library)
    found = delays(flat, library)
    assert found.fall[steps[2]] == LEAST_NS
    assert found.rise[steps[2]] > 0.005


BANK = {"clk": [2], "write_enable": [3], "write_address": [3] * 2, "write_data": [3] * 2, "read_enable": [3],
        "read_address": [3] * 2, "read_data": [4, 5]}  # fmt: skip


def test_banks_take_their_access_time(library):
    """And what their load adds."""
    parameters = {"DEPTH": 4, "WIDTH": 2, "READS": 1}
    loads = [Part(f"i{n}", "INV_X1", {"A": [5], "ZN": [6 + n]}) for n in range(4)]
    parts = [Part("bank", "fusioncim_sram", BANK, parameters), *loads]
    ports = {"clk": ("input", [2]), "a": ("input", [3]), "z": ("output", [4, 5])}
    flat = flatten({"top": Netlist("top", ports, parts, 10)}, "top")
    found, access = delays(flat, library), Macro(4, 2).access_ns
    bare, loaded = flat.ports["z"][1]
    assert found.rise[bare] == found.fall[bare] == pytest.approx(access, abs=1e-4)
    load = 4 * library.cells["INV_X1"].pins["A"].capacitance
    assert found.rise[loaded] == pytest.approx(access + load * OUTPUT_NS_FF, abs=1e-4)


def test_boxes_load_what_drives_them(library):
    """A module is the same load as a box and resolved."""
    below = Netlist("below", {"x": ("input", [2, 3]), "y": ("output", [4])},
                    [Part("gate", "NAND2_X1", {"A1": [2], "A2": [3], "ZN": [4]})], 5)  # fmt: skip
    top = Netlist(
        "top",
        {"a": ("input", [2]), "z": ("output", [5])},
        [Part("driver", "INV_X1", {"A": [2], "ZN": [3]}), Part("box", "below", {"x": [3, 3], "y": [5]})],
        6,
    )
    modules = {"top": top, "below": below}
    whole, boxed = (flatten(modules, "top", keep) for keep in ((), ("below",)))
    rise = {}
    for flat in (whole, boxed):
        (driven,) = next(part for _, part in flat.cells if part.name == "driver").pins["ZN"]
        found = delays(flat, library, boxes=modules)
        rise[bool(flat.boxes)] = found.rise[driven]
    assert rise[True] == pytest.approx(rise[False], abs=1e-3)
    assert rise[True] > 0.01
    assert found.rise[boxed.ports["z"][1]] == [0]
