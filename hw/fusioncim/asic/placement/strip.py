"""A row of an array, placed alone in a strip of rows of cells.

Its keys or values come down the columns, in the order of the bits; its other ports are at the side of the channel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.table_lookup import Floats, Ints
from fusioncim.asic.netlist.netlist import Flat
from fusioncim.asic.placement.objects import Limits, Objects, objects_of
from fusioncim.asic.placement.placer import Box, Problem, place

UTILIZATION = 0.70
"""Area of cells in that which they stand on."""
FILL = 0.95
"""Part of its boxes that the placer is asked to fill."""

Ends = tuple[Ints, Floats, Floats]
"""Net, x and y of pins that have their place, in sites and rows."""


@dataclass(frozen=True)
class Strip:
    """A row of an array that was placed alone: its objects, and their left and lower edges in sites and rows."""

    objects: Objects
    width: int
    x: Ints
    y: Ints


def place_row(flat: Flat, library: Library, limits: Limits, down: Sequence[str], *, left: bool) -> Strip:
    """Place a row of an array in a strip. down: ports along the columns; left: the channel is on its right side."""
    objects = objects_of(flat, library, limits)
    _, high = limits
    width = ceil(standing(objects) @ objects.height / FILL / high)
    nets: list[int] = []
    x: list[float] = []
    y: list[float] = []
    aside = [net for port, (_, bits) in flat.ports.items() if port not in down for net in bits]
    for port in down:
        bits = flat.ports[port][1]
        nets += bits
        x += [(n + 0.5) / len(bits) * width for n in range(len(bits))]
        y += [high / 2] * len(bits)
    nets += aside
    x += [float(width) if left else 0.0] * len(aside)
    y += [(n + 0.5) / len(aside) * high for n in range(len(aside))]
    every = np.arange(len(objects.width))
    ends = np.array(nets, np.int64), np.array(x), np.array(y)
    return Strip(objects, width, *placed(objects, every, [(0, width, 0, high)], ends, flat.name))


def standing(objects: Objects) -> Ints:
    """Sites that each object stands on: cells with their share of what is left free, in whole sites."""
    cells = np.floor(np.cumsum(objects.width[: objects.cells]) / UTILIZATION).astype(np.int64)
    return np.append(np.diff(cells, prepend=0), objects.width[objects.cells :])


def placed(objects: Objects, chosen: Ints, boxes: Sequence[Box], ends: Ends, name: str) -> tuple[Ints, Ints]:
    """Left and lower edges of the chosen objects, which are placed in boxes. name: for messages."""
    stands = standing(objects)
    left = (stands - objects.width) // 2
    number = np.full(len(stands), -1)
    number[chosen] = np.arange(len(chosen))
    own = number[objects.pin_object] >= 0
    at = objects.pin_object[own]
    problem = Problem(
        boxes,
        stands[chosen],
        objects.height[chosen],
        np.append(number[at], np.full(len(ends[0]), -1)),
        np.append(objects.pin_net[own], ends[0]),
        np.append(objects.pin_x[own] + left[at], ends[1]),
        np.append(objects.pin_y[own], ends[2]),
    )
    x, y = place(problem, name)
    return x + left[chosen], y
