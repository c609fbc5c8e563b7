"""Wires by what drives them and what takes them: the classes in which wires of engines of other sizes are alike.

A net and what buffers make of it count as one. Its class names the unit that drives it, whether gates or registers do,
and the units that take it:

    OP-CIM broadcast, gates to OP-CIM rows
"""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.table_lookup import Floats, Ints
from fusioncim.asic.netlist.netlist import ONE, ZERO, Flat
from fusioncim_sim.gates.units import unit_of

PORTS = "engine, ports"
"""What drives the nets of input ports."""


def classes_of_nets(flat: Flat, library: Library) -> tuple[Ints, list[str]]:
    """The number of every net's class, and the classes by number."""
    drivers = [PORTS] * flat.nets
    takers: list[set[str]] = [set() for _ in range(flat.nets)]
    before = list(range(flat.nets))  # the net before a buffer
    for path, part in (*flat.cells, *flat.banks):
        cell, unit = library.cells.get(part.kind), unit_of(path)
        inputs, outputs = (cell.inputs, cell.outputs) if cell else ([], ["read_data"])
        buffer = cell is not None and cell.kind == "comb" and len(inputs) == len(outputs) == 1
        for pin, nets in part.pins.items():
            for net in nets:
                if net in (ZERO, ONE) or net < 0:
                    continue
                if pin in outputs:
                    drivers[net] = f"{unit}, {'gates' if cell and cell.kind == 'comb' else 'registers'}"
                    if buffer:
                        before[net] = part.pins[inputs[0]][0]
                elif not buffer:
                    takers[net].add(unit)
    roots = [_root(before, net) for net in range(flat.nets)]
    for net, root in enumerate(roots):
        takers[root] |= takers[net]
    names = [f"{drivers[root]} to {', '.join(sorted(takers[root]))}" for root in roots]
    classes = sorted(set(names))
    number = {name: n for n, name in enumerate(classes)}
    return np.array([number[name] for name in names]), classes


def by_class(flat: Flat, library: Library, values: Floats) -> dict[str, float]:
    """The sum of what every net has, by class, where it is not 0."""
    numbers, classes = classes_of_nets(flat, library)
    sums = np.bincount(numbers, values, len(classes))
    return {name: float(total) for name, total in zip(classes, sums, strict=True) if total}


def growth(unit: str, moved: Mapping[str, float], before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """How many times as much the wires that a unit drives take in another size, if those of a class move alike.

    moved: by class, length times edges in the size that was run. before, after: lengths in both sizes.
    """
    own = {name: weight for name, weight in moved.items() if name.startswith(f"{unit}, ") and before.get(name)}
    total = sum(own.values())
    return sum(weight * after.get(name, 0.0) / before[name] for name, weight in own.items()) / total if total else 1.0


def units_of(lengths: Mapping[str, float]) -> dict[str, float]:
    """Lengths by the unit that drives them."""
    found: dict[str, float] = defaultdict(float)
    for name, length in lengths.items():
        found[name.partition(", ")[0]] += length
    return dict(found)


def _root(before: list[int], net: int) -> int:
    """The net before all buffers."""
    while before[net] != net:
        net = before[net]
    return net
