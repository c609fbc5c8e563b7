"""Masks of booleans: those that are four numbers are found with their padding, all others are refused by name."""

import numpy as np
import pytest
import torch

from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import CAUSAL, EVERY, FULL, Mask
from fusioncim_golden.pytorch.masks import OFFSET, aligned
from fusioncim_golden.schedule import Job


def shown(job, queries=None, keys=None, first=0, begin=0):
    """Bool [queries, keys] of a job with padding: its first query and key are not those of the tensor."""
    queries, keys = queries or job.queries, keys or job.keys
    low, high = job.interval(np.arange(job.queries))
    result = np.zeros((queries, keys), dtype=bool)
    place = np.arange(job.keys)
    result[first : first + job.queries, begin : begin + job.keys] = (low[:, None] <= place) & (place < high[:, None])
    return torch.from_numpy(result)


def found(masks, offset):
    """What `aligned` makes of masks [queries, keys], and the keys that it puts first."""
    mask = torch.stack(list(masks))[:, None]
    if offset is not None:
        setattr(mask, OFFSET, offset)
    batch, queries, keys = len(mask), *mask.shape[2:]
    place = torch.arange(keys)[None, None, :, None].expand(batch, 1, -1, 1)
    _, key, _, sequences = aligned(torch.zeros(batch, 1, queries, 1), place, place, mask, causal=True)
    return sequences, key[:, 0, 0, 0].tolist()


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
        (sequence,), (place,) = found([seen], job.start + begin - first)
        low, high = job.interval(np.arange(queries))
        assert (sequence.first, place) == (first, begin + low.min())
        assert sequence.job.keys == high.max() - low.min()
        assert np.array_equal(sequence.job.interval(np.arange(queries)), np.array([low, high]) - low.min())
        assert sequence.job.first_position() == job.start - low.min()
        kinds.add((sequence.job.mask.window < EVERY, sequence.job.mask.ahead, sequence.job.mask.chunk))
    assert {(True, 0, 0), (False, EVERY, 0), (False, 0, 4), (False, EVERY, 16)} <= kinds


@pytest.mark.parametrize(
    "mask", [CAUSAL, FULL, Mask(window=7), Mask(window=5, ahead=4), Mask(chunk=8), Mask(prefix=9)], ids=str
)
def test_the_four_numbers_are_found(mask):
    (sequence,), begin = found([shown(Job(queries=40, keys=40, mask=mask))], None)
    assert (sequence.job.mask, sequence.first, begin) == (mask, 0, [0])


def test_a_decoding_step_with_a_window_has_the_keys_of_its_window():
    (sequence,), begin = found([shown(Job(queries=1, keys=50, mask=Mask(window=8)))], None)
    assert (sequence.job, begin) == (Job(queries=1, keys=8, start=7), [42])


def test_every_sequence_has_its_own_padding():
    jobs = [Job(queries=n, keys=n, mask=FULL) for n in (20, 13, 6)]
    masks = [shown(job, 20, 20, first, first) for job, first in zip(jobs, (0, 7, 4), strict=True)]
    sequences, begin = found(masks, 0)
    assert begin == [0, 7, 4]
    assert [each.first for each in sequences] == begin
    assert [each.job.keys for each in sequences] == [20, 13, 6]


def test_queries_of_padding_may_see_what_the_sequence_sees():
    """An encoder masks keys, not queries."""
    mask = torch.zeros(20, 20, dtype=torch.bool)
    mask[:, 3:15] = True
    (sequence,), begin = found([mask], 0)
    assert (sequence.first, begin, sequence.job) == (3, [3], Job(queries=12, keys=12, mask=FULL, start=0))


def test_a_mask_of_keys_alone_is_that_of_every_query():
    mask = torch.tensor([True] * 6 + [False] * 2).expand(1, 1, 1, -1)
    x = torch.zeros(1, 2, 8, 4)
    *_, (sequence,) = aligned(x, x, x, mask, causal=False)
    assert (sequence.first, sequence.job) == (0, Job(queries=6, keys=6, mask=FULL, start=0))


@pytest.mark.parametrize("shape", [(3, 1, 8, 8), (1, 1, 7, 8), (1, 1, 8, 7), (8, 8)])
def test_a_mask_of_another_shape_is_refused(shape):
    x = torch.zeros(2, 2, 8, 4)
    with pytest.raises(InputError, match=r"must be \[2, heads, 8, 8\], or 1 where all are alike, not \(\d.*\)$"):
        aligned(x, x, x, torch.ones(shape, dtype=torch.bool), causal=True)


def test_a_sequence_of_padding_alone_has_no_queries():
    (sequence, other), _ = found([torch.zeros(5, 5, dtype=torch.bool), torch.ones(5, 5).tril().bool()], None)
    assert (sequence.job.queries, other.job.queries) == (0, 5)


def seen_by(*intervals, keys=None):
    """Rows that see these keys, one interval or several per query."""
    mask = torch.zeros(len(intervals), keys or len(intervals), dtype=torch.bool)
    for row, each in enumerate(intervals):
        for low, high in each if isinstance(each, list) else [each]:
            mask[row, low:high] = True
    return mask


REFUSED = {
    "a gap": (seen_by((0, 1), (0, 2), [(0, 1), (2, 3)]), "one with a gap on 3 keys"),
    "a tree": (seen_by((0, 1), (0, 2), [(0, 1), (2, 3)], [(0, 2), (3, 4)]), "a tree of tokens"),
    "an image behind text": (seen_by((0, 1), (0, 4), (0, 4), (0, 4), (0, 5)), "several spans.* on 5 keys"),
    "two images": (seen_by((0, 2), (0, 2), (0, 3), (0, 5), (0, 5)), "several spans that see themselves"),
    "packed": (seen_by((0, 1), (0, 2), (0, 3), (3, 4), (3, 5)), "packed sequences .these need a batch of jobs"),
    "chunks of three": (seen_by((0, 1), (0, 2), (0, 3), (3, 4), (3, 5), (3, 6), (6, 7)), "no power of two"),
    "a window in a chunk that began before it": (
        shown(Job(queries=16, keys=40, mask=Mask(window=8, chunk=16))),
        "or chunks that .* have windows on 23 keys",
    ),
    "a falling low": (seen_by((0, 1), (1, 2), (0, 3)), "ends fall from a query to the next on 3 keys"),
    "a falling high": (seen_by((0, 3), (0, 2), (0, 3)), "ends fall"),
    "all before their own": (seen_by((0, 0), (0, 1), (0, 2)), "one without a query's own key on 3 keys"),
    "one before its own": (seen_by((0, 1), (0, 1), (0, 3)), "one without a query's own key on 3 keys"),
    "padding between tokens": (seen_by((0, 1), (0, 0), (2, 3)), "not with padding after 2 of them"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_masks_are_refused(name):
    mask, message = REFUSED[name]
    with pytest.raises(InputError, match=message) as caught:
        found([mask], None)
    assert "\n" not in str(caught.value)
