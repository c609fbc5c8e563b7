"""The values that go together are those that the configuration allows."""

from itertools import combinations

import numpy as np
import pytest

from fusioncim_golden.errors import InputError
from fusioncim_sim.coverage import space
from fusioncim_sim.coverage.array import a_legal_one, pairs_of
from fusioncim_sim.coverage.plan import JOINED


def drawn(rng):
    return {name: values[rng.integers(len(values))] for name in space.SPANS if (values := space.tries(name))}


def is_legal(values):
    try:
        space.chip_of(values)
    except InputError:
        return False
    return True


def test_a_configuration_is_legal_where_every_group_is():
    """The rules join no parameters but those of a group."""
    rng = np.random.default_rng(1)
    seen = {True: 0, False: 0}
    for n in range(300):
        values = drawn(rng)
        if n % 2:  # else hardly one is legal
            values = a_legal_one(rng, {})
            values |= {name: value for name, value in drawn(rng).items() if rng.random() < 0.05}
        each = all(is_legal({**space.HARMLESS, **{name: values[name] for name in names}}) for names in JOINED)
        assert is_legal(values) == each
        seen[each] += 1
        if each:
            assert pairs_of(values) <= space.pairs()
    assert min(seen.values()) > 20


def test_some_pairs_are_impossible():
    every = {
        frozenset(pair)
        for a, b in combinations(space.SPANS, 2)
        for pair in ((((a, x.name), (b, y.name))) for x in space.SPANS[a] for y in space.SPANS[b])
    }
    impossible = every - space.pairs()
    assert frozenset({("lut_size", "1024"), ("fraction_bits", "4")}) in impossible
    assert frozenset({("token_scale_bits", "8"), ("update_rank", "1")}) in impossible
    assert frozenset({("accumulator_bits", "16"), ("flush", "20")}) in impossible
    assert len(impossible) < 60


@pytest.mark.parametrize("name", space.SPANS)
def test_every_class_is_tried_with_values_of_its_own(name):
    for one in space.SPANS[name]:
        assert one.tries
        assert all(space.class_of(space.SPANS[name], value) == one.name for value in one.tries)
