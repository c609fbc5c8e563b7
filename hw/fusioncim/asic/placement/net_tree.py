"""A tree of wires over the pins of one net that reaches each of them on a short way from the driver.

It grows from the driver. Of all pins that it lacks, the one comes next, and at that edge, for which

    length of the new edge + DETOUR * way from the driver to where it begins

is the least (C. J. Alpert et al., "Prim-Dijkstra tradeoffs for improved performance-driven routing tree design", IEEE
TCAD 14(7), 1995). An edge may take any of the shortest ways between its ends, as in `steiner`: it is met where its
bounding box is nearest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusioncim.asic.cells.table_lookup import Floats

DETOUR = 0.3
"""0 is a tree of the least length, 1 one of the shortest ways."""


@dataclass(frozen=True)
class NetTree:
    """A tree.

    Members:
        parent: node above each node, -1 of the driver, which is node 0. The pins follow, then the other nodes.
        x, y: of each node, in um.
    """

    parent: Sequence[int]
    x: Sequence[float]
    y: Sequence[float]

    def length(self, node: int) -> float:
        """Of the edge above a node."""
        above = self.parent[node]
        return abs(self.x[node] - self.x[above]) + abs(self.y[node] - self.y[above])

    def children(self) -> list[list[int]]:
        """Nodes below each node."""
        below: list[list[int]] = [[] for _ in self.parent]
        for node, above in enumerate(self.parent):
            if above >= 0:
                below[above].append(node)
        return below


def net_tree(x: Floats, y: Floats) -> NetTree:
    """The tree over a driver, the first place, and pins, the others."""
    grown = _Growing(x, y)
    while (pin := grown.nearest()) is not None:
        grown.join(pin)
    return NetTree(grown.parent, grown.x[: len(grown.parent)].tolist(), grown.y[: len(grown.parent)].tolist())


class _Growing:
    """A tree that grows. Edge k is the one above node k."""

    def __init__(self, x: Floats, y: Floats) -> None:
        n = len(x)
        self.x, self.y = np.append(x, np.zeros(n)), np.append(y, np.zeros(n))
        self.way = np.zeros(2 * n)
        self.parent = [-1] * n
        self.left = np.arange(1, n)
        self.key = np.abs(x[1:] - x[0]) + np.abs(y[1:] - y[0])
        self.edge = np.zeros(n - 1, np.int64)  # 0: directly at the driver
        self.edges: list[int] = []

    def nearest(self) -> int | None:
        """Number in `left` of the pin that comes next."""
        return int(self.key.argmin()) if len(self.left) else None

    def join(self, n: int) -> None:
        """Join a pin to the edge that it has found."""
        pin, edge = int(self.left[n]), int(self.edge[n])
        keep = np.arange(len(self.left)) != n
        self.left, self.key, self.edge = self.left[keep], self.key[keep], self.edge[keep]
        split = False
        if edge:
            x, y = self._meet(edge, self.x[pin], self.y[pin])
            if (x, y) == (self.x[edge], self.y[edge]):
                above = edge
            elif (x, y) == (self.x[self.parent[edge]], self.y[self.parent[edge]]):
                above = self.parent[edge]
            else:
                above, split = len(self.parent), True
                self.parent.append(self.parent[edge])
                self.x[above], self.y[above] = x, y
                self.way[above] = self.way[self.parent[above]] + self._apart(above, self.parent[above])
                self.parent[edge] = above
                self.edges.append(above)
        else:
            above = 0
        self.parent[pin] = above
        self.way[pin] = self.way[above] + self._apart(pin, above)
        self.edges.append(pin)
        if split:  # what had found the edge looks again
            again = self.edge == edge
            self.key[again] = np.inf
            for each in (edge, above):
                self._offer(each, again)
        self._offer(pin, np.ones(len(self.left), bool))

    def _apart(self, a: int, b: int) -> float:
        return float(abs(self.x[a] - self.x[b]) + abs(self.y[a] - self.y[b]))

    def _meet(self, edge: int, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Where an edge is nearest to places."""
        above = self.parent[edge]
        (x0, x1), (y0, y1) = (sorted((each[edge], each[above])) for each in (self.x, self.y))
        return np.clip(x, x0, x1), np.clip(y, y0, y1)

    def _offer(self, edge: int, whom: "np.typing.NDArray[np.bool_]") -> None:
        """An edge to pins that the tree lacks."""
        pins = self.left[whom]
        x, y = self.x[pins], self.y[pins]
        meet_x, meet_y = self._meet(edge, x, y)
        above = self.parent[edge]
        way = self.way[above] + np.abs(meet_x - self.x[above]) + np.abs(meet_y - self.y[above])
        key = np.abs(x - meet_x) + np.abs(y - meet_y) + DETOUR * way
        better = key < self.key[whom]
        at = np.flatnonzero(whom)[better]
        self.key[at], self.edge[at] = key[better], edge
