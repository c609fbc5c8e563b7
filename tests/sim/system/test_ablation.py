"""The three mechanisms: all combinations, and what each is worth."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.studies.system import CORNER, llama
from fusioncim_sim.system.ablation import (
    MECHANISMS,
    Moves,
    Rescale,
    Variant,
    combinations,
    read_moves,
    shapley,
    shares,
    variants,
)
from fusioncim_sim.system.baselines import baseline, energy_of
from fusioncim_sim.system.energy_table import corner, default_table, read_table

PAPER = PRESETS["paper"]
ROOT = Path(__file__).parents[3]
TABLE, AT = read_table(default_table()), corner(CORNER)
MOVES = Moves(pattern=0.5, exact=6.0)
NONE, ALL = frozenset(), frozenset(MECHANISMS)
OURS, WHERE = llama(256)


def found(rescale=Rescale.FREE, moves=MOVES):
    return variants(OURS, WHERE, TABLE, AT, moves, rescale)


def test_all_eight_combinations():
    every = combinations()
    assert every[0] == NONE
    assert every[-1] == ALL
    assert len(set(every)) == 8


def test_the_corners_are_the_baselines_and_the_chip():
    each = found()
    assert each[ALL] == Variant(OURS.counters.cycles, OURS.energy)
    for chosen, name in ((NONE, "B1"), (frozenset({"pipeline"}), "B2")):
        effort = baseline(name, WHERE)
        assert each[chosen].cycles == effort.cycles
        assert each[chosen].energy == energy_of(effort, TABLE, WHERE, AT)


def test_phases_cost_more_than_the_pipeline():
    each = found()
    unfused, fused = each[frozenset({"dataflow"})], each[frozenset({"dataflow", "pipeline"})]
    assert unfused.cycles > fused.cycles
    assert unfused.energy["OP-CIM"] == pytest.approx(fused.energy["OP-CIM"], rel=0.2)
    assert each[frozenset({"pipeline"})].energy["OP-CIM"] == 0


def test_references_move_at_no_cost_in_this_chip():
    each = found()
    for chosen in combinations():
        assert each[chosen | {"pattern"}] == each[chosen - {"pattern"}]


def test_where_a_move_stalls():
    """256 tokens: 64 tiles of 128 rows; 6 moves per row are more than a tile has slots, so that every slot stalls."""
    free, stalls = found(), found(Rescale.STALLS)
    fused = frozenset({"pipeline", "dataflow"})
    assert stalls[NONE] == free[NONE]
    extra = OURS.counters.slots * 8 / 16
    assert stalls[fused].cycles - free[fused].cycles == pytest.approx(extra)
    few = found(Rescale.STALLS, replace(MOVES, pattern=1 / 128))
    assert few[ALL].cycles - free[ALL].cycles == pytest.approx(64 * 1 * 8 / 16)
    assert few[ALL].energy["OP-CIM"] > free[ALL].energy["OP-CIM"]


def test_shapley_values():
    """A glove game: one left, two right gloves; a pair is worth 1."""

    def pairs(chosen):
        return min("left" in chosen, len(chosen & {"one", "two"})) * 1.0

    worth = shapley(pairs, ("left", "one", "two"))
    assert worth == pytest.approx({"left": 2 / 3, "one": 1 / 6, "two": 1 / 6})
    assert shapley(lambda chosen: float(len(chosen))) == pytest.approx(dict.fromkeys(MECHANISMS, 1.0))


def test_shares_add_up():
    each = found(Rescale.STALLS)
    for figure in (lambda variant: variant.cycles, lambda variant: variant.joules):
        assert sum(shares(each, figure).values()) == pytest.approx(1)


def test_moves_are_those_of_the_captured_heads(tmp_path):
    moves = read_moves(ROOT / "measurements" / "rescales.json")
    data = json.loads((ROOT / "measurements" / "rescales.json").read_text(encoding="utf-8"))
    rows = 512 * len(data["heads"])
    assert moves.exact == data["total"]["exact"]["in_order"] / rows
    assert 0 < moves.pattern < moves.exact
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    for name in ("none.json", "other.json"):
        with pytest.raises(InputError, match=r"cannot be read|holds no counts of rescales"):
            read_moves(tmp_path / name)


def test_without_energies():
    with pytest.raises(InputError, match="needs energies"):
        variants(replace(OURS, energy=None), WHERE, TABLE, AT, MOVES, Rescale.FREE)
