"""Arrays of several heads become heads: each where it was, with its keys and values, and never by a guess."""

import numpy as np
import pytest

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.equalize import equalize
from fusioncim_golden.errors import InputError
from fusioncim_sim.heads.axes import SHAPES, Axes
from fusioncim_sim.heads.judge import choose
from fusioncim_sim.heads.read import load_heads

BATCH, HEADS, KV_HEADS, QUERIES, KEYS, D = 2, 6, 2, 5, 7, 16


def arrays(*, batch=(BATCH,), heads=(HEADS,), kv_heads=(KV_HEADS,), queries=QUERIES, keys=KEYS, before="", dtype=float):
    rng = np.random.default_rng(7)
    shapes = {"q": (*batch, *heads, queries, D), "k": (*batch, *kv_heads, keys, D), "v": (*batch, *kv_heads, keys, D)}
    return {f"{before}{part}": (30 * rng.normal(size=shape)).astype(dtype) for part, shape in shapes.items()}


def load(folder, config=None, axes=None, **content):
    np.savez(folder / "heads.npz", **content)
    return load_heads(folder / "heads.npz", config, axes=axes)


NAMES = {
    "plain": ("", {}, ["batch0.head0", "batch0.head1", "batch1.head5"]),
    "plain, no batch": ("", {"batch": ()}, ["head0", "head1", "head5"]),
    "named": ("layers.0.", {}, ["layers.0.batch0.head0", "layers.0.batch0.head1", "layers.0.batch1.head5"]),
    "named, no batch": ("mine_", {"batch": ()}, ["mine.head0", "mine.head1", "mine.head5"]),
    "one head": ("mine.", {"batch": (), "heads": (), "kv_heads": ()}, ["mine", "mine", "mine"]),
    "one plain head": ("", {"batch": (), "heads": (), "kv_heads": ()}, ["head", "head", "head"]),
    "a batch of one head": ("", {"heads": (1,), "kv_heads": (1,)}, ["batch0.head0", "batch1.head0", "batch1.head0"]),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_say_where_a_head_was(case, tmp_path):
    before, shapes, (first, second, last) = NAMES[case]
    found = [head.name for head in load(tmp_path, **arrays(before=before, **shapes))]
    assert (found[0], found[min(1, len(found) - 1)], found[-1]) == (first, second, last)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("axes", [None, *Axes])
def test_a_query_head_has_the_keys_of_its_group(axes, tmp_path):
    content = arrays()
    q, k, v = content.values()
    if axes is Axes.TOKENS_HEADS:
        content = {name: np.swapaxes(x, 1, 2) for name, x in content.items()}
    heads = iter(load(tmp_path, axes=axes, **content))
    for batch in range(BATCH):
        for number in range(HEADS):
            head = next(heads)
            own = number // (HEADS // KV_HEADS)
            assert np.array_equal(head.q, q[batch, number])
            assert np.array_equal(head.k, k[batch, own])
            assert np.array_equal(head.v, v[batch, own])


def test_heads_of_a_group_are_equalized_together(tmp_path):
    """As if they had come with the range of all: the keys are the same integers, alone or on a chip."""
    content = arrays()
    heads = load(tmp_path, **content)
    group = slice(HEADS // KV_HEADS, HEADS)  # of the second key and value head
    expected = equalize(content["q"][1, group], content["k"][1, 1], content["v"][1, 1])
    for n, head in enumerate(heads[HEADS:][group]):
        found = head.equalized()
        assert np.array_equal(found.k, expected.k)
        assert np.array_equal(found.q[0], expected.q[n])
    assert all(head.range_q is None for head in load(tmp_path, **arrays(heads=(KV_HEADS,))))


def test_integers_and_their_scales_are_those_of_all_heads(tmp_path):
    heads = load(tmp_path, **arrays(dtype=np.int8), scale=np.array([1.0, 2.0, 3.0]))
    assert all(head.is_integer and head.scales == (1.0, 2.0, 3.0) and head.range_q is None for head in heads)


def test_ranges_are_given_by_head(tmp_path):
    content = arrays()
    ranges = np.maximum.accumulate(np.abs(content["q"]), axis=2) + np.arange(HEADS)[:, None, None]
    for number, head in enumerate(load(tmp_path, **content, range=ranges)):
        assert np.array_equal(head.range_q, ranges[number // HEADS, number % HEADS])
    ranges[1, 2, 3, 4] = 0
    with pytest.raises(InputError, match=r"range must be at least the largest .* of q so far, .* at \(1, 2, 3, 4\)"):
        load(tmp_path, **content, range=ranges)


def test_a_name_chooses_all_heads_behind_it(tmp_path):
    heads = load(tmp_path, **arrays(before="layers.0."), **arrays(before="layers.1.", batch=()))
    assert len(choose(heads, ["layers.0"])) == BATCH * HEADS
    assert [head.name for head in choose(heads, ["layers.0.batch1.head2", "layers.1.head0"])] == [
        *("layers.0.batch1.head2", "layers.1.head0"),
    ]
    with pytest.raises(InputError, match=r"not layers\.2$"):
        choose(heads, ["layers.2"])


def shape(*sizes):
    return np.zeros(sizes)


CHOICE = "--axes heads,tokens or --axes tokens,heads"
K = "(2, 2, 7, 16), (2, 2, 7, 16)"
SHARED = "the heads of q must be a multiple of those of k, not "
CLEAR = f"k must have more tokens than heads where its axes are not named ({CHOICE}), not "
REFUSED = {
    "five axes": ({"q": shape(1, 1, 1, 5, 16)}, f"q must be {SHAPES} with at least one of each, not of shape (1, 1, 1"),
    "no heads": (
        {"k": shape(2, 0, 7, 16)},
        f"k must be {SHAPES} with at least one of each, not of shape (2, 0, 7, 16)",
    ),
    "axes that differ": ({"q": shape(6, 5, 16)}, f"q, k, v must have as many axes each, {SHAPES}, not (6, 5, 16), {K}"),
    "other batches": ({"q": shape(3, 6, 5, 16)}, f"q, k, v must have the same batch, not (3, 6, 5, 16), {K}"),
    "other heads": (
        {"q": shape(2, 5, 5, 16)},
        f"{SHARED}5 and 2 (shapes (2, 5, 5, 16), {K} as heads,tokens; {CHOICE} says which it is)",
    ),
    "fewer heads than of keys": ({"q": shape(2, 1, 5, 16)}, f"{SHARED}1 and 2 "),
    "FlashAttention's order": ({part: shape(2, 9, 4, 16) for part in "qkv"}, f"{CLEAR}4 and 9 (shapes (2, 9, 4, 16), "),
    "as many heads as tokens": ({part: shape(4, 4, 16) for part in "qkv"}, f"{CLEAR}4 and 4 (shapes (4, 4, 16), "),
    "many heads": (
        {"q": shape(1, 20_000, 1, 1), "k": shape(1, 1, 1, 1), "v": shape(1, 1, 1, 1)},
        "the heads of q must be from 1 to 16384, not 20000",
    ),
    "the same name twice": (
        {f"head5_{part}": shape(5, 16) for part in "qkv"} | {f"{part}": shape(6, 7, 16) for part in "qkv"},
        "the names of heads must be different, not head5 twice",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_shapes_that_are_no_heads_are_refused(case, tmp_path):
    changes, said = REFUSED[case]
    with pytest.raises(InputError) as error:
        load(tmp_path, **arrays() | changes)
    assert said in str(error.value)


def test_the_wrong_order_is_refused(tmp_path):
    with pytest.raises(InputError, match=f"{SHARED}5 and 7 .* as tokens,heads; --axes heads,tokens or "):
        load(tmp_path, axes=Axes.TOKENS_HEADS, **arrays())


@pytest.mark.parametrize("axes", Axes)
def test_an_order_that_is_named_needs_no_more_tokens_than_heads(axes, tmp_path):
    content = {part: shape(2, 4, 4, 16) for part in "qkv"}
    assert len(load(tmp_path, axes=axes, **content)) == 8


def test_one_head_needs_no_order(tmp_path):
    assert len(load(tmp_path, **{part: shape(1, 1, 16) for part in "qkv"})) == 1


def test_arrays_that_are_too_large_together_are_refused_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("fusioncim_sim.heads.checks.MOST_BYTES", 1000)
    monkeypatch.setattr("fusioncim_sim.heads.files.Joined.read", None)
    with pytest.raises(InputError, match="arrays of heads must have at most 1,000 bytes together, not 14,848"):
        load(tmp_path, ChipConfig(), other=shape(10_000), **arrays())
