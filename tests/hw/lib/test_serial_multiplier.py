"""The serial multiplier: every digit, totals that wrap, and its latency."""

from pathlib import Path

import cocotb
import numpy as np
import pytest

from fusioncim.lib.serial_multiplier import Multiplier
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run

COUNT_BITS, STEP_BITS, START_BITS = 9, 12, 16
SHAPES = {"a bit": {}, "two bits": {"digit_bits": 2}, "three bits, wrapped": {"digit_bits": 3, "total_bits": 16}}
GAP = COUNT_BITS + 2


@cocotb.test()
async def multiplies(dut):
    shape = SHAPES[case()["shape"]]
    rng = np.random.default_rng(1)
    limits = {"count": 1 << COUNT_BITS, "step": 1 << STEP_BITS, "start": 1 << START_BITS}
    operands = {name: [0, limit - 1, *rng.integers(0, limit, 60).tolist()] for name, limit in limits.items()}
    runs = len(operands["count"])
    inputs = {name: np.repeat(values, GAP).tolist() for name, values in operands.items()}
    seen = await play(dut, inputs | {"go": ([1] + [0] * (GAP - 1)) * runs}, ["busy", "total"])
    for n, (count, step, start) in enumerate(zip(*operands.values(), strict=True)):
        cycles = -(-count.bit_length() // shape.get("digit_bits", 1))
        busy = seen["busy"][n * GAP + 1 : (n + 1) * GAP]
        assert busy == [1] * cycles + [0] * (GAP - 1 - cycles)
        total = (start + count * step) % (1 << shape.get("total_bits", 64))
        assert seen["total"][n * GAP + cycles + 1] == total


@pytest.mark.parametrize("shape", SHAPES)
def test_multiplies(shape):
    multiplier = Multiplier(COUNT_BITS, STEP_BITS, START_BITS, **SHAPES[shape])
    run(multiplier, Path(__file__).stem, "multiplies", {"shape": shape}, path=Path(__file__).parent)
