"""The tables of what the tests reach, and what is asked for before it is measured."""

import json

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_sim.coverage import record
from fusioncim_sim.studies.coverage import STUDY, percent, plan_table, rtl_table
from fusioncim_sim.studies.study import Request

KIND = {"points": 10, "reached": 8, "left_out": 0}
STORED = {
    "plan": {
        "edges": {"points": 1000, "reached": 999, "left_out": {}, "missing": ["rows: 1"]},
        "jobs": {"points": 3, "reached": 3, "left_out": {"a rule": 2}, "missing": []},
    },
    "rtl": {
        "units": {
            "lane": {"file": "engine/lane.py", "line": KIND, "branch": KIND, "toggle": {**KIND, "left_out": 2}},
            "row": {"file": "row.py", "line": {**KIND, "reached": 10}, "branch": KIND, "toggle": KIND},
        }
    },
}


def test_nothing_but_all_is_a_hundred_percent():
    assert [percent(n, 1000) for n in (0, 999, 1000)] == ["0.0 %", "99.9 %", "100.0 %"]
    assert percent(99_999, 100_000) == "99.9 %"
    assert not percent(0, 0)


def test_the_plan_tells_what_is_left_out():
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in plan_table(STORED).splitlines()[2:]]
    assert rows == [["edges", "1,000", "999", "99.9 %", ""], ["jobs", "3", "3", "100.0 %", "2: a rule"]]


def test_points_that_are_left_out_count_neither_way():
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rtl_table(STORED).splitlines()[2:]]
    assert rows == [
        ["`lane`", "`engine/lane.py`", "80.0 %", "80.0 %", "100.0 %", "2"],
        ["`row`", "`row.py`", "100.0 %", "80.0 %", "80.0 %", ""],
        ["**all**", "", "90.0 %", "80.0 %", "88.8 %", "2"],
    ]


def test_runs_have_to_be_recorded_first(monkeypatch, tmp_path):
    monkeypatch.setenv("FUSIONCIM_BUILD", str(tmp_path))
    with pytest.raises(InputError, match=r"runs must be recorded first, as make test-coverage does .*/coverage"):
        list(STUDY.measure(Request(output=tmp_path, jobs=1)))


def test_a_part_that_is_not_asked_for_stays(monkeypatch, tmp_path):
    monkeypatch.setenv("FUSIONCIM_BUILD", str(tmp_path))
    monkeypatch.setenv(record.COVERAGE, "jobs")
    record.keep("status", status="OK")
    (tmp_path / "coverage.json").write_text(json.dumps(STORED), encoding="utf-8")
    ((name, found),) = STUDY.measure(Request(output=tmp_path, jobs=1, parts=["plan"]))
    assert (name, found["rtl"]) == ("coverage.json", STORED["rtl"])
    assert found["plan"]["statuses"]["reached"] == 1
    with pytest.raises(InputError, match="part must be one of plan, rtl, not units"):
        list(STUDY.measure(Request(output=tmp_path, jobs=1, parts=["units"])))
