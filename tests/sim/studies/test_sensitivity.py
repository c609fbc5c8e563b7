"""The comparison under other assumptions."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fusioncim_sim.studies import sensitivity
from fusioncim_sim.studies.sensitivity import (
    BASE,
    ENDS,
    FACTORS,
    HEADLINES,
    headlines,
    joules_and_cycles,
    table_of,
    turn,
)
from fusioncim_sim.system.ablation import Rescale, read_moves

ROOT = Path(__file__).parents[3]
STORED = json.loads((ROOT / "measurements" / "sensitivity.json").read_text(encoding="utf-8"))
MOVES = read_moves(ROOT / "measurements" / "rescales.json")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """A short layer: its cycles are walked through in no time."""
    monkeypatch.setattr(sensitivity, "BASE", replace(BASE, tokens=256))


def base(**changed):
    return replace(sensitivity.BASE, **changed)


def test_factors_reach_the_energies():
    table, plain = table_of(base().scaled("OP-CIM energy", 0.5)), table_of(base())
    assert table.engine["OP-CIM"].stream.b == plain.engine["OP-CIM"].stream.b / 2
    assert table.engine["IP-CIM"] == plain.engine["IP-CIM"]
    assert table_of(base().scaled("leakage", 3.0)).leakage_mw["IP-CIM"] == 3 * plain.leakage_mw["IP-CIM"]


@pytest.mark.parametrize("name", FACTORS)
def test_energies_are_linear_in_every_factor_and_cycles_do_not_move(name):
    none, one, two = (joules_and_cycles(base().scaled(name, factor), MOVES) for factor in (0.0, 1.0, 2.0))
    for design in ("B1", "B2", "ours"):
        assert two[design][0] - one[design][0] == pytest.approx(one[design][0] - none[design][0])
        assert two[design][1] == one[design][1]
    assert any(two[design][0] > one[design][0] for design in one)


def test_a_turn_is_where_energies_meet():
    factor = turn("OP-CIM energy", "B1", MOVES)
    assert factor is not None
    found = joules_and_cycles(base().scaled("OP-CIM energy", factor), MOVES)
    assert found["B1"][0] == pytest.approx(found["ours"][0])
    assert turn("CIM write energy", "B2", MOVES) is None or turn("CIM write energy", "B2", MOVES) <= sensitivity.SEVERAL


def test_stalls_cost_the_pipeline_cycles():
    free, stalls = (headlines(base(rescale=rescale), MOVES) for rescale in (Rescale.FREE, Rescale.STALLS))
    assert stalls["B2: latency"] > free["B2: latency"]


def test_the_stored_ends_are_those_of_the_sweep():
    assert STORED["ends"].keys() == ENDS.keys()
    assert all(STORED["ends"][name].keys() == ends.keys() for name, ends in ENDS.items())
    assert STORED["base"].keys() == set(HEADLINES)
    assert STORED["turns"].keys() == set(FACTORS)


def test_a_stored_end_is_found_again():
    name = "length 256 .. 8,192"
    assert headlines(ENDS[name]["256"], MOVES) == pytest.approx(STORED["ends"][name]["256"])
