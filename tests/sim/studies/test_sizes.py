"""Weights of the forms: found again where they are known, and what is stored follows from the stored arrays."""

import json
from pathlib import Path

import pytest

from fusioncim_sim.studies.sizes import measure
from fusioncim_sim.studies.sizes.arrays import ANCHOR, ARRAYS, PAPER, VARIED, heads_of, stored_array
from fusioncim_sim.studies.sizes.fit import deviations, fit, weights_of
from fusioncim_sim.studies.sizes.measure import summarize
from fusioncim_sim.studies.study import Request
from fusioncim_sim.system.size_forms import FORMS, weighted

MEASUREMENTS = Path(__file__).parents[3] / "measurements"
STORED = json.loads((MEASUREMENTS / "sizes.json").read_text(encoding="utf-8"))
COST = json.loads((MEASUREMENTS / "cost.json").read_text(encoding="utf-8"))
SOME = [PAPER.override(columns=columns, update_rank=rank) for columns, rank in ((64, 8), (256, 8), (64, 4), (128, 2))]


@pytest.mark.parametrize(
    "weights",
    [{"columns": 1.0}, {"columns": 0.7, "fixed": 0.3}, {"columns": 0.2, "products": 0.5, "fixed": 0.3}],
)
def test_weights_are_found_again(weights):
    ratios = [weighted(weights, config, PAPER) for config in SOME]
    found = weights_of(("columns", "products", "fixed"), PAPER, SOME, ratios)
    assert {name: weight for name, weight in found.items() if weight > 1e-3} == pytest.approx(weights, abs=1e-3)


def test_weights_are_shares():
    """Even where what was measured falls with the columns, which no form does."""
    found = weights_of(("columns", "products", "fixed"), PAPER, SOME, [2.0, 0.5, 2.0, 1.0])
    assert sum(found.values()) == pytest.approx(1)
    assert min(found.values()) >= 0


def test_heads_of_every_width():
    for columns in (64, 128, 256):
        config = PAPER.override(columns=columns)
        assert sum(head.q.shape[1] for head in heads_of(config)) == columns


def test_all_arrays_are_bit_exact():
    assert {*STORED["arrays"]} <= {*ARRAYS}
    assert len(STORED["arrays"]) >= 5
    assert not any(array["mismatches"] for array in STORED["arrays"].values())
    assert STORED["parameters"] == PAPER.as_dict()
    for name in VARIED:
        assert STORED["ranges"][name][0] < STORED["ranges"][name][1], name


def test_what_is_stored_follows_from_the_arrays():
    assert summarize(STORED["arrays"], STORED["added"]) == STORED


def test_the_anchor_is_predicted_by_itself():
    anchor = stored_array(COST["engine"]["sizes"]["8"])
    weights = fit({**STORED["arrays"], ANCHOR: anchor}, ANCHOR)
    assert max(map(abs, deviations(anchor, anchor, weights).values())) < 0.1
    for events in weights.values():
        for kinds in events.values():
            assert all(
                {*each} <= {*FORMS} and sum(each.values()) == pytest.approx(1, abs=1e-3) for each in kinds.values()
            )


def test_arrays_that_are_left_out_are_predicted():
    """Within 10 % of the energy of an engine."""
    assert STORED["deviation_percent"].keys() == {*STORED["arrays"]} - {ANCHOR}
    for name, errors in STORED["deviation_percent"].items():
        assert abs(errors["engine"]) <= 10, name


def test_the_file_has_the_anchor_of_the_cost_table_and_all_arrays(monkeypatch):
    some = next(each for name, each in STORED["arrays"].items() if name != ANCHOR)
    monkeypatch.setattr(measure, "measure_array", lambda liberty, array: {**some, "changes": array.changes})
    monkeypatch.setattr(measure, "added_shares", lambda: STORED["added"])
    ((name, data),) = measure.measure(Request(output=MEASUREMENTS, jobs=1))
    assert name == "sizes.json"
    assert [*data["arrays"]] == [*ARRAYS]
    assert data["arrays"][ANCHOR] == stored_array(COST["engine"]["sizes"]["8"])
    assert data["ranges"]["columns"] == [64, 256]
    assert data.keys() == STORED.keys()


def test_an_array_that_is_left_out_is_in_no_weight():
    name = next(iter(STORED["deviation_percent"]))
    without = fit(STORED["arrays"], ANCHOR, without=name)
    assert without == fit({key: each for key, each in STORED["arrays"].items() if key != name}, ANCHOR)
    assert without != STORED["weights"]
