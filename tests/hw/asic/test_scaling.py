"""Scaling between nodes, against the figures printed in the paper and against classical scaling."""

import re

import pytest

from fusioncim.asic import scaling
from fusioncim.asic.scaling import LIBRARY, Point, scale
from fusioncim_golden.errors import InputError


def test_the_authors_example():
    """Their correction: energy(32 nm HP, 0.9 V) = 0.4571, against a value that does not depend on ours."""
    ratio = scale(Point(32, 0.9)).energy
    assert ratio == pytest.approx(0.4571 / 1.044, rel=1e-3)


@pytest.mark.parametrize(("node", "voltage", "fJ"), [(45, 1.1, 1.05), (32, 0.97, 0.51)])
def test_energy_at_the_nominal_voltage_is_near_the_simulated_inverter(node, voltage, fJ):
    """Table 2 of the paper: energy of the inverter itself."""
    assert scaling._inverter(Point(node, voltage)).energy == pytest.approx(fJ, rel=0.06)


@pytest.mark.parametrize(("node", "voltage", "ps", "above"), [(45, 1.1, 10.9, 1.26), (32, 0.97, 9.8, 1.09)])
def test_the_stated_looseness_of_the_delay(node, voltage, ps, above):
    assert scaling._inverter(Point(node, voltage)).delay == pytest.approx(above * ps, rel=0.01)


@pytest.mark.parametrize(("target", "area"), [(45, 1), (32, 0.46), (20, 0.21)])
def test_published_areas(target, area):
    assert scale(Point(target, 0.9)).area == pytest.approx(area)


@pytest.mark.parametrize(
    ("voltage", "energy", "delay", "classical"), [(0.9, 0.347, 0.63, 0.416), (0.72, 0.217, 1.00, 0.267)]
)
def test_28_nm_is_as_the_docstring_says(voltage, energy, delay, classical):
    found = scale(Point(28, voltage))
    assert found.area == pytest.approx(0.368, abs=0.001)
    assert found.energy == pytest.approx(energy, abs=0.001)
    assert found.delay == pytest.approx(delay, abs=0.006)
    assert classical == pytest.approx((28 / 45) * (voltage / 1.1) ** 2, abs=0.001)
    assert 1.19 < classical / found.energy < 1.24
    row = rf"28 nm, {voltage} V +\| 0.368 \| {energy} +\| {delay:.2f} +\| 0.387 +\| {classical}"
    assert re.search(row, scaling.__doc__)


@pytest.mark.parametrize("voltage", [0.72, 0.9])
@pytest.mark.parametrize("figure", ["area", "energy", "delay"])
def test_28_nm_is_between_its_neighbours_and_near_the_linear_interpolation(voltage, figure):
    wide, found, narrow = (getattr(scale(Point(node, voltage)), figure) for node in (32, 28, 20))
    assert min(wide, narrow) < found < max(wide, narrow)
    assert found == pytest.approx(wide + (32 - 28) / (32 - 20) * (narrow - wide), rel=0.06)


def test_there_and_back():
    there, back = scale(Point(28, 0.72)), scale(LIBRARY, Point(28, 0.72))
    for figure in ("area", "energy", "delay"):
        assert getattr(there, figure) * getattr(back, figure) == pytest.approx(1)


@pytest.mark.parametrize(
    ("node", "voltage", "message"),
    [
        (40, 0.9, "a technology node must be one of 20, 28, 32, 45 nm, not 40"),
        (45, 1.2, "the supply of 45 nm must be 0.7 to 1.1 V, not 1.2"),
        (28, 0.95, "the supply of 28 nm must be 0.7 to 0.9 V, not 0.95"),
        (28, 0.5, "the supply of 28 nm must be 0.7 to 0.9 V, not 0.5"),
        (28, float("nan"), "the supply of 28 nm must be 0.7 to 0.9 V, not nan"),
    ],
)
def test_points_outside_are_refused(node, voltage, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Point(node, voltage)
