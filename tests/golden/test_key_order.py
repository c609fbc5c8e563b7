"""Orders of the key blocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusioncim_golden.key_order import ORDERS, KeyOrder, Span


@pytest.mark.parametrize(
    ("name", "blocks", "diagonal", "common", "order"),
    [
        ("in_order", 5, 2, 5, [0, 1, 2, 3, 4]),
        ("in_order", 5, 4, 2, [0, 1, 2, 3, 4]),
        ("diagonal_first", 5, 4, 2, [4, 3, 2, 1, 0]),
        ("diagonal_first", 5, 2, 5, [2, 1, 0, 4, 3]),
        ("diagonal_first", 5, 0, 5, [0, 4, 3, 2, 1]),
        ("sink_first", 5, 4, 2, [0, 4, 3, 2, 1]),
        ("sink_first", 5, 2, 5, [0, 2, 1, 4, 3]),
        ("sink_first", 5, 0, 5, [0, 4, 3, 2, 1]),
        ("folded", 8, 7, 3, [0, 7, 3, 6, 4, 5, 2, 1]),
        ("folded", 8, 7, 2, [0, 7, 2, 6, 3, 5, 4, 1]),
        ("folded", 8, 7, 1, [0, 7, 1, 6, 2, 5, 3, 4]),
        ("folded", 5, 4, 4, [0, 4, 3, 2, 1]),
        ("folded", 5, 2, 5, [0, 2, 1, 4, 3]),
        ("in_order", 1, 0, 1, [0]),
        ("diagonal_first", 1, 0, 1, [0]),
        ("sink_first", 1, 0, 1, [0]),
        ("folded", 1, 0, 1, [0]),
    ],
)
def test_orders(name, blocks, diagonal, common, order):
    span = Span(low=0, high=blocks, diagonal=diagonal, common=common)
    assert ORDERS[name].blocks(span).tolist() == order
    moved = Span(low=7, high=7 + blocks, diagonal=7 + diagonal, common=7 + common)
    assert ORDERS[name].blocks(moved).tolist() == [7 + block for block in order]


@pytest.mark.parametrize(
    ("stride", "order"),
    [
        (4, [12, 8, 11, 7, 10, 6, 9, 5]),
        (3, [12, 9, 6, 11, 8, 5, 10, 7]),
        (8, [12, 11, 10, 9, 8, 7, 6, 5]),
        (1, [12, 11, 10, 9, 8, 7, 6, 5]),
    ],
)
def test_the_blocks_a_stride_apart_come_one_after_the_other(stride, order):
    span = Span(low=5, high=13, diagonal=12, common=9, stride=stride)
    assert ORDERS["folded"].blocks(span).tolist() == order
    assert ORDERS["sink_first"].blocks(span).tolist() == [5, 12, 11, 10, 9, 8, 7, 6]


@given(st.sampled_from(list(ORDERS.values())), st.integers(1, 200), st.data())
def test_every_order_is_a_permutation_of_the_blocks(order, blocks, data):
    low = data.draw(st.integers(0, 9))
    diagonal, common, stride = (data.draw(st.integers(first, first + blocks - 1)) for first in (low, low + 1, 1))
    span = Span(
        low=low, high=low + blocks, diagonal=diagonal, common=common, stride=data.draw(st.sampled_from([0, stride]))
    )
    assert sorted(order.blocks(span).tolist()) == list(range(low, low + blocks))


@pytest.mark.parametrize(("name", "keys"), [("in_order", [0, 1, 2, 3]), ("folded", [3, 2, 1, 0])])
def test_the_keys_of_a_block_pass_as_the_walk_goes(name, keys):
    assert ORDERS[name].within(4).tolist() == keys


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_one_engine_alone_does_not_fold(order):
    alone = ORDERS[order.alone] if order.alone else order
    assert not alone.folded
    assert (alone.backward, alone.sink_first) == (order.backward, order.sink_first)


@pytest.mark.parametrize("wrong", [{"backward": False, "sink_first": True}, {"backward": True, "folded": True}])
def test_orders_that_the_fetcher_cannot_walk(wrong):
    with pytest.raises(ValueError, match="a folded order must have the sink first, and that must go backward"):
        KeyOrder(**wrong)
