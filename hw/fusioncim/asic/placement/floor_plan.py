"""The floor plan of an engine, and the places of all its cells.

    +-------------+---------+-----------------+
    | IP-CIM row  |         | OP-CIM row      |    rows abut, all alike; bits of the query banks stand between the
    | IP-CIM row  | channel | OP-CIM row      |    gates, the banks of O in the row as blocks
    | ...         |         | ...             |
    +-------------+---------+-----------------+
    | band                                    |    channel and band: everything else
    +-----------------------------------------+

One row of each array is placed alone (`strip`), and stands there as often as the array has rows. The channel has the
area of the softmax. What is not in rows is then placed in channel and band, with the pins of the rows where they are.
The ports of the engine are on the lower edge. A design without arrays is a square.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from math import ceil, sqrt

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.memory.memory_array import bank_macro
from fusioncim.asic.netlist.netlist import ONE, ZERO, Flat, Netlist, clock_nets, flatten
from fusioncim.asic.placement.objects import ROW_UM, SITE_UM, Limits, objects_of
from fusioncim.asic.placement.placement import Placement
from fusioncim.asic.placement.placer import require_placer
from fusioncim.asic.placement.strip import FILL, UTILIZATION, Ends, Strip, place_row, placed, standing
from fusioncim.build.workers import run_all

STRIP = 20
"""Rows of cells of a row of an array."""
WIDEST = 1 / 3
"""Of a square chip of the same area, that a piece of a bank may have."""

DOWN: Mapping[str, Sequence[str]] = {"ip_cim": ("plane", "write_data"), "op_cim": ("command",)}
"""Arrays of an engine, the left one first, and the ports of their rows that come down the columns."""
SOFTMAX = "softmax"


def place_design(
    modules: Mapping[str, Netlist], flat: Flat, library: Library, *, strip: int = STRIP, jobs: int = 1
) -> Placement:
    """Place the flat netlist of these modules, whose top is an engine; strip: rows of cells of a row of an array."""
    require_placer()
    arrays = arrays_of(modules, flat.name)
    limits = _limits(flat, library, strip)
    work = {
        f"a row of {name}": partial(place_row, flatten(modules, kind), library, limits, DOWN[name], left=n == 0)
        for n, (name, (kind, _)) in enumerate(arrays.items())
    }
    strips = dict(zip(arrays, run_all(work, jobs=jobs, title="placing").values(), strict=True)) if work else {}
    name = "everything else" if work else flat.name
    rest = partial(place_rest, flat, library, limits, {key: (strips[key], rows) for key, (_, rows) in arrays.items()})
    done: Placement = run_all({name: rest}, jobs=1, title="placing")[name]
    return done


def arrays_of(modules: Mapping[str, Netlist], top: str) -> dict[str, tuple[str, list[str]]]:
    """The arrays below a module: the module of their rows, and the names of the rows by number."""
    below = {part.name: part.kind for part in modules[top].parts}
    found = {}
    for name in DOWN:
        parts = modules[below[name]].parts if below.get(name) in modules else ()
        rows = {int(m[1]): part for part in parts if (m := re.fullmatch(r"row_(\d+)", part.name))}
        kinds = {part.kind for part in rows.values()}
        if len(kinds) == 1:
            found[name] = (kinds.pop(), [rows[n].name for n in sorted(rows)])
    return found


def place_rest(
    flat: Flat, library: Library, limits: Limits, arrays: Mapping[str, tuple[Strip, Sequence[str]]]
) -> Placement:
    """Stack the rows of the arrays, and place everything else around them. arrays: a row, and the names of all."""
    objects = objects_of(flat, library, limits)
    _, high = limits
    paths = [*(path for path, _ in flat.cells), *(flat.banks[n][0] for n in objects.bank[objects.cells :].tolist())]
    members: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for n, path in enumerate(paths):
        members[path[:2]].append(n)
    stands = standing(objects) * objects.height
    tall = high * max((len(rows) for _, rows in arrays.values()), default=0)
    fixed = {(name, row): np.array(members[name, row]) for name, (_, rows) in arrays.items() for row in rows}
    rest = np.setdiff1d(np.arange(len(paths)), np.concatenate([*fixed.values(), []]).astype(np.int64))
    area = stands[rest].sum() / FILL
    softmax = stands[[n for n in rest.tolist() if paths[n][:1] == (SOFTMAX,)]].sum() / FILL
    channel = ceil(softmax / tall) if tall else 0
    width = channel + sum(strip.width for strip, _ in arrays.values()) or ceil(sqrt(area * ROW_UM / SITE_UM))
    band = max(ceil((area - channel * tall) / width), 0)

    x, y = np.zeros(len(paths), np.int64), np.zeros(len(paths), np.int64)
    boxes, edges, start = {}, [0], 0
    lowest = np.ones(len(paths), bool)
    for name, (strip, rows) in arrays.items():
        for n, row in enumerate(rows):
            here = fixed[name, row]
            x[here], y[here] = strip.x + start, strip.y + band + n * high
            lowest[here] = n == 0
        boxes[name] = [(start, start + strip.width, band + n * high, band + (n + 1) * high) for n in range(len(rows))]
        edges += [start, start + strip.width]
        start += strip.width + channel
    free = [(0, width, 0, band)] * (band > 0)
    free += [(a, b, band, band + tall) for a, b in zip(edges[::2], [*edges[1::2], width], strict=True) if b > a]
    wired = np.flatnonzero(lowest[objects.pin_object] | (objects.bit_line == 0))
    ports = _ports(flat, library, width)

    still = np.isin(objects.pin_object[wired], rest, invert=True)
    at = objects.pin_object[wired[still]]
    ends = (
        np.append(ports[0], objects.pin_net[wired[still]]),
        np.append(ports[1], x[at] + objects.pin_x[wired[still]]),
        np.append(ports[2], y[at] + objects.pin_y[wired[still]]),
    )
    x[rest], y[rest] = placed(objects, rest, free, ends, flat.name)
    return Placement(flat, objects, x, y, width, band + tall, *ports, boxes, wired)


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


def _limits(flat: Flat, library: Library, strip: int) -> Limits:
    """Widest and highest piece of a bank, in sites and rows."""
    cells = sum(library.cells[part.kind].area for _, part in flat.cells) / UTILIZATION
    banks = sum(bank_macro(part.parameters).area_um2 for _, part in flat.banks)
    return ceil(WIDEST * sqrt(cells + banks) / SITE_UM), strip
