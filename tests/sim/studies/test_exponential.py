"""The exponentials side by side: what is played, what is left of the outputs, the stored figures."""

import json
from pathlib import Path

import numpy as np
import pytest

from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.asic.synthesis.synth import synthesize
from fusioncim.comparison.float16 import number_of
from fusioncim.comparison.table_exponential import TableExponential
from fusioncim.comparison.taylor_exponential import STEPS
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.studies.exponential import exponential_table, mapped
from fusioncim_sim.studies.exponential.error import head_scores, quality, worst_error
from fusioncim_sim.studies.exponential.scores import samples, table_inputs, taylor_inputs
from fusioncim_sim.studies.exponential.units import (
    LANE,
    SMALL,
    TABLE,
    TABLES,
    TAYLOR,
    exact_weights,
    half,
    table_weights,
    taylor_weights,
)

ROOT = Path(__file__).parents[3]
STORED = json.loads((ROOT / "measurements" / "exponential.json").read_text(encoding="utf-8"))
UNITS = STORED["units"]


def test_both_get_the_same_scores():
    table, taylor = table_inputs(samples()), taylor_inputs(samples())
    scores = sum(int(each.seen.sum()) for each in samples())
    assert len(table["x"]) == table["enable"].count("1") == taylor["start"].count("1") == scores == STORED["scores"]
    assert len(taylor["x"]) == STEPS * scores
    assert all(number_of(int(x, 16)) <= 0 for x in taylor["x"])


def test_a_block_has_the_exponent_of_its_largest_score_so_far():
    for each in samples():
        assert (each.exponent >= each.x >> SMALL.fraction_bits)[each.seen].all()
        assert each.below[each.seen].max() == 0


def test_differences_become_natural_logarithms():
    assert half(0) == 0
    assert half(-64) == pytest.approx(-np.log(2), rel=1e-3)


def test_weights():
    """Two blocks: what is small beside the first one keeps its bits in the second."""
    below = np.array([0, 64, 32, 64 * 20, *[640] * 4, *[320] * 8])
    x = 640 - below[None]
    expected = np.exp2(-below / 64)
    assert exact_weights(x)[0] == pytest.approx(expected)
    assert taylor_weights(x)[0] == pytest.approx(expected, abs=1e-3)
    table = table_weights(TABLES[TABLE], x)[0]
    assert table / table[0] == pytest.approx(expected, abs=0.015)
    assert table[8:] / table[0] == pytest.approx(expected[8:], rel=0.02)


def test_exact_weights_have_no_error():
    assert worst_error(exact_weights) == 0
    assert quality(exact_weights) == {"worst": np.inf, "mean": np.inf}
    x, seen, v = head_scores(load_heads(fixture(), SMALL)[0])
    assert x.shape == seen.shape == (len(x), len(v))
    assert exact_weights(x)[~seen].max() == 0


def test_a_small_unit_as_its_cells():
    config = LANE.override(lut_size=8)
    inputs = {"enable": ["1"] * 8, "x": [f"{n * 8:x}" for n in range(8)], "exponent": ["0"] * 8}
    found = mapped(TableExponential(config), inputs, cycles=1)
    assert found["um2"] == pytest.approx(synthesize(TableExponential(config), load(default_liberty())).area(), abs=0.1)
    assert 10 < found["fj_per_score"] < 2000
    assert 0.2 < found["shortest_ns"] < 2.5


def test_stored_figures():
    taylor, table = UNITS[TAYLOR], UNITS[TABLE]
    assert set(UNITS) == {TAYLOR, *TABLES}
    assert (taylor["table_bytes"], table["table_bytes"]) == (128, 48)
    assert taylor["um2"] > table["um2"]
    assert taylor["fj_per_score"] > 8 * table["fj_per_score"]
    assert taylor["error"] < table["error"] < UNITS["a table of 16"]["error"]
    assert min(one["sqnr_db"]["worst"] for one in UNITS.values()) > 30
    assert len(exponential_table(STORED).splitlines()) == 2 + len(UNITS)


def test_errors_are_those_of_the_units():
    assert UNITS[TAYLOR]["error"] == worst_error(taylor_weights)
    for name, this in TABLES.items():
        assert UNITS[name]["error"] == worst_error(lambda x, this=this: table_weights(this, x))
