"""What masks cost, as stored: within the bounds, and what the code finds now."""

import json
from pathlib import Path

import pytest

from fusioncim_golden.config import Config
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.studies import masks

STORED = json.loads((Path(__file__).parents[3] / "measurements" / "masks.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "name", ["causal", "a window of 128", "a window of 1,024", "a window of 4,096", "64 to each side"]
)
def test_a_layer_is_near_what_bounds_it(name):
    one = STORED["layers"][name]
    assert one["cycles"]["folded"] <= 1.1 * max(one["multiplications"], one["reads"], one["writes"])
    assert one["cycles"]["folded"] == min(one["cycles"].values())


def test_rolling_tiles_take_longer_where_they_have_to_wait():
    one = STORED["layers"]["a window of 1,024"]
    assert one["rolling"] > one["cycles"]["folded"]


def test_rows_are_rarely_moved():
    for one in STORED["heads"].values():
        assert one["folded"]["rescales"] + one["folded"]["halvings"] <= 0.15 * one["in_order"]["exact"]


@pytest.mark.parametrize("order", ["folded", "sink_first"])
def test_cycles_are_as_stored(order):
    mask = masks.LAYERS["a window of 1,024"]
    assert masks.cycles(PRESETS["paper"], mask, order) == STORED["layers"]["a window of 1,024"]["cycles"][order]


def test_moves_are_as_stored():
    heads = [head for head in load_heads(fixture(), Config()) if head.name == "local"]
    whole = STORED["heads"]["32 to each side"]["folded"]
    one = masks.moves(heads, masks.HEADS["32 to each side"], "folded")
    assert 0 < one["rescales"] < whole["rescales"]
    assert one["exact"] < whole["exact"]
