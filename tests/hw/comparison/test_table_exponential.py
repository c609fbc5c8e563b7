"""A lane's exponential alone: gates against integers, integers against the golden softmax."""

from pathlib import Path

import cocotb
import numpy as np
import pytest

from fusioncim.comparison.table_exponential import Far, TableExponential, exponential
from fusioncim_golden.config import REFERENCE_BITS
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.softmax import probabilities
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run

CONFIG = PRESETS["paper"].engine
FAR = {"one table": None, "two tables": Far(distance=3, entries=16)}


def scores():
    """X and exponents: distances from 0 to far beyond what leaves anything."""
    rng = np.random.default_rng(1)
    exponent = rng.integers(-200, 200, 2000)
    distance = np.minimum(rng.geometric(0.2, 2000) - 1, 40)
    return (exponent - distance << CONFIG.fraction_bits) + rng.integers(0, 64, 2000), exponent


@pytest.mark.parametrize("name", FAR)
def test_gates(name):
    unit = TableExponential(CONFIG, FAR[name])
    run(unit, Path(__file__).stem, "matches_integers", {"name": name}, path=Path(__file__).parent)


@cocotb.test()
async def matches_integers(dut):
    x, exponent = scores()
    bits, low = CONFIG.fraction_bits + REFERENCE_BITS, (1 << REFERENCE_BITS) - 1
    inputs = {
        "enable": [1] * len(x) + [0] * 3,
        "x": [*(int(each) & ((1 << bits) - 1) for each in x), 0, 0, 0],
        "exponent": [*(int(each) & low for each in exponent), 0, 0, 0],
    }
    seen = await play(dut, inputs, ["p"])
    expected = exponential(CONFIG, x, exponent, FAR[case()["name"]])
    assert seen["p"][2:-1] == expected.tolist()


def test_integers_are_those_of_the_golden_softmax():
    """Of a block of two keys: the first has the largest score."""
    x, exponent = scores()
    top = exponent << CONFIG.fraction_bits
    block = probabilities(CONFIG, np.stack([top, x], -1), np.ones((len(x), 2), dtype=bool))
    assert (block.p[:, 1] == exponential(CONFIG, x, exponent)).all()


def test_a_second_table_changes_what_is_far_alone():
    x, exponent = scores()
    one, two = exponential(CONFIG, x, exponent), exponential(CONFIG, x, exponent, Far(distance=3, entries=16))
    near = exponent - (x >> CONFIG.fraction_bits) < 3
    assert (one == two)[near].all()
    assert 0 < np.abs(one - two).max() <= 1
