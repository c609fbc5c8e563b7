"""Masks of booleans: sequences with their padding, masks of four numbers, tables of intervals; gaps are refused."""

import numpy as np
import pytest
import torch

from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import CAUSAL, EVERY, FULL, Mask
from fusioncim_golden.pytorch.masks import OFFSET, masked
from fusioncim_golden.schedule import Job


def shown(job, queries=None, keys=None, first=0, begin=0):
    """Bool [queries, keys] of a job with padding: its first query and key are not those of the tensor."""
    queries, keys = queries or job.queries, keys or job.keys
    low, high = job.interval(np.arange(job.queries))
    result = np.zeros((queries, keys), dtype=bool)
    place = np.arange(job.keys)
    result[first : first + job.queries, begin : begin + job.keys] = (low[:, None] <= place) & (place < high[:, None])
    return torch.from_numpy(result)


def found(masks, offset=None):
    """What `masked` makes of masks [queries, keys]."""
    mask = torch.stack(list(masks))[:, None]
    if offset is not None:
        setattr(mask, OFFSET, offset)
    batch, queries, keys = len(mask), *mask.shape[2:]
    return masked(torch.zeros(batch, 1, queries, 1), torch.zeros(batch, 1, keys, 1), mask)


def described(segment):
    """The parts of a sequence that can be compared."""
    job = segment.job
    assert len(segment.queries) == job.queries
    assert len(segment.keys) == job.keys
    table = None if job.intervals is None else job.intervals.tolist()
    return segment.queries.tolist(), segment.keys.tolist(), job.mask, job.start, table


def test_intervals_of_random_masks_are_found_again():
    random = np.random.default_rng(5)
    kinds = set()
    for _ in range(400):
        chunk = int(random.choice([0, 4, 16]))
        mask = Mask(
            window=EVERY if chunk else int(random.choice([EVERY, random.integers(1, 20)])),
            ahead=int(random.choice([0, EVERY, random.integers(1, 9)])),
            chunk=chunk,
            prefix=int(random.choice([0, random.integers(1, 20)])),
        )
        keys = int(random.integers(1, 60))
        queries = int(random.integers(1, keys + 1))
        job = Job(queries=queries, keys=keys, mask=mask, start=int(random.integers(0, keys - queries + 1)))
        first, begin = (int(each) for each in random.integers(0, 5, 2))
        seen = shown(job, queries + first + 2, keys + begin + 1, first, begin)
        (segment,) = found([seen], job.start + begin - first)
        low, high = job.interval(np.arange(queries))
        assert segment.row == 0
        assert segment.queries.tolist() == list(range(first, first + queries))
        assert segment.keys.tolist() == list(range(begin + low.min(), begin + high.max()))
        assert segment.job.intervals is None
        assert np.array_equal(segment.job.interval(np.arange(queries)), np.array([low, high]) - low.min())
        assert segment.job.first_position() == job.start - low.min()
        kinds.add((segment.job.mask.window < EVERY, segment.job.mask.ahead, segment.job.mask.chunk))
    assert {(True, 0, 0), (False, EVERY, 0), (False, 0, 4), (False, EVERY, 16)} <= kinds


@pytest.mark.parametrize(
    "mask", [CAUSAL, FULL, Mask(window=7), Mask(window=5, ahead=4), Mask(chunk=8), Mask(prefix=9)], ids=str
)
def test_the_four_numbers_are_found(mask):
    (segment,) = found([shown(Job(queries=40, keys=40, mask=mask))])
    assert described(segment) == ([*range(40)], [*range(40)], mask, 0, None)


def test_a_decoding_step_with_a_window_has_the_keys_of_its_window():
    (segment,) = found([shown(Job(queries=1, keys=50, mask=Mask(window=8)))])
    assert described(segment) == ([0], [*range(42, 50)], CAUSAL, 7, None)


def test_every_sequence_has_its_own_padding():
    jobs = [Job(queries=n, keys=n, mask=FULL) for n in (20, 13, 6)]
    segments = found([shown(job, 20, 20, first, first) for job, first in zip(jobs, (0, 7, 4), strict=True)], 0)
    assert [each.row for each in segments] == [0, 1, 2]
    assert [described(each)[:2] for each in segments] == [([*range(a, b)],) * 2 for a, b in ((0, 20), (7, 20), (4, 10))]


def test_queries_of_padding_may_see_what_the_sequence_sees():
    """An encoder masks keys, not queries."""
    mask = torch.zeros(20, 20, dtype=torch.bool)
    mask[:, 3:15] = True
    (segment,) = found([mask], 0)
    assert described(segment) == ([*range(3, 15)], [*range(3, 15)], FULL, 0, None)


def test_a_mask_of_keys_alone_is_that_of_every_query():
    mask = torch.tensor([True] * 6 + [False] * 2).expand(1, 1, 1, -1)
    x = torch.zeros(1, 2, 8, 4)
    (segment,) = masked(x, x, mask)
    assert described(segment) == ([*range(6)], [*range(6)], FULL, 0, None)


@pytest.mark.parametrize("shape", [(3, 1, 8, 8), (1, 1, 7, 8), (1, 1, 8, 7), (8, 8)])
def test_a_mask_of_another_shape_is_refused(shape):
    x = torch.zeros(2, 2, 8, 4)
    with pytest.raises(InputError, match=r"must be \[2, heads, 8, 8\], or 1 where all are alike, not \(\d.*\)$"):
        masked(x, x, torch.ones(shape, dtype=torch.bool))


