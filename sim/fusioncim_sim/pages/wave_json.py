"""What a run of an engine did in each cycle, as WaveJSON: the format of WaveDrom, which draws it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

LONGEST = 4
"""Cycles without a change that are drawn; of more, this many, and the clock has a break."""
BREAK = 2
"""Which of them has it."""


@dataclass(frozen=True)
class Lane:
    """One line of the picture.

    Members:
        name: what stands before it.
        levels: per cycle, whether something happens.
        each: cycles in which it happens that make one box.
        label: of a box; {} is its number, from 0.
    """

    name: str
    levels: NDArray[np.bool_]
    each: int
    label: str = "{}"

    def __post_init__(self) -> None:
        if self.each < 1:
            raise ValueError(f"each must be at least 1, not {self.each}")

    def boxes(self) -> dict[int, str]:
        """Label by the cycle in which a box begins, or goes on after a pause; an empty one where nothing happens."""
        cycles = np.flatnonzero(self.levels).tolist()
        found = {0: ""}
        for n, (before, cycle) in enumerate(pairwise([-1, *cycles])):
            paused = cycle > before + 1
            if paused:
                found[before + 1] = ""
            if paused or n % self.each == 0:
                found[cycle] = self.label.format(n // self.each)
        if cycles:
            found[cycles[-1] + 1] = ""
        return found


def wave_json(lanes: Sequence[Lane], *, last: int | None = None) -> dict[str, Any]:
    """WaveJSON of these lanes below a clock, up to cycle `last`, which is left out.

    A stretch of cycles in which no lane changes is shortened to `LONGEST`, with a break in the clock. The second line
    numbers the cycles.
    """
    last = len(lanes[0].levels) if last is None else last
    boxes = [each.boxes() for each in lanes]
    changes = {0, last} | {cycle for each in boxes for cycle in each if cycle < last}
    bricks: list[int] = []
    clock, numbers = "", {}
    for a, b in pairwise(sorted(changes)):
        shown = range(a, min(b, a + LONGEST))
        clock += "".join("|" if b - a > LONGEST and cycle - a == BREAK else "." for cycle in shown)
        numbers[a] = str(a) if b == a + 1 else f"{a}-{b - 1}"
        bricks += shown
    drawn = [_signal(each.name, found, bricks) for each, found in zip(lanes, boxes, strict=True)]
    return {
        "signal": [{"name": "clk", "wave": "p" + clock[1:]}, _signal("cycle", numbers, bricks), *drawn],
        "config": {"skin": "narrow"},
    }


def _signal(name: str, boxes: Mapping[int, str], bricks: Sequence[int]) -> dict[str, Any]:
    """A line of WaveDrom, by the cycles of its bricks."""
    wave = "".join(("=" if boxes[cycle] else "0") if cycle in boxes else "." for cycle in bricks)
    return {"name": name, "wave": wave, "data": [boxes[cycle] for cycle in bricks if boxes.get(cycle)]}
