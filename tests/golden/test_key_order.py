"""Orders of the key blocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusioncim_golden.key_order import ORDERS, KeyOrder


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
    assert ORDERS[name].blocks(blocks, diagonal, common).tolist() == order


@given(st.sampled_from(list(ORDERS.values())), st.integers(1, 200), st.data())
def test_every_order_is_a_permutation_of_the_blocks(order, blocks, data):
    diagonal, common = (data.draw(st.integers(low, low + blocks - 1)) for low in (0, 1))
    assert sorted(order.blocks(blocks, diagonal, common).tolist()) == list(range(blocks))


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
