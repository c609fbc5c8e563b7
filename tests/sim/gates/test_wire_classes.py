"""Wires by what drives them and what takes them."""

import numpy as np
import pytest
from tests.sim.gates.placed_by_hand import FLAT, wires_by_hand

from fusioncim_sim.gates.wire_classes import by_class, classes_of_nets, growth, units_of

INPUT = "engine, ports to OP-CIM rows, controller"


def test_a_net_and_what_buffers_make_of_it_are_of_one_class(small_library):
    numbers, classes = classes_of_nets(FLAT, small_library)
    assert [classes[n] for n in numbers[3:6]] == [INPUT] * 3
    assert classes[numbers[6]] == "OP-CIM rows, registers to "
    assert classes[numbers[7]] == "controller, registers to "


def test_values_of_a_class_are_added(small_library):
    length = wires_by_hand(small_library).length
    found = by_class(FLAT, small_library, length)
    assert found[INPUT] == pytest.approx(length[3:6].sum())
    assert sum(found.values()) == pytest.approx(length.sum())
    assert by_class(FLAT, small_library, np.zeros(FLAT.nets)) == {}


def test_units_are_those_that_drive():
    assert units_of({"a, gates to b": 1.0, "a, registers to b": 2.0, "b, gates to a": 4.0}) == {"a": 3.0, "b": 4.0}


def test_what_never_moves_may_grow_as_it_likes():
    before = {"a, gates to a": 10.0, "a, gates to b": 10.0, "b, gates to b": 1.0}
    after = {"a, gates to a": 20.0, "a, gates to b": 1000.0, "b, gates to b": 9.0}
    assert growth("a", {"a, gates to a": 5.0}, before, after) == 2
    assert growth("a", {"a, gates to a": 3.0, "a, gates to b": 1.0}, before, after) == (3 * 2 + 100) / 4
    assert growth("b", {"a, gates to a": 5.0, "b, gates to b": 1.0}, before, after) == 9
    assert growth("c", {"a, gates to a": 5.0}, before, after) == 1
