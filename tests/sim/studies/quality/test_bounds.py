"""What a configuration loses; and that `paper` as it is loses nothing."""

import json
from pathlib import Path

import pytest

from fusioncim_sim.studies.quality.bounds import FEWER, lost_of, verdict
from fusioncim_sim.studies.quality.tables import CHIP_ORDER

MEASUREMENTS = Path(__file__).parents[4] / "measurements"
MODELS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in MEASUREMENTS.glob("quality*.json")}
SMOLLM2 = MODELS["quality"]


@pytest.mark.parametrize(
    ("loss", "interval", "same", "tokens", "lost"),
    [
        (-0.001, 0.0004, 0.995, 10_000, ("nothing", "nothing", "nothing")),
        (-0.0015, 0.0006, 0.992, 10_000, ("nothing", "nothing", "loss")),
        (0.0015, 0.0006, 0.992, 5_000, ("nothing", "nothing", "loss and tokens")),
        (0.0023, 0.0006, 0.992, 10_000, ("nothing", "loss", "loss")),
        (-0.003, 0.0006, 0.988, 10_000, ("loss", "loss and tokens", "loss and tokens")),
        (0.001, 0.0006, 0.987, 10_000, ("tokens", "tokens", "tokens")),
    ],
)
def test_a_verdict_names_what_is_lost(loss, interval, same, tokens, lost):
    one = {"difference": loss, "interval": interval, "top1": same, "tokens": tokens}
    assert tuple(verdict(lost_of(one, intervals)) for intervals in (-1, 0, 1)) == lost


@pytest.mark.parametrize("name", MODELS)
def test_rescales_are_rare_by_default(name):
    patterns = MODELS[name]["patterns"]
    assert patterns["default"] == {"schedule": "sink_first", "rule": "slack 6"}
    for order in ("sink_first", CHIP_ORDER):
        assert patterns["total"]["rules"][order]["slack 6"]["below_exact_in_order_percent"] >= FEWER


def test_the_default_configuration_loses_nothing():
    default = SMOLLM2["default"]
    assert default["tokens"] >= 20_000
    arithmetic, engine = default["arithmetic"]["float"], default["engine"]["float"]
    assert lost_of(arithmetic, 1) == []
    assert engine["difference"] <= 0.01
    assert engine["top1"] >= 0.97


def test_the_backend_is_fast():
    speed = SMOLLM2["speed"]
    assert speed["ratio"] <= 10
    assert speed["whole_minutes"] + speed["load_minutes"] <= 20
    assert speed["quick_minutes"] + speed["load_minutes"] <= 2
