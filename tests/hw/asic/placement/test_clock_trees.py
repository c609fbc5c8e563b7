"""Clock trees over pins at given places."""

import numpy as np
import pytest

from fusioncim.asic.placement.clock_trees import SPREAD, ClockPins, grow
from fusioncim.asic.power.clock_tree import TREE_LOAD_FF

ENTRY_FF = 1.5
FF_UM = 0.1


def pins(*places, clock=0, ff=1.0):
    x, y = np.array(places, float).T
    return ClockPins(np.full(len(x), clock), x, y, np.full(len(x), ff))


def scattered(count, side, clocks=1, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, side, (2, count))
    return ClockPins(rng.integers(0, clocks, count), x, y, rng.uniform(0.5, 1.5, count))


def trees(given, root=(0.0, 0.0)):
    clocks = given.clock.max() + 1
    return grow(given, (np.full(clocks, root[0]), np.full(clocks, root[1])), ENTRY_FF, FF_UM)


def test_a_small_clock_needs_no_buffer():
    (branch,) = trees(pins((10, 0), (10, 20), (30, 10)))
    assert (branch.buffers, branch.wire_um) == (0, 50)
    assert branch.load_ff == 3 + 5
    assert branch.pins.tolist() == [0, 1, 2]


def test_a_pin_far_away_has_buffers_on_its_wire():
    (branch,) = trees(pins((1000, 0)))
    assert branch.wire_um == 1000
    assert branch.buffers == 2
    assert branch.load_ff == pytest.approx((1 + 100 + 2 * ENTRY_FF) / 3)


def test_a_group_in_the_distance_has_a_buffer_in_its_middle():
    group, root = trees(pins(*[(300, n) for n in range(20)]))
    assert (group.buffers, group.wire_um, group.load_ff) == (1, 19, pytest.approx(20 + 1.9))
    assert (root.buffers, root.wire_um) == (0, 300 + 9.5)
    assert root.load_ff == pytest.approx(ENTRY_FF + 30.95)


CASES = {"dense": (2000, 100), "sparse": (100, 2000), "several": (900, 300, 7), "two": (2, 900), "one place": (500, 0)}


@pytest.mark.parametrize("case", CASES)
def test_every_pin_has_one_way_from_the_root_and_no_buffer_too_much(case):
    given = scattered(*CASES[case])
    branches = trees(given)
    assert all(branch.load_ff <= TREE_LOAD_FF + 1e-9 for branch in branches)
    for clock in range(given.clock.max() + 1):
        own = [branch for branch in branches if branch.clock == clock]
        here = np.flatnonzero(given.clock == clock)
        assert sorted(own[-1].pins.tolist()) == here.tolist()
        assert all(len(branch.pins) > 1 for branch in own[:-1])
        lowest = [
            branch for n, branch in enumerate(own) if not any(set(each.pins) <= set(branch.pins) for each in own[:n])
        ]
        covered = np.concatenate([branch.pins for branch in lowest])
        assert len(covered) == len(set(covered.tolist()))
        for a in own:
            for b in own:
                common = set(a.pins.tolist()) & set(b.pins.tolist())
                assert len(common) in (0, len(a.pins), len(b.pins))


def test_buffers_are_well_filled_and_their_wire_is_short():
    given = scattered(2000, 100)
    branches = trees(given)
    lowest = [branch for branch in branches if len(branch.pins) < 60]
    assert np.mean([branch.load_ff for branch in lowest]) > 0.7 * TREE_LOAD_FF
    assert {branch.buffers for branch in lowest} == {1}
    total = sum(branch.wire_um for branch in branches)
    assert total < 1.5 * SPREAD * np.sqrt(2000) * 100


def test_places_do_not_depend_on_the_order_of_clocks():
    given = scattered(900, 300, 7)
    order = np.argsort(given.clock, kind="stable")
    again = trees(ClockPins(*(getattr(given, name)[order] for name in ("clock", "x", "y", "ff"))))
    first = sorted((branch.clock, round(branch.wire_um, 6)) for branch in trees(given))
    assert sorted((branch.clock, round(branch.wire_um, 6)) for branch in again) == first
