"""Length of the shortest rectilinear tree over the pins of a net, many nets at once.

Up to three pins it is half the perimeter of their bounding box, which is exact. Beyond, a tree grows from the first
pin: of all pins that it lacks and all edges that it has, the nearest pair is joined. An edge may take any of the
shortest ways between its ends, so that it is as near to a pin as its bounding box, and is met at the median of the
three (M. Borah, R. M. Owens, M. J. Irwin, "An edge-based heuristic for Steiner routing", IEEE TCAD 13(12), 1994; here
while the tree grows). Of the trees from several first pins the shortest counts.

The tests compare it with the exact length of random nets: with four pins it is the same, with five 0.2 % more in the
mean.
"""

import numpy as np

from fusioncim.asic.cells.table_lookup import Floats, Ints

STARTS = 3
"""First pins of a net from which a tree grows."""
CHUNK = 1 << 21
"""Distances that are kept at once."""


def net_lengths(net: Ints, x: Floats, y: Floats, nets: int) -> Floats:
    """Length by net number of the trees over all pins; net, x, y: of each pin."""
    length = np.zeros(nets)
    order = np.argsort(net, kind="stable")
    numbers, first, degree = np.unique(net[order], return_index=True, return_counts=True)
    for k in np.unique(degree).tolist():
        here = degree == k
        pins = order[first[here][:, None] + np.arange(k)]
        length[numbers[here]] = tree_lengths(x[pins], y[pins])
    return length


def half_perimeters(x: Floats, y: Floats) -> Floats:
    """Half the perimeter of the bounding boxes of nets; x, y: a row for each net."""
    half: Floats = np.ptp(x, axis=1) + np.ptp(y, axis=1)
    return half


def tree_lengths(x: Floats, y: Floats) -> Floats:
    """Lengths of the trees of nets with equally many pins; x, y: a row for each net."""
    nets, k = x.shape
    if k <= 3:
        return half_perimeters(x, y)
    length = np.empty(nets)
    step = max(1, CHUNK // (2 * k * k))
    for start in range(0, nets, step):
        part = slice(start, start + step)
        firsts = np.linspace(0, k - 1, min(STARTS, k)).astype(int)
        length[part] = np.min([_grown(x[part], y[part], int(first)) for first in firsts], axis=0)
    return length


def _grown(x: Floats, y: Floats, first: int) -> Floats:
    """Lengths of the trees that grow from the pin `first` of each net."""
    nets, k = x.shape
    every = np.arange(nets)
    ends = np.zeros((4, nets, 2 * k - 1))  # of the edges: x and y of both ends
    ends[0, :, 0] = ends[1, :, 0] = x[:, first]
    ends[2, :, 0] = ends[3, :, 0] = y[:, first]
    distance = np.full((nets, k, 2 * k - 1), np.inf)
    missing = np.zeros((nets, k))
    missing[:, first] = np.inf
    length = np.zeros(nets)

    def measure(edge: Ints) -> None:
        (a, b), (c, d) = (ends[:2, every, edge], ends[2:, every, edge])
        across = np.maximum(np.minimum(a, b)[:, None] - x, x - np.maximum(a, b)[:, None])
        along = np.maximum(np.minimum(c, d)[:, None] - y, y - np.maximum(c, d)[:, None])
        distance[every, :, edge] = np.maximum(across, 0) + np.maximum(along, 0) + missing

    measure(np.zeros(nets, np.int64))
    for edges in range(1, 2 * k - 2, 2):
        flat = distance[:, :, :edges].reshape(nets, -1).argmin(axis=1)
        pin, edge = flat // edges, flat % edges
        length += distance[every, pin, edge]
        missing[every, pin] = np.inf
        distance[every, pin, :] = np.inf
        here, there = x[every, pin], y[every, pin]
        a, b, c, d = ends[:, every, edge]
        meet = np.clip(here, np.minimum(a, b), np.maximum(a, b)), np.clip(there, np.minimum(c, d), np.maximum(c, d))
        for number, (u, v) in ((edge, (a, c)), (edges, (b, d)), (edges + 1, (here, there))):
            ends[0, every, number], ends[1, every, number] = u, meet[0]
            ends[2, every, number], ends[3, every, number] = v, meet[1]
            measure(np.broadcast_to(np.asarray(number), (nets,)))
    return length
