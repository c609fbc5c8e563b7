"""Runs the placer Coloquinte (G. Gouvine) in a process of its own: it prints, and cannot be interrupted.

One unit of it is a site in x and a seventh of a row in y: a row has 7.37 sites, and only so do cells stand on sites.
Distances in y so count 5 % less than those in x.
"""

import importlib.metadata
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fusioncim.asic.cells.table_lookup import Floats, Ints
from fusioncim.build.cache import build_root, filled_once, short_hash
from fusioncim.build.program import run_program
from fusioncim_golden.errors import InputError

UNITS = 7
"""Of the placer, in a row."""
EFFORT = 3
SEED = 1
LIMIT_S = 3600
"""A placement that takes longer is an error."""

Box = tuple[int, int, int, int]
"""Left, right, lower and upper edge, in sites and rows."""

PROGRAM = """\
import sys
import coloquinte as c
import numpy as np
given = np.load(sys.argv[1])
width, height = given["width"].tolist(), given["height"].tolist()
circuit = c.Circuit(len(width))
circuit.cell_width, circuit.cell_height = width, height
circuit.cell_is_fixed = [not w for w in width]
circuit.cell_is_obstruction = [bool(w) for w in width]
circuit.cell_row_polarity = [c.CellRowPolarity.ANY if h > {units} else c.CellRowPolarity.SAME for h in height]
circuit.rows = [
    c.Row(c.Rectangle(left, right, {units} * row, {units} * (row + 1)), c.CellOrientation.N)
    for left, right, lower, upper in given["boxes"].tolist()
    for row in range(lower, upper)
]
starts, objects = given["starts"].tolist(), given["objects"].tolist()
x, y = given["x"].tolist(), given["y"].tolist()
for start, end in zip(starts, starts[1:]):
    circuit.add_net(objects[start:end], x[start:end], y[start:end])
effort = c.ColoquinteParameters({effort}, {seed})
circuit.place_global(effort)
circuit.legalize(effort)
circuit.place_detailed(effort)
turned = [str(n) for n, o in enumerate(circuit.cell_orientation) if o != c.CellOrientation.N]
if turned:
    raise RuntimeError("turned: " + " ".join(turned[:9]))
np.savez(sys.argv[2], x=circuit.cell_x, y=circuit.cell_y)
"""


@dataclass(frozen=True)
class Problem:
    """Objects to be placed in boxes of rows.

    Members:
        boxes: where they may stand.
        width, height: of each object, in sites and rows.
        pin_object, pin_net, pin_x, pin_y: pins by object, in sites and rows from its lower left corner; object -1 for
            a pin that has its place.
    """

    boxes: Sequence[Box]
    width: Ints
    height: Ints
    pin_object: Ints
    pin_net: Ints
    pin_x: Floats
    pin_y: Floats

    def arrays(self) -> dict[str, Ints]:
        """As the placer takes it: nets that it can change, and an object without a size for pins that have a place."""
        numbers, net, degree = np.unique(self.pin_net, return_inverse=True, return_counts=True)
        movable = np.bincount(net, self.pin_object >= 0, len(numbers))
        order = np.argsort(net, kind="stable")
        order = order[((degree > 1) & (movable > 0))[net[order]]]
        objects = np.where(self.pin_object < 0, len(self.width), self.pin_object)[order]
        return {
            "boxes": np.array(self.boxes, np.int64),
            "width": np.append(self.width, 0),
            "height": np.append(self.height * UNITS, 0),
            "starts": np.append(np.flatnonzero(np.diff(net[order], prepend=-1)), len(order)),
            "objects": objects,
            "x": np.rint(self.pin_x[order]).astype(np.int64),
            "y": np.rint(self.pin_y[order] * UNITS).astype(np.int64),
        }


def require_placer() -> None:
    """Refuse to start without Coloquinte."""
    if not importlib.util.find_spec("coloquinte"):
        raise InputError("coloquinte is missing: install it with pip install 'fusioncim[place]'")


def place(problem: Problem, name: str) -> tuple[Ints, Ints]:
    """Left and lower edge of each object, in sites and rows; kept by content. name: for messages."""
    require_placer()
    arrays = problem.arrays()
    program = PROGRAM.format(units=UNITS, effort=EFFORT, seed=SEED)
    content = [f"{key} {each.tolist()}" for key, each in arrays.items()]
    place = build_root() / "placement" / short_hash(importlib.metadata.version("coloquinte"), program, *content)
    with filled_once(place) as scratch:
        if scratch:
            _run(arrays, program, scratch, name)
    with np.load(place / "places.npz") as places:
        x, y = (places[key][:-1].astype(np.int64) for key in "xy")
    return x, y // UNITS


def _run(arrays: dict[str, Ints], program: str, scratch: Path, name: str) -> None:
    with tempfile.TemporaryDirectory() as given:
        np.savez(Path(given) / "problem.npz", allow_pickle=False, **arrays)
        command = [sys.executable, "-c", program, f"{given}/problem.npz", str(scratch / "places.npz")]
        try:
            done = run_program(command, limit_s=LIMIT_S)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"placing {name} took more than {LIMIT_S} s") from None
    if done.returncode:
        raise RuntimeError(f"placing {name} failed: {(done.stdout + done.stderr)[-1000:]}")
