"""The stall watch against its rule, one cycle after the other."""

from pathlib import Path

import cocotb
import numpy as np

from fusioncim.chip.stall_watch import StallWatch
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run

CYCLES = 4000


def inputs():
    """Limits of 0 to 5 cycles that change seldom, and a bus that owes and rests in runs."""
    rng = np.random.default_rng(1)
    limit = np.repeat(rng.integers(0, 6, CYCLES // 100), 100)
    limit[-1000:] = (1 << 32) - 1
    owes = np.repeat(rng.random(CYCLES // 10) < 0.7, 10)
    moves = np.repeat(rng.random(CYCLES // 4) < 0.3, 4) & (rng.random(CYCLES) < 0.8) & owes
    return {name: x.astype(int).tolist() for name, x in (("limit", limit), ("owes", owes), ("moves", moves))}


@cocotb.test()
async def keeps_its_rule(dut):
    given = inputs()
    seen = (await play(dut, given, ["stalled"]))["stalled"]
    count = stalled = 0
    stalls = 0
    for n, (limit, owes, moves) in enumerate(zip(*given.values(), strict=True)):
        assert seen[n] == stalled, n
        begins = owes and not moves and count == 1
        stalled = int(owes and (stalled or begins))
        stalls += begins
        count = limit if moves or not owes or count == 0 else count - 1
    assert stalls > 50


def test_it_keeps_its_rule():
    run(StallWatch(), Path(__file__).stem, "keeps_its_rule", {}, path=Path(__file__).parent)


# Limits by cycle, of 20 cycles in which the bus owes something and moves in the first; when `stalled` rises.
COUNTS = {
    "seven": ([7] * 20, 8),
    "one": ([1] * 20, 2),
    "twelve": ([12] * 20, 13),
    "none": ([0] * 20, None),
    "a limit that comes late": ([0] * 5 + [3] * 15, 9),
}


@cocotb.test()
async def counts_to_the_limit(dut):
    rest = 5  # cycles in which nothing is owed
    given = {
        "limit": [x for limits, _ in COUNTS.values() for x in (*limits, *limits[-1:] * rest)],
        "owes": ([1] * 20 + [0] * rest) * len(COUNTS),
        "moves": ([1] + [0] * (19 + rest)) * len(COUNTS),
    }
    seen = (await play(dut, given, ["stalled"]))["stalled"]
    for n, (name, (_, rises)) in enumerate(COUNTS.items()):
        this = seen[25 * n :][:20]
        assert (this.index(1) if 1 in this else None) == rises, name
        assert rises is None or all(this[rises:]), name


def test_it_counts_to_the_limit():
    run(StallWatch(), Path(__file__).stem, "counts_to_the_limit", {}, path=Path(__file__).parent)


LONG = 0b1010101010101
"""Cycles that take many bits to count."""


@cocotb.test()
async def counts_a_long_limit(dut):
    cycles = LONG + 4
    given = {"limit": [LONG] * cycles, "owes": [1] * cycles, "moves": [1] + [0] * (cycles - 1)}
    seen = (await play(dut, given, ["stalled"]))["stalled"]
    assert seen.index(1) == LONG + 1


def test_it_counts_a_long_limit():
    run(StallWatch(), Path(__file__).stem, "counts_a_long_limit", {}, path=Path(__file__).parent)
