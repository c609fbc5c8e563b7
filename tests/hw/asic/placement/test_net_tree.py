"""Trees of wires: all pins, little wire, short ways."""

import numpy as np
import pytest

from fusioncim.asic.placement import net_tree as subject
from fusioncim.asic.placement.net_tree import net_tree
from fusioncim.asic.placement.steiner import tree_lengths


def places(pins, seed):
    random = np.random.default_rng(seed)
    return random.random(pins) * 1000, random.random(pins) * 1000


def way(tree, node):
    """Length from the driver to a node."""
    length = 0.0
    while tree.parent[node] >= 0:
        length += tree.length(node)
        node = tree.parent[node]
    return length


def total(tree):
    return sum(tree.length(node) for node in range(1, len(tree.parent)))


def test_three_pins_meet_at_their_median():
    tree = net_tree(np.array([0.0, 10.0, 10.0]), np.array([0.0, 5.0, -5.0]))
    assert tree.parent == [-1, 3, 3, 0] or total(tree) == 20
    assert total(tree) == 20
    assert [way(tree, node) for node in (1, 2)] == [15, 15]


@pytest.mark.parametrize("pins", [2, 3, 10, 60])
def test_ways_are_short_and_so_is_the_wire(pins):
    wires, ways = [], []
    for seed in range(10):
        x, y = places(pins, seed)
        tree = net_tree(x, y)
        assert tree.x[:pins] == x.tolist()
        wires.append(total(tree) / tree_lengths(x[None], y[None])[0])
        shortest = np.abs(x - x[0]) + np.abs(y - y[0])
        found = np.array([way(tree, node) for node in range(pins)])
        assert (found >= shortest - 1e-9).all()
        ways.append(found.sum() / shortest.sum())
    assert np.mean(wires) < 1.12
    assert np.mean(ways) < 1.2


def test_a_larger_detour_has_more_wire_and_shorter_ways(monkeypatch):
    x, y = places(60, 1)
    trees = []
    for detour in (0.0, 0.9):
        monkeypatch.setattr(subject, "DETOUR", detour)
        trees.append(net_tree(x, y))
    least, direct = trees
    assert total(least) < total(direct)
    assert sum(way(least, n) for n in range(60)) > sum(way(direct, n) for n in range(60))


def test_pins_at_one_place_take_no_wire():
    assert total(net_tree(np.ones(5), np.ones(5))) == 0
