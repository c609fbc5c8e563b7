"""The stored error of the arithmetic: within the bounds, and what the code measures now."""

import json
from pathlib import Path

import pytest

from fusioncim_golden.config import Config
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.studies.accuracy import equal_keys, errors, targets

STORED = json.loads((Path(__file__).parents[3] / "measurements" / "accuracy.json").read_text(encoding="utf-8"))
HEADS = {head.name: head for head in load_heads(fixture(), Config())}


def test_errors_reach_their_targets():
    for head in STORED["heads"].values():
        assert head["sqnr_db"] >= 40
        assert head["max_error_lsb"] <= 1
    assert STORED["flat"]["weight_sum_error_percent"] <= 1


@pytest.mark.parametrize("name", HEADS)
def test_errors_are_as_stored(name):
    assert errors(HEADS[name]) == pytest.approx(STORED["heads"][name], abs=0.02)


def test_equal_keys_are_as_stored():
    assert equal_keys() == pytest.approx(STORED["flat"], abs=0.002)


def test_the_worst_head_is_shown():
    heads = {
        "good": {"sqnr_db": 60.0, "max_error_lsb": 0.5, "sqnr_unquantized_db": 40.0},
        "bad": {"sqnr_db": 50.0, "max_error_lsb": 0.9, "sqnr_unquantized_db": 30.0},
    }
    rows = targets({"heads": heads, "flat": {"keys": 2048, "weight_sum_error_percent": 0.1}})
    assert [row[-1] for row in rows] == ["50.0 to 60.0 dB, at most 0.9 LSB", "30.0 to 40.0 dB", "0.1 %"]
