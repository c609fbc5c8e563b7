"""Names of arrays: q, k and v alone or behind a name, with either sign between."""

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_sim.heads.names import named_arrays

FOUND = {
    "plain": ("q k v", ["head"]),
    "underscores": ("b_q b_k b_v a_q a_k a_v", ["a", "b"]),
    "dots": ("layers.0.attn.q layers.0.attn.k layers.0.attn.v", ["layers.0.attn"]),
    "both": ("q k v x.q x.k x.v c_k_q c_k_k c_k_v", ["c_k", "head", "x"]),
    "others are left out": ("q k v qq norm.weight step", ["head"]),
}


@pytest.mark.parametrize("case", FOUND)
def test_heads_are_found_by_name(case):
    arrays, names = FOUND[case]
    found = named_arrays(arrays.split())
    assert [each.name for each in found] == names
    for each in found:
        assert {each.array(part) for part in "qkv"} <= set(arrays.split())


def test_what_stands_beside_a_head_is_its_own():
    plain, named = named_arrays(["q", "k", "v", "scale", "a.q", "a.k", "a.v", "a.range", "a.sequences"])[::-1]
    assert (plain.there, plain.array("scale")) == ({*"qkv", "scale"}, "scale")
    assert (named.there, named.array("range")) == ({*"qkv", "range", "sequences"}, "a.range")


REFUSED = {
    "no heads": ("x y", "the heads file must hold arrays q, k, v, or NAME_q, NAME_k, NAME_v, not x, y"),
    "many others": (" ".join(f"w{n}" for n in range(1010)), "not w0, w1, w2, w3, w4, w5, w6, w7 and 1,002 others"),
    "no key": ("q v", "a head must have arrays q, k, v; missing is k"),
    "no key of a name": (
        "layers.0.q layers.0.v",
        "a head must have arrays layers.0.q, layers.0.k, layers.0.v; ",
    ),
    "signs that differ": ("a_q a.k a_v", "a head must have arrays a_q, a_k, a_v; missing is a_k"),
    "one name twice": ("a_q a_k a_v a.q a.k a.v", "the names of heads must be different, not a twice"),
    "a head called head": ("q k v head_q head_k head_v", "the names of heads must be different, not head twice"),
    "a scale of nothing": ("q k v b.scale", "NAME_scale must be of a head of the file (head), not b.scale"),
    "a plain scale of nothing": ("a_q a_k a_v scale", "NAME_scale must be of a head of the file (a), not scale"),
    "no name": ("_q _k _v", "the name of a head must be of printable signs, not ''"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_names_that_are_no_heads_are_refused(case):
    arrays, said = REFUSED[case]
    with pytest.raises(InputError) as error:
        named_arrays(arrays.split())
    assert said in str(error.value)
