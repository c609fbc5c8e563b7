"""A placement with other buffers and cells of other strength: the ones of synthesis are taken out, trees are put in.

Cells keep their places. A buffer stands where its tree says: it is not legalized, the free third of the rows takes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.drive import is_buffer
from fusioncim.asic.cells.table_lookup import Floats, Ints
from fusioncim.asic.netlist.netlist import Flat, Part, clock_nets
from fusioncim.asic.placement.buffer_tree import BufferTree
from fusioncim.asic.placement.objects import ROW_UM, SITE_UM, Objects, objects_of
from fusioncim.asic.placement.placed_pins import PlacedPins
from fusioncim.asic.placement.placement import Placement

Path = tuple[str, ...]


@dataclass(frozen=True)
class NetBuffers:
    """Buffers of a net: those of a tree, and its pins, by their number in `PlacedPins`."""

    net: int
    tree: BufferTree
    pins: Sequence[Sequence[int]]


def without_buffers(placement: Placement, library: Library) -> Placement:
    """A placement without buffers, those of clocks excepted: what one drove is on the net before it."""
    flat = placement.flat
    clocks = clock_nets(flat, library)
    before = list(range(flat.nets))
    keep = []
    for n, (_, part) in enumerate(flat.cells):
        cell = library.cells[part.kind]
        if is_buffer(cell):
            ends = (*part.pins[cell.inputs[0]], *part.pins.get(cell.outputs[0], ()))
            if clocks.isdisjoint(ends):
                if len(ends) == 2:
                    before[ends[1]] = ends[0]
                continue
        keep.append(n)
    for net in range(flat.nets):
        root = net
        while before[root] != root:
            root = before[root]
        before[net] = root

    def joined(part: Part) -> Part:
        return replace(part, pins={pin: [before[net] for net in bits] for pin, bits in part.pins.items()})

    ports = {port: (way, [before[net] for net in bits]) for port, (way, bits) in flat.ports.items()}
    cells = [(path, joined(part)) for path, part in (flat.cells[n] for n in keep)]
    banks = [(path, joined(part)) for path, part in flat.banks]
    bare = replace(flat, ports=ports, cells=cells, banks=banks)
    x, y = placement.middles(np.array(keep, np.int64))
    port_net = np.array([before[net] for net in placement.port_net.tolist()], np.int64)
    return _placed(replace(placement, port_net=port_net), bare, library, x, y)


def with_buffers(
    placement: Placement,
    library: Library,
    pins: PlacedPins,
    nets: Sequence[NetBuffers],
    kinds: Mapping[int, str],
) -> Placement:
    """A placement with these buffers, and cells of these kinds by number. Its own cells stay the first ones."""
    flat = placement.flat
    parts = [*flat.cells, *flat.banks]
    paths = _paths(pins, parts, flat.nets)
    moved: dict[int, int] = {}
    added: list[tuple[Path, Part]] = []
    x: list[float] = []
    y: list[float] = []
    count = flat.nets
    for each in nets:
        tree, number = each.tree, range(count, count + len(each.tree.kinds))
        count += len(number)
        for n, kind in enumerate(tree.kinds):
            (entry,), (out,) = library.cells[kind].inputs, library.cells[kind].outputs
            source = number[tree.above[n]] if tree.above[n] >= 0 else each.net
            buffer = Part(f"wire_buffer_{number[n]}", kind, {entry: [source], out: [number[n]]})
            added.append((paths.get(each.net, ()), buffer))
        x += tree.x
        y += tree.y
        for bundle, at in zip(each.pins, tree.of_pin, strict=True):
            if at >= 0:
                moved.update(dict.fromkeys(bundle, number[at]))
    changed: dict[int, dict[str, list[int]]] = {}
    port_net = placement.port_net.copy()
    ports_moved = {}
    for pin, net in moved.items():
        part = int(pins.part[pin])
        if part < 0:
            ports_moved[int(pins.net[pin])] = net
            continue
        if part not in changed:
            changed[part] = {name: list(bits) for name, bits in parts[part][1].pins.items()}
        changed[part][pins.names[pins.name[pin]]][int(pins.bit[pin])] = net
    ports = {
        port: (way, [ports_moved.get(net, net) if way == "output" else net for net in bits])
        for port, (way, bits) in flat.ports.items()
    }
    port_net = np.array([ports_moved.get(net, net) for net in port_net.tolist()], np.int64)

    def part_of(n: int) -> tuple[Path, Part]:
        path, part = parts[n]
        if n in changed:
            part = replace(part, pins=changed[n])
        return path, replace(part, kind=kinds[n]) if n in kinds else part

    cells = [part_of(n) for n in range(len(flat.cells))]
    banks = [part_of(n) for n in range(len(flat.cells), len(parts))]
    full = replace(flat, ports=ports, cells=cells + added, banks=banks, nets=count)
    own = placement.middles(np.arange(len(flat.cells)))
    middles = np.append(own[0], x), np.append(own[1], y)
    return _placed(replace(placement, port_net=port_net), full, library, *middles)


def _paths(pins: PlacedPins, parts: Sequence[tuple[Path, Part]], nets: int) -> dict[int, Path]:
    """The module around what drives each net."""
    return {
        int(pins.net[n]): parts[int(pins.part[n])][0] for n in np.flatnonzero(pins.drives & (pins.part >= 0)).tolist()
    }


def _placed(placement: Placement, flat: Flat, library: Library, x: Floats, y: Floats) -> Placement:
    """A placement of another netlist with the same banks; x, y: middles of its cells in um."""
    before, objects = placement.objects, objects_of(flat, library)
    count = len(flat.cells)
    left = np.rint(x / SITE_UM - objects.width[:count] / 2).astype(np.int64)
    lower = np.rint(y / ROW_UM - 0.5).astype(np.int64)
    left = np.clip(left, 0, placement.width - objects.width[:count])
    lower = np.clip(lower, 0, placement.height - 1)
    return replace(
        placement,
        flat=flat,
        objects=objects,
        x=np.append(left, placement.x[before.cells :]),
        y=np.append(lower, placement.y[before.cells :]),
        wired=_wired(placement, objects),
    )


def _wired(placement: Placement, objects: Objects) -> Ints:
    """Pins that have a wire: bit lines have none in pieces of banks where they had none."""
    before = placement.objects
    bare = np.ones(len(before.pin_object), bool)
    bare[placement.wired] = False
    pieces = np.zeros(len(before.width) - before.cells, bool)
    pieces[before.pin_object[bare] - before.cells] = True
    lines = objects.bit_line == 1
    off = np.zeros(len(lines), bool)
    off[lines] = pieces[objects.pin_object[lines] - objects.cells]
    return np.flatnonzero(~off)
