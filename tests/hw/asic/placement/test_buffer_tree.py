"""Buffers on one net: early enough, within limits, few where there is time."""

import numpy as np
import pytest

from fusioncim.asic.cells.drive import buffers_of, drive_of
from fusioncim.asic.placement.buffer_tree import WireRC, buffer_tree
from fusioncim.asic.placement.net_tree import net_tree

WIRE = WireRC(0.1, 3.6)
DEAR, CHEAP = 0.1, 0.0002


@pytest.fixture(scope="module")
def buffers(library):
    return buffers_of(library)


@pytest.fixture(scope="module")
def register(library):
    return drive_of(library, library.cells["DFF_X1"], "Q")


def delays(built, tree, ff, driver, buffers):
    """Delay of every pin of a buffered star or chain, by a walk of its own; and the loads of all drivers."""
    kinds = {each.name: each for each in buffers}
    sinks = {n: [] for n in range(-1, len(built.kinds))}
    for pin, at in enumerate(built.of_pin):
        sinks[at].append(("pin", pin, tree.x[pin + 1], tree.y[pin + 1], ff[pin]))
    for n, above in enumerate(built.above):
        sinks[above].append(("buffer", n, built.x[n], built.y[n], kinds[built.kinds[n]].entry_ff))
    times, loads = {}, {}

    def walk(at, start, x, y, drive):
        wired = [(abs(u - x) + abs(v - y)) * WIRE.ff_um for _, _, u, v, _ in sinks[at]]
        loads[at] = sum(wired) + sum(each[4] for each in sinks[at])
        begin = start + drive.own_ns + drive.ns_ff * loads[at]
        for (what, n, u, v, pin_ff), wire in zip(sinks[at], wired, strict=True):
            arrival = begin + wire / WIRE.ff_um * WIRE.ohm_um * 1e-6 * (wire / 2 + pin_ff)
            if what == "pin":
                times[n] = arrival
            else:
                walk(n, arrival, u, v, kinds[built.kinds[n]].drive)

    walk(-1, 0.0, tree.x[0], tree.y[0], driver)
    return times, loads


def star(pins, length):
    """Pins on lines of their own from the driver, so that wires are shared by none."""
    angle = np.arange(pins) * 2 * np.pi / max(pins, 1)
    return net_tree(np.append(0, np.cos(angle) * length), np.append(0, np.sin(angle) * length))


@pytest.mark.parametrize("length", [200, 1000, 3000])
def test_a_long_wire_gets_repeaters_until_none_is_overloaded(length, register, buffers):
    tree = net_tree(np.array([0.0, length]), np.zeros(2))
    built = buffer_tree(tree, [2.0], [0.0], [(register, 0.0)], buffers, WIRE, CHEAP)
    times, loads = delays(built, tree, [2.0], register, buffers)
    assert len(built.kinds) >= length // 1000
    assert loads[-1] <= register.limit_ff
    bare = register.own_ns + register.ns_ff * (2 + length / 10) + length * 3.6e-6 * (length / 20 + 2)
    assert times[0] <= bare
    if length == 3000:
        assert times[0] < bare / 3


def test_no_other_place_or_kind_of_one_buffer_is_better(register, buffers):
    """All places on the wire and all kinds, one by one."""
    tree = net_tree(np.array([0.0, 600.0]), np.zeros(2))
    built = buffer_tree(tree, [2.0], [0.0], [(register, 0.0)], buffers, WIRE, 0.0)
    best = delays(built, tree, [2.0], register, buffers)[0][0]
    for buffer in buffers:
        for at in np.arange(0.0, 601.0, 100.0):
            near, far = at * WIRE.ff_um, (600 - at) * WIRE.ff_um
            time = register.own_ns + register.ns_ff * (near + buffer.entry_ff)
            time += at * 3.6e-6 * (near / 2 + buffer.entry_ff) + buffer.drive.own_ns + buffer.drive.ns_ff * (far + 2)
            time += (600 - at) * 3.6e-6 * (far / 2 + 2)
            assert best <= time + 1e-9


def test_a_pin_that_is_late_does_not_wait_for_the_others(register, buffers):
    """Sixty pins; the first is due 0.3 ns before all others."""
    tree, ff = star(60, 100), [3.0] * 60
    even, urgent = (
        buffer_tree(tree, ff, [due, *[0.0] * 59], [(register, 0.0)], buffers, WIRE, CHEAP) for due in (0.0, -0.3)
    )
    assert delays(urgent, tree, ff, register, buffers)[0][0] < delays(even, tree, ff, register, buffers)[0][0]


def test_where_area_is_dear_there_are_fewer_buffers(library, register, buffers):
    tree, ff = star(60, 300), [3.0] * 60
    many, few = (buffer_tree(tree, ff, [0.0] * 60, [(register, 0.0)], buffers, WIRE, price) for price in (CHEAP, DEAR))
    areas = [sum(library.cells[kind].area for kind in each.kinds) for each in (many, few)]
    assert areas[1] < areas[0] / 2
    assert delays(few, tree, ff, register, buffers)[1][-1] <= register.limit_ff


def test_a_short_net_gets_none(register, buffers):
    built = buffer_tree(star(3, 5), [1.0] * 3, [0.0] * 3, [(register, 0.0)], buffers, WIRE, DEAR)
    assert (built.kinds, built.of_pin) == ([], [-1, -1, -1])


def test_a_stronger_driver_is_taken_where_it_is_worth_its_price(library, register, buffers):
    strong = drive_of(library, library.cells["DFF_X2"], "Q")
    tree = star(20, 30)
    for cost, taken in ((0.0, 1), (1.0, 0)):
        drivers = [(register, 0.0), (strong, cost)]
        assert buffer_tree(tree, [3.0] * 20, [0.0] * 20, drivers, [], WIRE, CHEAP).driver == taken
