"""The exponential of eight steps: gates against numbers, numbers against the exponential."""

from math import exp
from pathlib import Path

import cocotb
import numpy as np

from fusioncim.comparison.float16 import bits_of, number_of, rounded
from fusioncim.comparison.taylor_exponential import COEFFICIENTS, SEGMENTS, STEPS, TaylorExponential, exponential
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run

CYCLES = STEPS


def numbers():
    """From 0 down, denser towards it, some beyond the last segment."""
    rng = np.random.default_rng(1)
    some = [*rng.uniform(0, 17, 200), *rng.uniform(0, 1, 50), *(2.0 ** -rng.uniform(0, 14, 50))]
    return [0.0, -1.0, -2.0, -15.99, -16.0, -1000.0, *(float(-n) for n in range(3, 16)), *(-float(x) for x in some)]


def test_gates():
    run(TaylorExponential(), Path(__file__).stem, "matches_numbers", {}, path=Path(__file__).parent)


@cocotb.test()
async def matches_numbers(dut):
    given = [bits_of(rounded(x)) for x in numbers()]
    idle = [0] * (CYCLES - 1)
    inputs = {
        "start": [*(bit for _ in given for bit in (1, *idle)), *[0] * 3],
        "x": [*(bit for x in given for bit in (x, *idle)), *[0] * 3],
    }
    seen = await play(dut, inputs, ["done", "y"])
    found = [y for y, done in zip(seen["y"], seen["done"], strict=True) if done]
    assert seen["done"].index(1) == CYCLES + 1
    assert found == [bits_of(exponential(number_of(x))) for x in given]


def test_the_table_has_128_bytes():
    assert len(COEFFICIENTS) * len(COEFFICIENTS[0]) * 2 == 128
    assert (SEGMENTS, STEPS) == (8, 8)


def test_numbers_are_near_the_exponential():
    for x in map(rounded, numbers()):
        assert abs(exponential(x) - exp(x)) < 2e-3
    assert exponential(-16.0) == 0
