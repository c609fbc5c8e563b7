"""Blocks that rows add to O: those of the golden model, and by the length of the text."""

from dataclasses import replace

import numpy as np
import pytest

from fusioncim_golden import engine as golden
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.pytorch.huggingface import Attention
from fusioncim_golden.schedule import Job
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.llm import added_blocks
from fusioncim_sim.llm.added_blocks import Counted, measure_additions
from fusioncim_sim.llm.language_model import find_model

HEADS = {head.name: replace(head.first(200), range_q=None) for head in load_heads(fixture(), Config())}
"""Each shares its keys with no other query head here."""


@pytest.mark.parametrize("name", ["sink", "local", "wide"])
def test_a_layer_adds_what_the_integer_model_adds(name, causal, parts_of):
    head, config = HEADS[name], Config(flush=8)
    counted = Counted(config)
    counted(causal, *parts_of(head), None, 0.125)
    expected = golden.run(config, head.quantized(config), Job(queries=200, keys=200)).events
    assert counted.layers == [(expected.additions, expected.scores)]
    assert 0 < expected.additions < expected.row_updates
    other = Counted(config, subtract_mean_v=False)
    other(causal, *parts_of(head), None, 0.125)
    expected = golden.run(config, replace(head.quantized(config), centred=False), Job(queries=200, keys=200)).events
    assert other.layers == [(expected.additions, expected.scores)]
    assert other.layers > counted.layers or name == "wide"  # which skips next to nothing


def test_each_length_is_counted_both_ways(monkeypatch):
    def read(model, counted, window):
        counted.layers.append((len(window[0]) + 1000 * counted.subtract_mean_v, 100))

    monkeypatch.setattr(added_blocks, "load_model", lambda source: None)
    monkeypatch.setattr(added_blocks, "logits", read)
    found = measure_additions(None, np.zeros(90, np.int64), Attention(Config()), (32, 80), 1)
    assert found["per_key"] == {"32": 10.32, "80": 10.8}
    assert found["uncentred"]["per_key"] == {"32": 0.32, "80": 0.8}


def test_the_share_of_all_layers_by_length(tiny):
    """Weights that are equal skip nothing: blocks of 1, 2, 3, 4, 4 + 1, .. keys of a row."""
    tokens = np.random.default_rng(1).integers(0, 50, 96)
    attention = Attention(Config(flush=14), engines=2)
    found = measure_additions(find_model(str(tiny)), tokens, attention, (32, 96), 1)
    blocks = {n: sum(-(-keys // 4) for keys in range(1, n + 1)) / (n * (n + 1) / 2) for n in (32, 96)}
    assert found == {
        "flush": 12,
        "schedule": "diagonal_first",
        "engines": 2,
        "per_key": {str(n): pytest.approx(blocks[n], rel=1e-4) for n in (32, 96)},
        "uncentred": {"flush": 14, "per_key": {str(n): pytest.approx(blocks[n], rel=1e-4) for n in (32, 96)}},
    }


def test_a_text_that_is_too_short_is_refused(tiny):
    with pytest.raises(InputError, match="at least 200 tokens, not 150"):
        measure_additions(find_model(str(tiny)), np.zeros(150, np.int64), Attention(), (100, 200), 1)
