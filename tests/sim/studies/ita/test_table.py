"""The stored figures of ITA, and how the table adds them up."""

import json
import re
from pathlib import Path

import pytest

from fusioncim_sim.studies.ita.names import DOT_PRODUCTS, NOT_USED, REST, UNITS, VECTORS
from fusioncim_sim.studies.ita.operands import CAPTURED
from fusioncim_sim.studies.ita.table import fj, ita_part, mine, shown

MEASUREMENTS = Path(__file__).parents[4] / "measurements"
STORED, COST, TIMING = (
    json.loads((MEASUREMENTS / f"{name}.json").read_text(encoding="utf-8")) for name in ("ita", "cost", "timing")
)


def energy(**kinds):
    names = ("switching", "internal", "clock", "tree", "leakage", "memory", "memory_leakage", "wires", "glitches")
    return dict.fromkeys(names, 0) | kinds


RUN = {
    "macs": 10,
    "scores": 2,
    "phases": {
        "scores": {"cycles": 1, "fj": {"a": energy(switching=30, tree=10), "b": energy(wires=5, memory_leakage=20)}},
        "outputs": {"cycles": 1, "fj": {"a": energy(glitches=100), "b": energy()}},
    },
}


def test_units_and_kinds_are_added_up_per_event():
    assert fj([RUN], ["a"], ["scores"], "macs") == {"cells": 4, "glitches": 0, "wires": 0, "banks": 0, "leakage": 0}
    assert fj([RUN, RUN], ["a", "b"], ["scores", "outputs"], "scores") == {
        "cells": 20, "glitches": 50, "wires": 2.5, "banks": 0, "leakage": 10,
    }  # fmt: skip
    assert shown(fj([RUN], ["b"], ["scores"], "macs")) == "2 (wires 0, leakage 2)"


def test_units_that_were_not_run_have_no_figure():
    assert shown(fj([RUN], ["a", "c"], ["scores"], "macs")) == ""


def test_ours_are_those_of_the_cost_table():
    row = COST["table"]["IP-CIM"]["measured"]
    found = mine({"IP-CIM": row}, ["IP-CIM"], row["tops"] / 2)
    assert sum(found.values()) == pytest.approx(2 * row["fj_per_operation"], rel=1e-3)


def test_every_output_was_right():
    assert set(STORED["runs"]) == {*CAPTURED, VECTORS}
    for run in STORED["runs"].values():
        assert run["mismatches"] == 0
        assert run["macs"] == 64 * run["scores"] == 64 * 64 * run["keys"]
        for phase in run["phases"].values():
            assert phase["cycles"] >= run["macs"] // 1024
            all_units = {REST, *UNITS.values()} - set(NOT_USED)
            assert set(phase["fj"]) in ({DOT_PRODUCTS}, all_units)


def test_the_commits_are_named():
    assert set(STORED["commits"]) == {"ITA", "common_cells"}
    for each in STORED["commits"].values():
        assert re.fullmatch("[0-9a-f]{40}", each["commit"])
        assert each["url"].startswith("https://github.com/pulp-platform/")


def test_all_units_have_an_area_and_the_dot_products_the_largest():
    area = {unit: each["logic"] for unit, each in STORED["area_um2"].items()}
    assert set(area) == {REST, *UNITS.values()}
    assert max(area, key=area.get) == DOT_PRODUCTS


def test_the_table_has_a_column_for_each():
    text = ita_part(COST, TIMING, STORED)
    head = text.splitlines()[0]
    assert "engine of `paper`" in head
    assert "ITA, a captured head" in head
    assert f"ITA, {VECTORS}" in head
    assert STORED["commits"]["ITA"]["commit"][:10] in text
    assert all(line.count("|") == head.count("|") for line in text.splitlines() if line.startswith("|"))
