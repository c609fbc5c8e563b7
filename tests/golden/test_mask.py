"""The interval of keys that a row sees, against its definition key by key."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusioncim_golden import mask

sizes = st.tuples(st.integers(0, 20), st.integers(1, 12), st.integers(1, 20))


@given(sizes, st.booleans())
def test_a_row_sees_the_keys_of_its_interval(size, causal):
    start, queries, keys = size
    position = np.arange(start, start + queries)
    low, high = mask.interval(position, keys, causal=causal)
    key = np.arange(keys)
    seen = mask.sees(key, low[:, None], high[:, None])
    expected = [[not causal or n <= p for n in range(keys)] for p in position.tolist()]
    assert seen.tolist() == expected
    assert mask.pairs(start, queries, keys, causal=causal) == seen.sum()


@pytest.mark.parametrize(("key", "seen"), [(2, False), (3, True), (5, True), (6, False)])
def test_an_interval_holds_its_low_and_not_its_high(key, seen):
    assert mask.sees(key, 3, 6) == seen


@given(st.integers(0, 40), st.integers(1, 40), st.sampled_from([1, 2, 4, 8]))
def test_the_blocks_of_an_interval_are_those_with_a_key_in_it(low, length, rank):
    expected = sorted({key // rank for key in range(low, low + length)})
    assert list(mask.blocks(low, low + length, rank)) == expected
