"""The interval of keys that a row sees, against its definition key by key."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import CAUSAL, EVERY, FULL, Mask, blocks, sees

sizes = st.tuples(st.integers(0, 20), st.integers(1, 12), st.integers(1, 20))
masks = st.builds(
    Mask,
    window=st.just(EVERY) | st.integers(1, 12),
    ahead=st.just(EVERY) | st.integers(0, 6),
    chunk=st.sampled_from([0, 1, 2, 4, 8, 16]),
    prefix=st.integers(0, 9),
)


def defined(mask, p, n):
    """Whether the query at p sees key n, in words."""
    if p < mask.prefix and n < mask.prefix:
        return True  # the keys of the prefix see each other
    if p < mask.prefix and n <= p:
        return True
    near = n <= p + mask.ahead and (n > p - mask.window or p < mask.prefix)
    return near and (not mask.chunk or n // mask.chunk == p // mask.chunk)


@given(sizes, masks)
def test_a_row_sees_the_keys_of_its_interval(size, mask):
    start, queries, keys = size
    position = np.arange(start, start + queries)
    low, high = mask.interval(position, keys)
    assert (low >= 0).all()
    assert (low <= high).all()
    assert (high <= keys).all()
    seen = sees(np.arange(keys), low[:, None], high[:, None])
    assert seen.tolist() == [[defined(mask, p, n) for n in range(keys)] for p in position.tolist()]
    assert mask.pairs(start, queries, keys) == seen.sum()


@given(masks, st.integers(1, 40))
def test_neither_end_ever_falls(mask, keys):
    low, high = mask.interval(np.arange(60), keys)
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) >= 0).all()


@pytest.mark.parametrize(
    ("mask", "seen"),
    [
        (CAUSAL, ["x.....", "xx....", "xxx...", "xxxx..", "xxxxx.", "xxxxxx", "xxxxxx"]),
        (FULL, ["xxxxxx"] * 7),
        (Mask(window=2), ["x.....", "xx....", ".xx...", "..xx..", "...xx.", "....xx", ".....x"]),
        (Mask(window=2, ahead=1), ["xx....", "xxx...", ".xxx..", "..xxx.", "...xxx", "....xx", ".....x"]),
        (Mask(chunk=4), ["x.....", "xx....", "xxx...", "xxxx..", "....x.", "....xx", "....xx"]),
        (Mask(chunk=2, ahead=EVERY), ["xx....", "xx....", "..xx..", "..xx..", "....xx", "....xx", "......"]),
        (Mask(prefix=3), ["xxx...", "xxx...", "xxx...", "xxxx..", "xxxxx.", "xxxxxx", "xxxxxx"]),
        (Mask(prefix=3, window=2), ["xxx...", "xxx...", "xxx...", "..xx..", "...xx.", "....xx", ".....x"]),
    ],
)
def test_the_masks_of_the_field(mask, seen):
    """Seven queries from position 0 on, six keys."""
    low, high = mask.interval(np.arange(7), 6)
    found = sees(np.arange(6), low[:, None], high[:, None])
    assert ["".join("x" if key else "." for key in row) for row in found] == seen


@pytest.mark.parametrize(("key", "seen"), [(2, False), (3, True), (5, True), (6, False)])
def test_an_interval_holds_its_low_and_not_its_high(key, seen):
    assert sees(key, 3, 6) == seen


@given(st.integers(0, 40), st.integers(1, 40), st.sampled_from([1, 2, 4, 8]))
def test_the_blocks_of_an_interval_are_those_with_a_key_in_it(low, length, rank):
    expected = sorted({key // rank for key in range(low, low + length)})
    assert list(blocks(low, low + length, rank)) == expected


@pytest.mark.parametrize("wrong", [{"window": 0}, {"chunk": 12}, {"ahead": -1}, {"prefix": EVERY + 1}])
def test_a_mask_that_no_chip_takes_is_refused(wrong):
    with pytest.raises(InputError, match=r"the window must be from 1 to 1048575, .* not Mask"):
        Mask(**wrong).check()


@pytest.mark.parametrize(("keys", "rank", "block"), [(1, 8, 0), (8, 8, 0), (9, 8, 1), (16, 8, 1), (5, 1, 4)])
def test_a_tile_that_sees_nothing_has_the_last_block(keys, rank, block):
    assert list(blocks(keys, keys, rank)) == [block]
