"""A row of an array, placed alone in a strip of rows of cells.

Its banks of O stand side by side along the upper edge, their data pins towards the gates below; they make the strip as
wide as they are. A row without such banks has STRIP rows of cells. Keys or values come down the columns, in the order
of the bits; all other ports are at the side of the channel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, sqrt

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.table_lookup import Ints
from fusioncim.asic.netlist.netlist import Flat
from fusioncim.asic.placement.objects import ROW_UM, SITE_UM, Ends, Objects, objects_of
from fusioncim.asic.placement.placer import Box, Problem, place

STRIP = 28
"""Rows of cells of a row of an array without blocks. The wires of `paper` with 8 rows take 202, 158, 150 and 173 fJ per
multiply-accumulate with 20, 28, 40 and 56 of them; with 24 rows they are 8.0 m long with 28, 9.0 m with 40. A row of
`paper` with blocks has 64 rows of cells here; as high as 40, 48 or 56 it has 44, 35 or 14 % more wire."""
UTILIZATION = 0.70
"""Area of cells in that which they stand on."""
FILL = 0.95
"""Part of its boxes that the placer is asked to fill."""


@dataclass(frozen=True)
class Strip:
    """A row of an array that was placed alone, in sites and rows.

    Members:
        objects: of the row.
        width, height: of the strip.
        x, y: left and lower edge of each object.
    """

    objects: Objects
    width: int
    height: int
    x: Ints
    y: Ints


def place_row(flat: Flat, library: Library, down: Sequence[str], *, left: bool, strip: int = STRIP) -> Strip:
    """Place a row of an array. down: how ports along the columns begin; left: its other ports are on its right side."""
    objects = objects_of(flat, library)
    sites = standing(objects) @ objects.height / FILL
    width, height = ceil(sites / strip), strip
    blocks = objects.blocks
    if len(blocks):
        width = max(int(objects.width[blocks].sum()), ceil(sqrt(sites * ROW_UM / SITE_UM)))
        height = max(ceil(sites / width), int(objects.height[blocks].max()))
    every = np.arange(len(objects.width))
    x, y = np.zeros(len(every), np.int64), np.zeros(len(every), np.int64)
    free = (width - objects.width[blocks].sum()) / max(len(blocks), 1)
    x[blocks] = np.cumsum(objects.width[blocks] + free) - objects.width[blocks] - free / 2
    y[blocks] = height - objects.height[blocks]
    taken = [(x[n], x[n] + objects.width[n], y[n], height) for n in blocks.tolist()]
    ends = joined(
        strip_ports(flat, down, width if left else 0, width, height), objects.pins_of(blocks, x[blocks], y[blocks])
    )
    cells = np.setdiff1d(every, blocks)
    x[cells], y[cells] = placed(objects, cells, free_boxes(width, height, taken), ends, flat.name)
    return Strip(objects, width, height, x, y)


def strip_ports(flat: Flat, down: Sequence[str], side: int, width: int, height: int) -> Ends:
    """Places of the ports of a row; side: x of those that do not come down the columns."""
    nets: list[int] = []
    x: list[float] = []
    y: list[float] = []
    along = [port for port in flat.ports if port.startswith(tuple(down))]
    for port in along:
        bits = flat.ports[port][1]
        nets += bits
        x += [(n + 0.5) / len(bits) * width for n in range(len(bits))]
        y += [height / 2] * len(bits)
    aside = [net for port, (_, bits) in flat.ports.items() if port not in along for net in bits]
    nets += aside
    x += [float(side)] * len(aside)
    y += [(n + 0.5) / len(aside) * height for n in range(len(aside))]
    return np.array(nets, np.int64), np.array(x), np.array(y)


def joined(*ends: Ends) -> Ends:
    """All of these pins."""
    net, x, y = (np.concatenate(each) for each in zip(*ends, strict=True))
    return net, x, y


def free_boxes(width: int, height: int, taken: Sequence[Box]) -> list[Box]:
    """What boxes leave free of a rectangle, in boxes as high as possible."""
    levels = sorted({0, height, *(edge for *_, lower, upper in taken for edge in (lower, upper))})
    boxes = []
    for lower, upper in pairwise(levels):
        start = 0
        for left, right in [*sorted((a, b) for a, b, low, high in taken if low <= lower < high), (width, width)]:
            if left > start:
                boxes.append((start, left, lower, upper))
            start = max(start, right)
    return boxes


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
