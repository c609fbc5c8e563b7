"""The tables of the faults that are missed; what is measured again, and what is not."""

import json

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_sim.mutation import golden_score, unit_score
from fusioncim_sim.studies.mutants import STUDY, golden_table, missed_table, units_table
from fusioncim_sim.studies.study import Request

FAULT = {"number": 2, "place": "engine/lane.py:7", "mode": "inv", "module": "lane", "cell": "$1", "port": "A", "bit": 3}
STORED = {
    "rtl": {
        "lane": {
            "file": "engine/lane.py",
            "faults": 40,
            "killed": 36,
            "equivalent": [FAULT, FAULT],
            "survivors": [{**FAULT, "compared": "differs"}, {**FAULT, "place": "", "compared": "open"}],
        },
        "row": {"file": "engine/row.py", "faults": 10, "killed": 10, "equivalent": [], "survivors": []},
    },
    "golden": {
        "arith": {
            "file": "arith.py",
            "possible": 1200,
            "faults": 6,
            "killed": 5,
            "survivors": [{"line": 9, "old": "63", "new": "64"}],
        }
    },
}


def rows(table):
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]


def test_equivalent_faults_count_neither_way():
    assert rows(units_table(STORED)) == [
        ["`lane`", "`engine/lane.py`", "40", "36", "2", "2", "94.7 %"],
        ["`row`", "`engine/row.py`", "10", "10", "0", "0", "100.0 %"],
        ["**all**", "", "50", "46", "2", "2", "95.8 %"],
    ]
    assert rows(golden_table(STORED)) == [
        ["`arith`", "1,200", "6", "5", "1", "83.3 %"],
        ["**all**", "1,200", "6", "5", "1", "83.3 %"],
    ]


def test_every_missed_fault_has_its_line():
    assert rows(missed_table(STORED)) == [
        ["`lane`", "engine/lane.py:7", "inv at `lane`, `$1.A[3]`", "possible"],
        ["`lane`", "engine/lane.py", "inv at `lane`, `$1.A[3]`", "not known"],
        ["golden `arith`", "arith.py:9", "`64` for `63`", ""],
    ]


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Measures a part beside what is stored; the names of what was not taken from there."""
    done = []

    def score(name):
        done.append(name)
        return {"file": "", "faults": 1, "killed": 1, "survivors": []}

    monkeypatch.setattr(unit_score, "key", lambda test, **how: test.name)
    monkeypatch.setattr(unit_score, "score", lambda test, name, others, **how: score(name))
    monkeypatch.setattr(golden_score, "key", lambda name, tests, **how: name)
    monkeypatch.setattr(golden_score, "score", lambda name, tests, **how: score(name))

    def run(*parts):
        done.clear()
        for name, data in STUDY.measure(Request(output=tmp_path, jobs=1, parts=parts)):
            (tmp_path / name).write_text(json.dumps(data), encoding="utf-8")
        return list(done)

    return run


def test_what_did_not_change_is_not_measured_again(measured, tmp_path):
    assert measured("bank", "golden.ip_cim") == ["bank", "ip_cim"]
    assert measured("bank", "ip_cim") == ["ip_cim"]
    assert len(measured("golden")) == len(golden_score.modules()) - 1
    assert measured("rtl")[:2] == ["softmax", "op_cim"]
    stored = json.loads((tmp_path / "mutants.json").read_text(encoding="utf-8"))
    stored["rtl"]["bank"]["key"] = "as it was before"
    (tmp_path / "mutants.json").write_text(json.dumps(stored), encoding="utf-8")
    assert measured() == ["bank"]


def test_a_part_must_be_one(measured):
    with pytest.raises(InputError, match=r"part must be one of rtl, golden, ip_cim, .*, not weather"):
        measured("weather")
