"""Late gates that stand off their way, and go there.

A placer that knows no time may put a gate far from the way between what drives it and what waits for it. Such a gate
moves into the box around both, as far as it must and no further. Gates in the rows of an array stay.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.cells.table_lookup import Floats, Ints
from fusioncim.asic.placement.nets import Net
from fusioncim.asic.placement.objects import ROW_UM, SITE_UM
from fusioncim.asic.placement.placed_pins import PlacedPins
from fusioncim.asic.placement.placement import Placement

AWAY_UM = 20.0
"""By which a gate is off its way before it moves."""
LATE_NS = 0.05
"""What a pin may have more of time than its net, and be waited for."""
PASSES = 4
"""Over late gates, as those before and behind a gate move too."""
ROW = re.compile(r"(?:row|lane)_\d+")
"""Names of the rows of arrays."""


def move_late_gates(
    placement: Placement, pins: PlacedPins, nets: Mapping[int, Net], library: Library, slack: Floats, margin_ns: float
) -> set[int]:
    """Move late gates of a placement, and their pins, in place; the numbers of those that moved.

    slack: of every pin; margin_ns: that from which a gate is not late.
    """
    late = [n for n in np.unique(pins.part[slack < margin_ns]).tolist() if _movable(placement, nets, library, n)]
    own = _pins_of(pins, late)
    moved = set()
    for _ in range(PASSES):
        for n in late:
            inputs, outputs = (own[n][pins.drives[own[n]] == way] for way in (False, True))
            before = nets[int(pins.net[inputs[slack[inputs].argmin()]])].driver
            behind = [pin for out in outputs.tolist() for bundle in nets[int(pins.net[out])].pins
                      for pin in bundle if slack[pin] < slack[out] + LATE_NS]  # fmt: skip
            around, at = [before, *behind], own[n][0]
            x = float(np.clip(pins.x[at], pins.x[around].min(), pins.x[around].max()))
            y = float(np.clip(pins.y[at], pins.y[around].min(), pins.y[around].max()))
            if abs(x - pins.x[at]) + abs(y - pins.y[at]) > AWAY_UM:
                pins.x[own[n]], pins.y[own[n]] = x, y
                moved.add(n)
    for n in moved:
        at = own[n][0]
        placement.x[n] = round(float(pins.x[at]) / SITE_UM - placement.objects.width[n] / 2)
        placement.y[n] = round(float(pins.y[at]) / ROW_UM - 0.5)
    return moved


def _movable(placement: Placement, nets: Mapping[int, Net], library: Library, part: int) -> bool:
    """Whether a part is a gate outside of the rows of arrays, with pins that all have nets."""
    if not 0 <= part < len(placement.flat.cells):
        return False
    path, cell = placement.flat.cells[part]
    if len(path) > 1 and path[0] in placement.arrays and ROW.fullmatch(path[1]):
        return False
    kind = library.cells[cell.kind]
    ends = [net for name in (*kind.inputs, *kind.outputs) for net in cell.pins.get(name, ())]
    return kind.kind == "comb" and bool(kind.inputs) and all(net in nets for net in ends)


def _pins_of(pins: PlacedPins, parts: Sequence[int]) -> dict[int, Ints]:
    """Numbers of the pins of parts."""
    order = np.argsort(pins.part, kind="stable")
    first, last = (np.searchsorted(pins.part[order], parts, side) for side in ("left", "right"))
    return {part: order[a:b] for part, a, b in zip(parts, first.tolist(), last.tolist(), strict=True)}
