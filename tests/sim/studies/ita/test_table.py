"""The stored figures of ITA, and how the table adds them up."""

import json
import re
from pathlib import Path

import pytest

from fusioncim_sim.studies.ita.names import DOT_PRODUCTS, REST, UNITS, VECTORS
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
    "phases": {
        "scores": {"cycles": 1, "fj": {DOT_PRODUCTS: energy(switching=30, tree=10, memory_leakage=20)}},
        "outputs": {"cycles": 1, "fj": {DOT_PRODUCTS: energy(glitches=100)}},
    },
}


def test_kinds_are_added_up_per_multiply_accumulate():
    assert fj([RUN], "scores") == {"cells": 4, "glitches": 0, "wires": 0, "banks": 0, "leakage": 2}
    assert fj([RUN, RUN], "outputs")["glitches"] == 10
    assert shown(fj([RUN], "scores")) == "6 (cells 4, leakage 2)"


def test_ours_are_those_of_the_cost_table():
    row = COST["table"]["IP-CIM"]["measured"]
    found = mine({"IP-CIM": row}, ["IP-CIM"], row["tops"] / 2)
    assert sum(found.values()) == pytest.approx(2 * row["fj_per_operation"], rel=1e-3)


def test_every_product_was_right():
    assert set(STORED["runs"]) == {*CAPTURED, VECTORS}
    for run in STORED["runs"].values():
        assert run["mismatches"] == 0
        assert run["macs"] == 64 * 64 * run["keys"]
        for phase in run["phases"].values():
            assert phase["cycles"] >= run["macs"] // 1024
            assert set(phase["fj"]) == {DOT_PRODUCTS}


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
    assert "dot products of ITA, a captured head" in head
    assert f"the same, {VECTORS}" in head
    assert STORED["commits"]["ITA"]["commit"][:10] in text
    assert all(line.count("|") == head.count("|") for line in text.splitlines() if line.startswith("|"))
