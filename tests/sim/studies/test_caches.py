"""The stored figures of quantized caches: enough predictions, within the bound, every row of every part."""

import json
from pathlib import Path

import pytest

from fusioncim_sim.studies.caches import BASE, PARTS, PER_TOKEN, WORSE, caches_table, targets_table

STORED = json.loads((Path(__file__).parents[3] / "measurements" / "caches.json").read_text(encoding="utf-8"))


def test_enough_is_predicted():
    assert STORED["tokens"] >= 10_000
    assert {one["tokens"] for part in PARTS for one in STORED[part].values()} == {STORED["tokens"]}


@pytest.mark.parametrize("part", ["causal", "window"])
def test_a_cache_in_int8_per_token_is_nearly_as_good(part):
    assert STORED[part][PER_TOKEN]["difference"] - STORED[part][BASE]["difference"] <= WORSE


def test_every_row_is_shown():
    table = caches_table(STORED)
    assert table.count("\n") == 1 + sum(len(STORED[part]) for part in PARTS)
    assert "| 10,230 in windows of 1,024 | INT8 per token |" in table
    assert "| the same, each query sees 256 keys | INT4 per token |" in table
    assert f"{WORSE} nats at most" in targets_table(STORED)
