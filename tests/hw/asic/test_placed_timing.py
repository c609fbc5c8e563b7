"""Timing with resistive wires: Elmore's delay, capacitance as set_load has it, and the estimate that steers repairs."""

from dataclasses import replace

import numpy as np
import pytest

from fusioncim.asic.delays import delays
from fusioncim.asic.netlist.netlist import Flat, Part
from fusioncim.asic.placed_timing import analyse_placed
from fusioncim.asic.placement.objects import SITE_UM, objects_of
from fusioncim.asic.placement.placed_pins import placed_pins
from fusioncim.asic.placement.placement import Placement
from fusioncim.asic.slacks import slacks
from fusioncim.asic.spef import spef
from fusioncim.package import IO_SHARE

FAR_UM = 190.0


def chain(library):
    """A strong buffer behind a register, and far away an inverter before the next register; a bank and an output."""
    cells = [
        Part("first", "DFF_X1", {"CK": [2], "D": [3], "Q": [4]}),
        Part("strong", "BUF_X32", {"A": [4], "Z": [5]}),
        Part("inverter", "INV_X1", {"A": [5], "ZN": [6]}),
        Part("last", "DFF_X1", {"CK": [2], "D": [6], "Q": [7]}),
    ]
    bank = Part("bank", "fusioncim_sram", {"clk": [2], "write_enable": [5], "write_address": [5], "write_data": [5],
        "read_enable": [5], "read_address": [5], "read_data": [8]}, {"DEPTH": 2, "WIDTH": 1, "READS": 1})  # fmt: skip
    ports = {"clk": ("input", [2]), "d": ("input", [3]), "q": ("output", [7]), "r": ("output", [8])}
    flat = Flat("chain", ports, [(("unit",), part) for part in cells], [((), bank)], [], 9)
    objects = objects_of(flat, library)
    x = np.array([0, 0, round(FAR_UM / SITE_UM), round(FAR_UM / SITE_UM), 0])
    return Placement(flat, objects, x, np.zeros(5, np.int64), 2000, 50, np.array([3, 7, 8]), np.zeros(3), np.zeros(3),
                     {}, np.arange(len(objects.pin_net)))  # fmt: skip


@pytest.fixture(scope="module")
def placement(library):
    return chain(library)


def wire(ff):
    """A wire on the net from the strong buffer."""
    wires = np.zeros(9)
    wires[5] = ff
    return wires


def last(timing):
    return next(path for path in timing.paths if path.end == "unit/last/D")


def test_without_resistance_a_wire_is_a_load(placement, library):
    """As `delays` has it by set_load, which takes all of the period for ports too."""
    timed = analyse_placed(placement, wire(100.0), library, 2.5, ohm_um=0.0)
    lumped = delays(placement.flat, library, wire(100.0) * 1e-15 / library.units.capacitance)
    assert last(timed).period_ns == pytest.approx(lumped.longest_ns, abs=0.002)
    assert last(timed).start == "unit/first/Q"
    assert "slack (MET)" in timed.report


def test_a_resistive_wire_delays_as_elmore_says(placement, library):
    """The strong buffer hardly notices; the far pin waits for ohm * (wire / 2 + pin), 0.69 to 1 times."""
    ohm_um, ff = 20.0, 60.0
    plain, resistive = (
        last(analyse_placed(placement, wire(ff), library, 2.5, each)).period_ns for each in (0.0, ohm_um)
    )
    elmore = ohm_um * FAR_UM * (ff / 2 + library.cells["INV_X1"].pins["A"].capacitance) * 1e-6
    assert elmore > 0.1
    assert 0.6 * elmore < resistive - plain < 1.3 * elmore


def test_a_path_to_a_port_has_its_share_of_the_period(placement, library):
    timed = analyse_placed(placement, wire(0.0), library, 2.5)
    to_port = next(path for path in timed.paths if path.end == "r")
    assert to_port.start == "bank/read_data[0]"
    assert to_port.period_ns > timed.bank_ns * 0
    again = analyse_placed(placement, wire(0.0), library, 5.0)
    assert next(path for path in again.paths if path.end == "r").period_ns == pytest.approx(
        to_port.period_ns, abs=0.001
    )
    assert 0 < IO_SHARE < 1


@pytest.mark.parametrize("ff", [0.0, 200.0])
def test_the_estimate_is_near_opensta(placement, library, ff):
    timed = analyse_placed(placement, wire(ff), library, 2.5)
    pins = placed_pins(placement, library)
    found = slacks(placement.flat, pins, wire(ff), library, 2.5)
    at = next(n for n in range(len(pins.part)) if pins.part[n] == 3 and pins.names[pins.name[n]] == "D")
    assert 2.5 - found.slack[at] == pytest.approx(last(timed).period_ns, rel=0.15)
    through = [n for n in range(len(pins.part)) if pins.net[n] == 6]
    assert found.slack[through] == pytest.approx(found.slack[at])
    assert found.load_ff[5] == pytest.approx(ff + library.cells["INV_X1"].pins["A"].capacitance + 5 * 1.14, rel=0.01)


def test_a_shorter_period_leaves_less_time(placement, library):
    pins = placed_pins(placement, library)
    long, short = (slacks(placement.flat, pins, wire(0.0), library, period).slack for period in (2.5, 2.0))
    ends = np.isfinite(long) & (pins.part >= 0) & ~pins.drives
    assert (long - short)[ends].max() == pytest.approx(0.5)
    assert (long - short)[ends].min() > 0.1


def test_the_file_has_every_pin_of_a_net_with_a_wire_once(placement, library):
    text = "".join(spef(placement.flat, placed_pins(placement, library), wire(10.0)))
    assert text.count("*D_NET") == 1
    assert "*D_NET n5 10.0000" in text
    assert "*I g1:Z O" in text
    assert "*I g2:A I" in text
    assert "*I g4:write_enable I" in text
    assert "*I g4:write_data[0] I" in text
    caps = [float(line.split()[2]) for line in text.split("*CAP")[1].split("*RES")[0].split("\n") if line]
    assert sum(caps) == pytest.approx(10.0, abs=0.001)
    ohms = [float(line.split()[3]) for line in text.split("*RES")[1].split("*END")[0].split("\n") if line]
    assert sum(ohms) == pytest.approx(FAR_UM * 3.6, rel=0.03)


def test_a_netlist_without_paths_is_an_error(placement, library):
    bare = replace(placement, flat=replace(placement.flat, cells=[], banks=[], ports={}), port_net=np.array([], int),
                   port_x=np.array([]), port_y=np.array([]))  # fmt: skip
    with pytest.raises(RuntimeError, match=r"could not time|found no path"):
        analyse_placed(bare, np.zeros(9), library, 2.5)
