"""The floor plan of an engine, and the places of all its cells.

    +---------+---------+------------------+
    | IP-CIM  | lane    | OP-CIM |         |    one row of each array is placed alone (`strip`), and stands there as
    | row     |         | row    |         |    often as the array has rows: on top of each other, in several columns
    +---------+---------+--------+---------+    where the chip would not be a square otherwise
    | gap     | gap     | gap    |         |    gaps have the area of what is in an array beside its rows, above all
    +---------+---------+--------+---------+    the registers that pass its keys or values on
    | row     | lane    | row    |         |    so do the lanes of the softmax between them, evenly over their height
    +---------+---------+--------+---------+
    | band                                 |
    +--------------------------------------+

What is in no row is placed in gaps and band, with the pins of the rows where they are. The ports of the engine are on
the lower edge. A design without arrays is a square.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, sqrt

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.netlist.netlist import ONE, ZERO, Flat, Netlist, clock_nets, flatten
from fusioncim.asic.placement.objects import ROW_UM, SITE_UM, Ends, objects_of
from fusioncim.asic.placement.placement import Placement
from fusioncim.asic.placement.placer import Box, require_placer
from fusioncim.asic.placement.strip import (
    FILL,
    STRIP,
    Strip,
    free_boxes,
    joined,
    place_row,
    placed,
    standing,
    strip_ports,
)
from fusioncim.build.workers import run_all

SOFTMAX = "softmax"
DOWN: Mapping[str, Sequence[str]] = {
    "ip_cim": ("plane", "write_data"),
    SOFTMAX: ("control", "score", "correction", "load"),
    "op_cim": ("command",),
}
"""Arrays of an engine from left to right, and what the ports of their rows begin with that come down the columns. The
rows of the softmax are its lanes."""
LEAST_GAP = 3
"""Rows of cells of a gap between rows of an array."""


@dataclass(frozen=True)
class Rows:
    """An array: a row of it, the names of all, and how many stand on top of each other.

    Row j of every lane of the softmax gets its keys or values from one register: rows of one j follow each other, up
    one column and down the next. Below every group of rows a gap of so many rows of cells is left for what brings them
    their data.
    """

    strip: Strip
    names: Sequence[str]
    lanes: int
    stacked: int
    group: int
    gap: int

    @property
    def height(self) -> int:
        """Of the array."""
        return self._lower(self.stacked - 1) + self.strip.height

    def _lower(self, n: int) -> int:
        """Lower edge of a row, from that of the array."""
        return n * self.strip.height + (n // self.group + 1) * self.gap

    @property
    def width(self) -> int:
        """Of the array."""
        return self.strip.width * ceil(len(self.names) / self.stacked)

    def boxes(self, left: int, top: int) -> list[Box]:
        """Of the rows by number."""
        wide, lowest = self.strip.width, top - self.height
        boxes = {}
        for n in range(len(self.names)):
            column, row = divmod(n, self.stacked)
            lower = lowest + self._lower(self.stacked - 1 - row if column % 2 else row)
            j, lane = divmod(n, self.lanes)
            boxes[lane * (len(self.names) // self.lanes) + j] = (
                left + column * wide, left + (column + 1) * wide, lower, lower + self.strip.height,
            )  # fmt: skip
        return [boxes[n] for n in sorted(boxes)]


def place_design(
    modules: Mapping[str, Netlist], flat: Flat, library: Library, *, strip: int = STRIP, jobs: int = 1
) -> Placement:
    """Place the flat netlist of these modules, whose top is an engine; strip: see `place_row`; jobs: processes."""
    require_placer()
    arrays = arrays_of(modules, flat.name)
    work = {
        f"a row of {name}": partial(place_row, flatten(modules, kind), library, DOWN[name], left=not n, strip=strip)
        for n, (name, (kind, _)) in enumerate(arrays.items())
    }
    strips: list[Strip] = list(run_all(work, jobs=jobs, title="placing").values()) if work else []
    rows = {name: (done, names) for done, (name, (_, names)) in zip(strips, arrays.items(), strict=True)}
    name = "everything else" if work else flat.name
    done: Placement = run_all({name: partial(place_rest, flat, library, rows)}, jobs=1, title="placing")[name]
    return done


def place_alone(flat: Flat, library: Library, array: str) -> Placement:
    """Place one row of the array of that name of `DOWN` as it stands in an engine, with a wire to every pin."""
    require_placer()
    left = next(iter(DOWN)) == array
    strip = place_row(flat, library, DOWN[array], left=left)
    ports = strip_ports(flat, DOWN[array], strip.width if left else 0, strip.width, strip.height)
    pins = np.arange(len(strip.objects.pin_net))
    return Placement(flat, strip.objects, strip.x, strip.y, strip.width, strip.height, *ports, {}, pins)


def arrays_of(modules: Mapping[str, Netlist], top: str) -> dict[str, tuple[str, list[str]]]:
    """The arrays below a module: the module of their rows, and the names of the rows by number."""
    below = {part.name: part.kind for part in modules[top].parts}
    found = {}
    for name in DOWN:
        parts = modules[below[name]].parts if below.get(name) in modules else ()
        rows = {int(m[1]): part for part in parts if (m := re.fullmatch(r"(?:row|lane)_(\d+)", part.name))}
        kinds = {part.kind for part in rows.values()}
        if len(kinds) == 1:
            found[name] = (kinds.pop(), [rows[n].name for n in sorted(rows)])
    return found


def place_rest(flat: Flat, library: Library, given: Mapping[str, tuple[Strip, Sequence[str]]]) -> Placement:
    """Stack the rows of the arrays, and place everything else around them. given: a row, and the names of all."""
    objects = objects_of(flat, library)
    paths = [*(path for path, _ in flat.cells), *(flat.banks[n][0] for n in objects.bank[objects.cells :].tolist())]
    members: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for n, path in enumerate(paths):
        members[path[:2]].append(n)
    fixed = {(name, row): np.array(members[name, row]) for name, (_, names) in given.items() for row in names}
    rest = np.setdiff1d(np.arange(len(paths)), np.concatenate([*fixed.values(), []]).astype(np.int64))
    stands = standing(objects) * objects.height / FILL
    own: dict[str, float] = defaultdict(float)
    for n in rest.tolist():
        if len(paths[n]) == 1:
            own[paths[n][0]] += stands[n]
    arrays, width, height = _sizes(given, float(stands[rest].sum()), own)

    x, y = np.zeros(len(paths), np.int64), np.zeros(len(paths), np.int64)
    boxes: dict[str, list[Box]] = {}
    lowest = np.ones(len(paths), bool)
    left = 0
    for name, array in arrays.items():
        boxes[name] = array.boxes(left, height)
        left += array.width
        lower = min(box[2] for box in boxes[name])
        for row, (x0, _, y0, _) in zip(array.names, boxes[name], strict=True):
            here = fixed[name, row]
            x[here], y[here] = array.strip.x + x0, array.strip.y + y0
            lowest[here] = y0 == lower
    wired = np.flatnonzero(lowest[objects.pin_object] | (objects.bit_line == 0))
    ports = _ports(flat, library, width)
    rows = np.setdiff1d(np.arange(len(paths)), rest)
    ends = joined(ports, objects.pins_of(rows, x[rows], y[rows]))
    free = free_boxes(width, height, [box for each in boxes.values() for box in each])
    x[rest], y[rest] = placed(objects, rest, free, ends, flat.name)
    return Placement(flat, objects, x, y, width, height, *ports, boxes, wired)


def _sizes(
    given: Mapping[str, tuple[Strip, Sequence[str]]], rest: float, own: Mapping[str, float]
) -> tuple[dict[str, Rows], int, int]:
    """The arrays in columns, and width and height of the chip.

    rest: sites of what is not in rows; own: of what is directly in an array.
    """
    square = SITE_UM / ROW_UM  # rows by sites of a square
    area = rest + sum(strip.width * strip.height * len(names) for strip, names in given.values())
    side = sqrt(area * square)
    high = max(side - rest * square / side, 1)
    lanes = len(given[SOFTMAX][1]) if SOFTMAX in given else 1
    arrays = {}
    for name, (strip, names) in given.items():
        columns = max(1, round(len(names) * strip.height / high))
        stacked = ceil(len(names) / columns)
        gap = own[name] / (strip.width * len(names))  # rows of cells for each row
        group = min(stacked, ceil(LEAST_GAP / gap)) if gap else stacked
        arrays[name] = Rows(strip, names, lanes, stacked, group, round(gap * group))
    tall = max((array.height for array in arrays.values()), default=0)
    if SOFTMAX in arrays:
        free = tall // arrays[SOFTMAX].stacked - arrays[SOFTMAX].strip.height
        arrays[SOFTMAX] = replace(arrays[SOFTMAX], group=1, gap=max(free, 0))
    across = sum(array.width for array in arrays.values()) or ceil(side / square)
    return arrays, across, max(ceil(area / across), tall)


def _ports(flat: Flat, library: Library, width: int) -> Ends:
    """Places of the bits of ports on the lower edge, each port spread over all of it."""
    skipped = {ZERO, ONE, *clock_nets(flat, library)}
    ends = [
        (net, (n + 0.5) / len(bits) * width)
        for _, bits in flat.ports.values()
        for n, net in enumerate(bits)
        if net not in skipped
    ]
    table = np.array(ends, float).reshape(-1, 2)
    return table[:, 0].astype(np.int64), table[:, 1], np.zeros(len(table))
