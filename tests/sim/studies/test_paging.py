"""What pages cost, as stored: within the goal, and what the code finds now."""

import json
from pathlib import Path

import pytest

from fusioncim_golden.presets import PRESETS
from fusioncim_sim.studies import paging

STORED = json.loads((Path(__file__).parents[3] / "measurements" / "paging.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", paging.LAYERS)
@pytest.mark.parametrize("layout", paging.LAYOUTS)
def test_pages_of_16_keys_cost_at_most_2_percent(name, layout):
    one = STORED["layers"][name][layout]["as built"]
    assert all(one[str(size)] <= 1.02 * one["0"] for size in paging.SIZES)


def test_what_was_not_taken_costs_more():
    one = STORED["layers"]["a window of 1,024 over 8,192"]["head"]
    assert all(one[build]["16"] > 1.02 * one[build]["0"] for build in paging.BUILDS if build != "as built")


@pytest.mark.parametrize(
    ("name", "layout", "size", "build"),
    [
        ("prefill of 2,048", "token", 16, "as built"),
        ("decode over 8,192", "head", 16, "as built"),
        ("a window of 1,024 over 8,192", "head", 0, "as built"),
        ("a window of 1,024 over 8,192", "head", 16, "one bit per cycle"),
    ],
)
def test_cycles_are_as_stored(name, layout, size, build):
    found = paging.cycles(PRESETS["paper"], name, layout, size, build)
    assert found == STORED["layers"][name][layout][build][str(size)]
