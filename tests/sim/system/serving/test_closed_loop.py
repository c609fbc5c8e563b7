"""Steps of a closed loop, by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusioncim_golden.errors import InputError
from fusioncim_sim.system.serving.closed_loop import closed_loop
from fusioncim_sim.system.serving.trace import Request


def loop(lengths, **options):
    """Per step and share: number of the request, position of the first query, queries, keys, generated tokens."""
    requests = [Request(context=context, generated=generated) for context, generated in lengths]
    steps = closed_loop(requests, **options)
    return [[(x.request, x.start, x.queries, x.keys, x.generated) for x in step] for step in steps]


def test_chunks_then_one_query_a_step_and_slots_that_are_filled_again():
    assert loop([(5, 2), (2, 3), (1, 1), (4, 1)], slots=2, chunk=3) == [
        [(0, 0, 3, 3, 0), (1, 0, 2, 2, 1)],
        [(0, 3, 2, 5, 1), (1, 2, 1, 3, 1)],
        [(0, 5, 1, 6, 1), (1, 3, 1, 4, 1)],
        [(2, 0, 1, 1, 1), (3, 0, 3, 3, 0)],
        [(3, 3, 1, 4, 1)],
    ]


def test_a_slot_may_be_filled_before_the_others():
    assert loop([(1, 4), (2, 1), (2, 2)], slots=2, chunk=8) == [
        [(0, 0, 1, 1, 1), (1, 0, 2, 2, 1)],
        [(0, 1, 1, 2, 1), (2, 0, 2, 2, 1)],
        [(0, 2, 1, 3, 1), (2, 2, 1, 3, 1)],
        [(0, 3, 1, 4, 1)],
    ]


def test_more_slots_than_requests():
    assert loop([(4, 1)], slots=16, chunk=4) == [[(0, 0, 4, 4, 1)]]


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 9)), min_size=1, max_size=20),
    st.integers(1, 7),
    st.integers(1, 50),
)
def test_every_token_is_computed_once(lengths, slots, chunk):
    requests = [Request(context=context, generated=generated) for context, generated in lengths]
    steps = closed_loop(requests, slots, chunk)
    assert max(map(len, steps)) <= slots
    for n, request in enumerate(requests):
        own = [share for step in steps for share in step if share.request == n]
        positions = [p for share in own for p in range(share.start, share.start + share.queries)]
        assert positions == list(range(request.positions))
        assert sum(share.generated for share in own) == request.generated
        assert sum(share.prompt_tokens for share in own) == request.context
        assert max(share.queries for share in own) <= chunk
    for step in steps:
        assert len({share.request for share in step}) == len(step)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"slots": 0}, "slots must be from 1 to 1024, not 0"),
        ({"slots": 1025}, "slots must be from 1 to 1024, not 1025"),
        ({"chunk": 0}, "chunk must be from 1 to 1048575, not 0"),
    ],
)
def test_what_is_no_loop_is_refused(options, said):
    with pytest.raises(InputError, match=said):
        loop([(1, 1)], **options)
