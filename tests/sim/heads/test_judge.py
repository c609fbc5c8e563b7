"""Figures of a head do not depend on the units that its operands are in."""

from dataclasses import replace

import numpy as np
import pytest

from fusioncim_golden.config import Config
from fusioncim_sim.heads.captured import captured_heads
from fusioncim_sim.heads.judge import judge_golden
from fusioncim_sim.heads.read import Head


def head(name="mixed", tokens=48):
    (found,) = [each.first(tokens) for each in captured_heads(Config(), [name])]
    q, k, v = (x.astype(np.float64) for x in (found.q, found.k, found.v))
    return Head(name, q, k, v)


@pytest.mark.parametrize("unit", [2.0**-100, 2.0**-20, 2.0**100])
def test_the_unit_of_values_does_not_matter(unit):
    one = judge_golden(Config(), head())
    other = judge_golden(Config(), replace(head(), v=head().v * unit))
    for name in ("sqnr_floats_db", "max_error_floats_lsb", "sqnr_integers_db", "max_error_integers_lsb"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-9)


def test_squares_of_small_values_count():
    found = judge_golden(Config(), replace(head(), v=head().v * 2.0**-600))
    assert found.sqnr_floats_db is not None
    assert 30 < found.sqnr_floats_db < 50


def test_columns_may_have_units_of_their_own():
    """Equalized columns have the same integers in any unit, and errors in units of their least significant bit."""
    units = 2.0 ** np.random.default_rng(1).integers(-9, 9, 64)
    one, other = (judge_golden(Config(), replace(head(), v=head().v * each)) for each in (1, units))
    assert other.max_error_floats_lsb == pytest.approx(one.max_error_floats_lsb, rel=1e-9)
    assert other.sqnr_integers_db == one.sqnr_integers_db
    same = judge_golden(Config(), replace(head(), q=head().q * units, k=head().k / units))
    assert same.sqnr_integers_db == pytest.approx(one.sqnr_integers_db, abs=1e-6)
