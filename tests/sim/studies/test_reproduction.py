"""The published tables and figures beside ours: sources of the values, differences."""

import json
from pathlib import Path

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_sim.studies.reproduction import LENGTHS, STUDY, Row, rows
from fusioncim_sim.studies.study import Request
from fusioncim_sim.studies.system import CORNER

ROOT = Path(__file__).parents[3]
STORED = json.loads((ROOT / "measurements" / "reproduction.json").read_text(encoding="utf-8"))
COST, RESCALES, SYSTEM = (
    json.loads((ROOT / "measurements" / f"{name}.json").read_text(encoding="utf-8"))
    for name in ("cost", "rescales", "system")
)


def made():
    layers = {tokens: SYSTEM["baselines"][str(tokens)] for tokens in LENGTHS}
    return rows(COST, RESCALES, layers)


def test_stored_rows_follow_from_the_stored_measurements():
    mine = {row.what: row for row in made()}
    assert mine.keys() == {row["what"] for row in STORED["rows"]}
    for row in STORED["rows"]:
        assert row["ours"] == pytest.approx(mine[row["what"]].ours), row["what"]
        assert row["difference"] == pytest.approx(mine[row["what"]].difference), row["what"]


def test_every_difference_has_a_reason():
    assert all(row.why and row.where for row in made())
    assert len(made()) == 24


def test_the_headline_with_and_without_what_is_around_the_engines():
    found = {row.what: row for row in made()}
    engines, system = (
        found[f"efficiency {what}"] for what in ("of the engines alone", "with buffer, network and control")
    )
    assert engines.published == (29.4, 29.4)
    assert system.published[0] == pytest.approx(52.4 / 2.1, rel=1e-3)
    assert engines.ours == COST["table"]["hybrid engine"][CORNER]["tops_per_w"]
    assert system.ours == COST["table"]["system"][CORNER]["tops_per_w"]


def test_rescales_are_those_of_the_captured_heads():
    found = {row.what: row.ours for row in made()}
    assert found["rescales fewer, diagonal first against in order"] == pytest.approx(100 * (1 - 7487 / 22160))
    assert found["rescales fewer, with the reference rule of this chip"] == pytest.approx(100 * (1 - 771 / 22160))


def test_difference_from_a_range():
    row = Row(what="a", where="b", published=(20.0, 40.0), ours=30.0, unit="%", why="c")
    assert row.difference == 0
    assert Row(**{**vars(row), "ours": 50.0}).difference == pytest.approx(0.25)
    assert Row(**{**vars(row), "ours": 10.0}).difference == pytest.approx(-0.5)


def test_measurements_that_are_missing(tmp_path):
    with pytest.raises(InputError, match=r"the measurement cannot be read \(.*cost\.json"):
        list(STUDY.measure(Request(output=tmp_path, jobs=1)))
