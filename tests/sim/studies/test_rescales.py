"""The stored counts of rescales: within the bound, and what the code counts now."""

import json
from pathlib import Path

import pytest

from fusioncim_golden.config import Config
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.heads.rescales import as_dict, count_moves

STORED = json.loads((Path(__file__).parents[3] / "measurements" / "rescales.json").read_text(encoding="utf-8"))
HEADS = {head.name: head for head in load_heads(fixture(), Config())}


def test_rescales_are_rare():
    assert STORED["total"]["below_exact_in_order_percent"]["diagonal_first"]["slack 4"] >= 90


@pytest.mark.parametrize("name", ["local", "sink"])
def test_rescales_are_as_stored(name):
    assert as_dict(count_moves(Config(), HEADS[name])) == STORED["heads"][name]
