"""Quantized caches under a model that reads: windows and slopes, and what remains without the arithmetic."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fusioncim_golden.config import Config
from fusioncim_golden.mask import Mask
from fusioncim_golden.pytorch.calibration import factors
from fusioncim_golden.pytorch.huggingface import DEFAULT_CONFIG, Attention
from fusioncim_golden.reference import visible
from fusioncim_golden.schedule import Job
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.llm import caches
from fusioncim_sim.llm.caches import CACHES, FEW, Sloped, Windowed, error_alone, measure_part
from fusioncim_sim.llm.float_attention import SameOperands, float_attention
from fusioncim_sim.llm.language_model import find_model
from fusioncim_sim.studies.caches import BASE, PER_TOKEN

HEAD = next(head.first(100) for head in load_heads(fixture(), Config()) if head.name == "mixed")
CAUSAL = torch.from_numpy(visible(Job(queries=100, keys=100)))[None, None]
CONFIG = DEFAULT_CONFIG.override(token_scale_bits=8, alibi=True)


def cached(parts, cache):
    attention = Attention(CONFIG, cache=cache)
    return attention if not attention.form.bits else replace(attention, factors={0: factors(*parts, attention.form)})


@pytest.mark.parametrize("cache", ["recomputed", "int8_per_token", "int4_per_token"])
@pytest.mark.parametrize("wrap", [Windowed, Sloped])
def test_windows_and_slopes_are_those_of_the_float_reference(wrap, cache, causal, parts_of, monkeypatch):
    monkeypatch.setattr(caches, "SLIDING", 20)
    parts = parts_of(HEAD)
    exact, _ = wrap(None)(causal, *parts, CAUSAL, 0.125)
    error = wrap(cached(parts, cache))(causal, *parts, CAUSAL, 0.125)[0] - exact
    plain = float_attention(*parts, 0.125, CAUSAL) - exact
    assert error.abs().max() < (0.2 if cache.startswith("int4") else 0.03) * parts[2].abs().max()
    if not cache.startswith("int4"):
        assert error.square().mean() < plain.square().mean() / 4


def test_a_window_hides_what_lies_before_it(causal, parts_of, monkeypatch):
    monkeypatch.setattr(caches, "SLIDING", 20)
    parts = parts_of(HEAD)
    mask = torch.from_numpy(visible(Job(queries=100, keys=100, mask=Mask(window=20))))[None, None]
    assert torch.equal(Windowed(None)(causal, *parts, CAUSAL, 0.125)[0], float_attention(*parts, 0.125, mask))


@pytest.mark.parametrize("cache", ["int8_per_token", "int4_per_token"])
@pytest.mark.parametrize("wrap", [Windowed, Sloped])
def test_without_the_arithmetic_the_same_operands_are_nearer(wrap, cache, causal, parts_of):
    parts = parts_of(HEAD)
    attention = cached(parts, cache)
    same = SameOperands(CONFIG, cache=cache, factors=attention.factors)
    out, floats = (wrap(one)(causal, *parts, CAUSAL, 0.125)[0] for one in (attention, same))
    assert (out - floats).abs().max() < 0.03 * parts[2].abs().max()
    alone, _ = wrap(error_alone(attention))(causal, *parts, CAUSAL, 0.125)
    assert torch.allclose(alone - float_attention(*parts, 0.125, CAUSAL), out - floats, atol=1e-5) or wrap is Windowed


def test_every_part_has_its_rows(tiny):
    source = find_model(str(tiny))
    text = np.random.default_rng(1).integers(0, 50, 40)
    windows = np.random.default_rng(2).integers(0, 50, (2, 24))
    found = {part: measure_part(part, source, windows, text, Attention(), 1) for part in ("causal", "window", "alibi")}
    assert list(found["causal"]) == [BASE, *CACHES, f"{PER_TOKEN}, arithmetic alone"]
    assert list(found["window"]) == list(found["alibi"]) == [BASE, *FEW]
    assert all(one["tokens"] == 46 for part in found.values() for one in part.values())
    assert found["causal"]["INT4 per token"]["kl"] > found["causal"][PER_TOKEN]["kl"] > 0
