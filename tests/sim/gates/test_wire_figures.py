"""Wires by the unit that drives them."""

import pytest
from tests.sim.gates.placed_by_hand import FLAT, wires_by_hand

from fusioncim.asic.placement.objects import ROW_UM, SITE_UM
from fusioncim_sim.gates.units import UNITS
from fusioncim_sim.gates.wire_figures import unit_of_nets, wire_figures


def test_a_net_belongs_to_the_unit_that_drives_it(small_library):
    units = unit_of_nets(FLAT, small_library)
    expected = {3: "engine", 4: "IP-CIM rows", 5: "softmax", 6: "OP-CIM rows", 7: "controller"}
    assert {net: UNITS[units[net]] for net in expected} == expected


def test_lengths_are_added_by_unit(small_library):
    figures = wire_figures(wires_by_hand(small_library), small_library)
    units = figures["units"]
    assert list(units) == list(UNITS)
    assert units["IP-CIM rows"] == {
        "nets": 1, "total_mm": round(1000 * SITE_UM / 1000, 3), "mean_um": 1000 * SITE_UM, "overloaded_nets": 0,
    }  # fmt: skip
    assert units["normalizer"] == {"nets": 0, "total_mm": 0.0, "mean_um": 0.0, "overloaded_nets": 0}
    assert units["engine"]["nets"] == 1
    assert (figures["width_um"], figures["height_um"]) == (2000 * SITE_UM, 100 * ROW_UM)
    total = figures["clock_mm"] + sum(unit["total_mm"] for unit in units.values())
    assert figures["total_mm"] == pytest.approx(total, abs=0.005)
    assert figures["clock_mm"] > 0


def test_more_capacitance_loads_more_nets_too_much(small_library):
    assert wire_figures(wires_by_hand(small_library), small_library)["overloaded_nets"] == 0
    heavy = wire_figures(wires_by_hand(small_library, 1.0), small_library)
    assert heavy["overloaded_nets"] == sum(unit["overloaded_nets"] for unit in heavy["units"].values()) > 0
