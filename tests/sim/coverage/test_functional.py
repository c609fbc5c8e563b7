"""Points of the plan: which there are, which a run reaches, and what is said about the others."""

from dataclasses import asdict

import numpy as np
import pytest

from fusioncim_golden.mask import CAUSAL, EVERY, FULL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.schedule import Job
from fusioncim_sim.coverage import plan, record
from fusioncim_sim.coverage.functional import Section, measured, sections, words

TINY = PRESETS["tiny"]
PART = {"queries": 3, "keys": 5, "start": 2, "mask": asdict(CAUSAL)}
JOB = {
    "heads": 2,
    "centred": False,
    "token_scales": False,
    "sinks": "none",
    "slopes": "none",
    "intervals": "none",
    "kv_heads": 1,
    "layout": "head",
    "pages": "",
    "page_tokens": 0,
    "shared": False,
    "kv_bits": 0,
    "lse": True,
    "dimension": 16,
    "outputs": 8,
    "gap": 0,
    "base": 0,
    "sequences": 0,
    "parts": [PART],
}
RUN = {"kind": "chip", "config": TINY.as_dict(), "jobs": [JOB], "stall": "bursts", "latency": 30, "share": 0.5}


def point(**classes):
    return frozenset((name.replace("_of_", " of "), label) for name, label in classes.items())


def test_without_runs_everything_is_missing():
    for name, section in sections().items():
        figures = section.figures()
        assert figures["reached"] == 0, name
        assert len(figures["missing"]) == figures["points"] > 0


def test_a_run_reaches_its_classes_and_their_pairs():
    found = measured([RUN])
    assert frozenset({("rows", "8 to 1024"), ("walks", "1")}) in found["parameters"].hits
    assert frozenset({("rows", "part of a tile"), ("keys", "ragged blocks")}) in found["jobs"].hits
    assert frozenset({("drain_rows", "1"), ("log-sum-exp", "yes")}) in found["crosses"].hits
    assert frozenset({("bus stands still", "bursts")}) in found["runs"].hits
    assert frozenset({("beats of the memory", "fewer")}) in found["runs"].hits
    count = len(plan.ENGINE | plan.CHIP)
    assert found["parameters"].figures()["reached"] == count * (count + 1) // 2
    assert not any(section.figures()["reached_all_the_same"] for section in found.values())


def test_a_refused_job_reaches_a_status_alone():
    found = measured([{**RUN, "jobs": []}, {"kind": "status", "status": "OVERLAP"}])
    assert found["parameters"].figures()["reached"] == 0
    assert found["statuses"].hits == {frozenset({("status", "OVERLAP")})}


def test_an_engine_has_no_classes_of_a_chip():
    run = {"kind": "engine", "config": TINY.alone().as_dict(), "jobs": [JOB], "stall": {"o": "mostly"}}
    found = measured([run])
    assert found["parameters"].figures()["reached"] == len(plan.ENGINE) * (len(plan.ENGINE) + 1) // 2
    assert found["jobs"].figures()["reached"] == 0
    assert frozenset({("o of the engine", "mostly")}) in found["runs"].hits


def test_what_is_left_out_and_reached_all_the_same_is_told():
    one, other = frozenset({("a", "1")}), frozenset({("b", "2"), ("a", "1")})
    section = Section(points={one: "", other: "no rule"}, hits={other})
    assert section.figures() == {
        "points": 1,
        "reached": 0,
        "left_out": {"no rule": 1},
        "missing": ["a: 1"],
        "reached_all_the_same": ["a: 1, b: 2"],
    }
    assert words(other) == "a: 1, b: 2"


def test_every_rule_and_every_exclusion_is_about_a_point_of_the_plan():
    every = set().union(*(section.points for section in sections().values()))
    assert {*plan.RULES, *plan.EXCLUDED} <= every
    assert all((plan.RULES | plan.EXCLUDED).values())


@pytest.mark.parametrize(
    ("mask", "kind"),
    [
        (CAUSAL, "causal"),
        (FULL, "full"),
        (Mask(ahead=3), "some ahead"),
        (Mask(window=3), "window"),
        (Mask(window=3, ahead=1), "window on both sides"),
        (Mask(chunk=8), "causal chunks"),
        (Mask(chunk=8, ahead=EVERY), "full chunks"),
        (Mask(prefix=3), "prefix"),
        (Mask(prefix=3, window=2), "window and prefix"),
    ],
)
def test_kinds_of_masks(mask, kind):
    assert plan.kind_of_mask(TINY.engine, {}, {"mask": asdict(mask)}) == kind
    assert kind in plan.JOBS["mask"][1]


@pytest.mark.parametrize(
    ("queries", "keys", "rows", "blocks"),
    [
        (0, 0, "none", "none"),
        (1, 1, "part of a tile", "one"),
        (4, 2, "whole tiles", "whole blocks"),
        (5, 7, "ragged tiles", "ragged blocks"),
    ],
)
def test_lengths(queries, keys, rows, blocks):
    part = {"queries": queries, "keys": keys}
    assert plan.length_of_rows(TINY.engine, {"heads": 2}, part) == rows
    assert plan.length_of_keys(TINY.engine, {}, part) == blocks


# Records.


def run_twice():
    heads = from_integers(np.ones((2, 3, 16)), np.ones((5, 16)), np.ones((5, 16)))
    for _ in range(2):
        record.keep("engine", config=TINY.alone().as_dict(), jobs=[record.engine_job(heads, Job(queries=3, keys=5))])


def test_nothing_is_kept_unless_it_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("FUSIONCIM_BUILD", str(tmp_path))
    monkeypatch.delenv(record.COVERAGE, raising=False)
    run_twice()
    assert not list(tmp_path.iterdir())


def test_equal_records_are_one(monkeypatch, tmp_path):
    monkeypatch.setenv("FUSIONCIM_BUILD", str(tmp_path))
    monkeypatch.setenv(record.COVERAGE, "jobs")
    run_twice()
    (one,) = record.records()
    assert one["jobs"][0]["parts"] == [{"queries": 3, "keys": 5, "start": 2, "mask": asdict(CAUSAL)}]
    assert one["jobs"][0]["sinks"] == "none"


def test_the_kind_of_coverage_is_one_of_two(monkeypatch):
    monkeypatch.setenv(record.COVERAGE, "all")
    with pytest.raises(Exception, match="FUSIONCIM_COVERAGE must be one of jobs, rtl, not all"):
        record.wanted()
