"""Lengths of trees against exact ones."""

from itertools import combinations, product

import numpy as np
import pytest

from fusioncim.asic.placement.steiner import half_perimeters, net_lengths, tree_lengths

KNOWN = {
    "two pins": ([(0, 0), (3, 4)], 7),
    "corner of three": ([(0, 0), (4, 1), (2, 5)], 9),
    "square": ([(0, 0), (1, 0), (0, 1), (1, 1)], 3),
    "cross": ([(1, 0), (0, 1), (2, 1), (1, 2)], 4),
    "pins in a line": ([(0, 0), (5, 0), (2, 0), (3, 0), (1, 0)], 5),
    "cross with its centre": ([(1, 0), (0, 1), (2, 1), (1, 2), (1, 1)], 4),
    "comb": ([(0, 0), (0, 2), (2, 0), (2, 2), (4, 0), (4, 2)], 10),
    "all pins at one place": ([(3, 3)] * 4, 0),
}


def spanning(points):
    """Length of the shortest tree over points without others."""
    left, total = dict.fromkeys(points[1:], np.inf), 0
    last = points[0]
    while left:
        for point in left:
            left[point] = min(left[point], abs(point[0] - last[0]) + abs(point[1] - last[1]))
        last = min(left, key=left.get)
        total += left.pop(last)
    return total


def exact(points):
    """Shortest tree with points of Hanan's grid (M. Hanan, 1966), of which it has at most two less than pins."""
    points = list(dict.fromkeys(points))
    grid = [each for each in product({x for x, _ in points}, {y for _, y in points}) if each not in points]
    return min(spanning([*points, *more]) for n in range(max(len(points) - 1, 1)) for more in combinations(grid, n))


@pytest.mark.parametrize("case", KNOWN)
def test_known_trees(case):
    points, length = KNOWN[case]
    x, y = np.array(points, float).T
    assert tree_lengths(x[None], y[None]) == [length]
    assert exact(points) == length


@pytest.mark.parametrize(("pins", "count", "mean", "worst"), [(3, 20, 0, 0), (4, 60, 0, 0), (5, 30, 0.01, 0.1)])
def test_random_nets_are_near_the_exact_length(pins, count, mean, worst):
    points = np.random.default_rng(pins).integers(0, 1000, (2, count, pins))
    best = np.array([exact(list(zip(*net, strict=True))) for net in points.transpose(1, 0, 2).tolist()])
    over = tree_lengths(*points.astype(float)) / best - 1
    assert over.min() >= 0
    assert over.mean() <= mean
    assert over.max() <= worst


def test_nets_of_all_degrees_are_between_half_perimeter_and_spanning_tree():
    rng = np.random.default_rng(1)
    degrees = [1, 2, 3, 4, 7, 12, 12, 40]
    net = rng.permutation(np.repeat(np.arange(len(degrees)), degrees))
    x, y = rng.integers(0, 500, (2, len(net))).astype(float)
    lengths = net_lengths(net, x, y, len(degrees) + 1)
    for n in range(len(degrees)):
        here = net == n
        assert half_perimeters(x[None, here], y[None, here])[0] <= lengths[n]
        assert lengths[n] <= spanning(list(dict.fromkeys(zip(x[here].tolist(), y[here].tolist(), strict=True))))
    assert lengths[-1] == 0
