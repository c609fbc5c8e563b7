"""Carry-save trees are the sums that they stand for, and a wrong one is not."""

import copy
import json

import pytest
from tests.hw.asic.synthesis.test_carry_save import ADDENDS, PRODUCTS, module_of

from fusioncim.asic.synthesis.carry_save import rewrite
from fusioncim.formal.sum_trees import differing_sums

INPUTS = {"$fa": "ABC", "$add": "AB", "$and": "AB", "$not": "A"}


def trees(tmp_path, width):
    """A module with two sums before and after they are trees."""
    before = module_of([(ADDENDS, PRODUCTS, width), (ADDENDS[:2], [], width)], constants=["1", "0"])
    path = tmp_path / "sums.json"
    path.write_text(json.dumps({"modules": {"top": before}}))
    before = copy.deepcopy(before)
    rewrite(path)
    return before, json.loads(path.read_text())["modules"]["top"]


@pytest.mark.parametrize("width", [1, 3, 8, 12])
def test_trees_are_the_sums(tmp_path, width):
    assert differing_sums(*trees(tmp_path, width)) == []


def test_every_wrong_input_is_found(tmp_path):
    before, after = trees(tmp_path, 8)
    found = []
    for name, cell in after["cells"].items():
        for port in INPUTS[cell["type"]]:
            wrong = copy.deepcopy(after)
            bits = wrong["cells"][name]["connections"][port]
            bits[0] = "0" if bits[0] == "1" else "1"
            found.append(len(differing_sums(before, wrong)))
    assert len(found) > 100
    assert set(found) == {1}


def test_a_sum_without_a_tree_is_found(tmp_path):
    before, _ = trees(tmp_path, 8)
    assert differing_sums(before, {"cells": {}}) == ["sum_0", "sum_1"]
