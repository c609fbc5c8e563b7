"""Moves with ALiBi: known slopes, known orders, and the stored counts."""

import json
from pathlib import Path

import numpy as np
import pytest

from fusioncim_golden.config import Config
from fusioncim_sim.heads.alibi import count_alibi, rises, standard_slopes
from fusioncim_sim.heads.read import Head, fixture, load_heads

STORED = json.loads((Path(__file__).parents[3] / "measurements" / "rescales.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("heads", "expected"),
    [
        (8, 2.0 ** -np.arange(1, 9)),
        (2, [2**-4, 2**-8]),
        (12, [*2.0 ** -np.arange(1, 9), *2.0 ** -(np.arange(1, 9, 2) / 2)]),
    ],
)
def test_slopes_are_the_published_ones(heads, expected):
    assert standard_slopes(heads) == pytest.approx(np.array(expected))


def test_a_rise_is_a_new_maximum_after_the_first_key():
    assert rises(np.array([[1.0, 2, 2, 5, 4], [3, 2, 1, 0, 4]])) == 3


def test_equal_keys_rise_towards_the_own_one():
    """Scores are -slope * distance: in order every key up to the own one is a new maximum, from it on none is."""
    moves = count_alibi(
        Config(alibi=True), Head("flat", np.zeros((40, 64)), np.zeros((40, 64)), np.ones((40, 64))), 0.5
    )
    assert moves.in_order == sum(range(40))
    assert moves.own_key == 0


def test_stored_counts_are_of_all_heads():
    head = next(head for head in load_heads(fixture(), Config()) if head.name == "wide")
    one, all_heads = count_alibi(Config(alibi=True), head, 0.5), STORED["alibi"]
    assert 0 < one.in_order < all_heads["in_order"]
    assert all_heads["own_key"] < 0.03 * all_heads["in_order"]
    assert all_heads["rescales"] + all_heads["halvings"] < 0.05 * all_heads["in_order"]
