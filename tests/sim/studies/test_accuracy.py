"""The stored error of the arithmetic: within the bounds, and what the code measures now."""

import json
from pathlib import Path

import pytest

from fusioncim_golden.config import Config
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.studies.accuracy import equal_keys, errors, targets

STORED = json.loads((Path(__file__).parents[3] / "measurements" / "accuracy.json").read_text(encoding="utf-8"))
KEYS = ("sqnr_floats_db", "max_error_floats_lsb", "sqnr_integers_db", "max_error_integers_lsb")
HEADS = {head.name: head for head in load_heads(fixture(), Config())}


def test_errors_reach_their_targets():
    for head in STORED["heads"].values():
        assert head["sqnr_integers_db"] >= 40
        assert head["max_error_integers_lsb"] <= 1
    assert STORED["flat"]["weight_sum_error_percent"] <= 1


@pytest.mark.parametrize("name", HEADS)
def test_errors_are_as_stored(name):
    assert errors(HEADS[name]) == pytest.approx(STORED["heads"][name], abs=0.02)


def test_equal_keys_are_as_stored():
    assert equal_keys() == pytest.approx(STORED["flat"], abs=0.002)


def test_the_worst_head_is_shown():
    heads = {
        name: dict(zip(KEYS, figures, strict=True))
        for name, figures in {"good": (40.0, 2.5, 60.0, 0.5), "bad": (30.0, 3.5, 50.0, 0.9)}.items()
    }
    rows = targets({"heads": heads, "flat": {"keys": 2048, "weight_sum_error_percent": 0.1}})
    assert [row[-1] for row in rows] == [
        *("30.0 to 40.0 dB, at most 3.5 LSB", "50.0 to 60.0 dB, at most 0.9 LSB", "0.1 %"),
    ]