def test_a_row_of_padding_alone_has_no_sequence():
    (segment,) = found([torch.zeros(5, 5, dtype=torch.bool), torch.ones(5, 5).tril().bool()])
    assert (segment.row, segment.job.queries) == (1, 5)


def seen_by(*intervals, keys=None):
    """Rows that see these keys, one interval or several per query."""
    mask = torch.zeros(len(intervals), keys or len(intervals), dtype=torch.bool)
    for row, each in enumerate(intervals):
        for low, high in each if isinstance(each, list) else [each]:
            mask[row, low:high] = True
    return mask


def table(*intervals):
    return [list(each) for each in intervals]


def of(queries, keys, mask=CAUSAL, start=0, intervals=None):
    return [*queries], [*keys], mask, start, intervals


IMAGE = (0, 1), (0, 4), (0, 4), (0, 4), (0, 5)
CHUNKED = shown(Job(queries=16, keys=40, mask=Mask(window=8, chunk=16)))
FALLS = (0, 1), (1, 2), (0, 3)
OTHERS = {
    "an image behind text": (seen_by(*IMAGE), [of(range(5), range(5), Mask(ahead=2), 0, table(*IMAGE))]),
    "packed": (seen_by((0, 1), (0, 2), (0, 3), (3, 4), (3, 5)), [of(range(3), range(3)), of(range(3, 5), range(3, 5))]),
    "packed and padded": (
        seen_by((0, 1), (0, 2), (0, 0), (3, 4), (3, 5), (3, 6), (0, 0)),
        [of(range(2), range(2)), of(range(3, 6), range(3, 6))],
    ),
    "chunks of three": (
        seen_by((0, 1), (0, 2), (0, 3), (3, 4), (3, 5), (3, 6), (6, 7)),
        [of(range(3), range(3)), of(range(3, 6), range(3, 6)), of([6], [6])],
    ),
    "a window in a chunk that began before it": (
        CHUNKED,
        [of(range(8), range(17, 32), Mask(window=8), 7), of(range(8, 16), range(32, 40))],
    ),
    "a falling low": (seen_by(*FALLS), [of(range(3), range(3), CAUSAL, 0, table(*FALLS))]),
    "a falling high": (
        seen_by((0, 3), (0, 2), (0, 3)),
        [of(range(3), range(3), FULL, 0, table((0, 3), (0, 2), (0, 3)))],
    ),
    "all before their own": (seen_by((0, 0), (0, 1), (0, 2)), [of([1, 2], [0, 1])]),
    "one before its own": (
        seen_by((0, 1), (0, 1), (0, 3)),
        [of(range(3), range(3), CAUSAL, 0, table((0, 1), (0, 1), (0, 3)))],
    ),
    "padding between tokens": (seen_by((0, 1), (0, 0), (2, 3)), [of([0, 2], [0, 2], Mask(window=1))]),
    "a hole": (seen_by((0, 1), (0, 1), [(0, 1), (2, 3)]), [of([0, 2], [0, 2])]),
    "packed backwards": (
        seen_by((2, 3), (2, 4), (0, 1), (0, 2)),
        [of(range(4), range(4), Mask(ahead=2), 0, table((2, 3), (2, 4), (0, 1), (0, 2)))],
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_masks_are_parts_or_have_a_table(name):
    mask, expected = OTHERS[name]
    assert [described(each) for each in found([mask])] == expected


def test_a_table_is_under_a_mask_that_hides_nothing_of_it():
    random = np.random.default_rng(6)
    for _ in range(300):
        queries, keys = (int(n) for n in random.integers(1, 30, 2))
        ends = np.sort(random.integers(0, keys + 1, (queries, 2)), axis=1)
        seen = found([seen_by(*(tuple(each) for each in ends), keys=keys)])
        result = np.zeros((queries, keys), dtype=bool)
        for each in seen:
            low, high = each.job.interval(np.arange(each.job.queries))
            first, last = each.job.masked(np.arange(each.job.queries))
            assert (first <= low).all()
            assert (high <= last).all()
            result[np.ix_(each.queries, each.keys)] = (low[:, None] <= np.arange(each.job.keys)) & (
                np.arange(each.job.keys) < high[:, None]
            )
        real = np.concatenate([each.queries for each in seen]) if seen else []
        place = np.arange(keys)
        expected = (ends[:, :1] <= place) & (place < ends[:, 1:])
        assert np.array_equal(result[real], expected[real])
        if queries != keys:
            assert set(real) == set(np.flatnonzero(expected.any(axis=1)))


REFUSED = {
    "a gap": (seen_by((0, 1), (0, 2), [(0, 1), (2, 3)]), "not 2 of keys 0 to 2 with a gap, as query 2 of sequence 0"),
    "a tree": (seen_by((0, 1), (0, 2), [(0, 1), (2, 3)], [(0, 2), (3, 4)]), "not 2 of keys 0 to 2 with a gap"),
    "a sink before a window": (
        seen_by(*((0, n + 1) for n in range(4)), [(0, 1), (2, 5)], [(0, 1), (3, 6)]),
        "not 4 of keys 0 to 4 with a gap, as query 4 ",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_masks_with_gaps_are_refused(name):
    mask, message = REFUSED[name]
    with pytest.raises(InputError, match=message) as caught:
        found([mask])
    assert "\n" not in str(caught.value)
