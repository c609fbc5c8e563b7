"""Published configurations: the right answer of each, by hand from the model's paper or card, not from the reader."""

import re
from pathlib import Path

import pytest

from fusioncim_golden.errors import InputError
from fusioncim_sim.system.model_config import model_of
from fusioncim_sim.system.model_table import models_table, published

PAGE = Path(__file__).parents[3] / "docs" / "models.md"
RIGHT = {  # layers, query heads, KV heads, dimension, mask
    "BLOOM": [(2, 8, 8, 8, "causal")],
    "gpt-oss 20B": [(12, 64, 8, 64, "a window of 128 tokens"), (12, 64, 8, 64, "causal")],
    "BERT base": [(12, 12, 12, 64, "full")],
    "Command R7B": [(24, 32, 8, 128, "a window of 4,096 tokens"), (8, 32, 8, 128, "causal")],
    "DeepSeek V2": [(60, 128, 1, 576, "causal")],
    "DeepSeek V3": [(61, 128, 1, 576, "causal")],
    "Falcon 40B": [(60, 128, 8, 64, "causal")],
    "Falcon 7B": [(32, 71, 1, 64, "causal")],
    "Gemma 1 7B": [(28, 16, 16, 256, "causal")],
    "Gemma 3 270M": [(15, 4, 1, 256, "a window of 512 tokens"), (3, 4, 1, 256, "causal")],
    "Gemma 4 26B-A4B": [(25, 16, 8, 256, "a window of 1,024 tokens"), (5, 16, 2, 512, "causal")],
    "GLM 4 9B": [(40, 32, 2, 128, "causal")],
    "GPT-2 small": [(12, 12, 12, 64, "causal")],
    "GPT-NeoX 20B": [(44, 64, 64, 96, "causal")],
    "Granite 3.1 8B": [(40, 32, 8, 128, "causal")],
    "Granite 4.0 H": [(4, 32, 8, 64, "causal")],
    "Jamba v0.1": [(4, 32, 8, 128, "causal")],
    "Kimi K2": [(61, 64, 1, 576, "causal")],
    "LFM2 350M": [(6, 16, 8, 64, "causal")],
    "Llama 2 7B": [(32, 32, 32, 128, "causal")],
    "Llama 3.1 8B": [(32, 32, 8, 128, "causal")],
    "Llama 4 Scout": [(36, 40, 8, 128, "chunks of 8,192 tokens"), (12, 40, 8, 128, "causal")],
    "MiniMax M2.5": [(62, 48, 8, 128, "causal")],
    "Mistral 7B v0.1": [(32, 32, 8, 128, "a window of 4,096 tokens")],
    "Mistral 7B v0.3": [(32, 32, 8, 128, "causal")],
    "Mixtral 8x7B": [(32, 32, 8, 128, "causal")],
    "ModernBERT base": [(8, 12, 12, 64, "full"), (14, 12, 12, 64, "a window of 65 tokens and 64 ahead")],
    "Nemotron 3 Nano": [(6, 32, 2, 128, "causal")],
    "OLMo 2 7B": [(32, 32, 32, 128, "causal")],
    "MPT 7B": [(32, 32, 32, 128, "causal")],
    "OLMo 3 7B": [(24, 32, 32, 128, "a window of 4,096 tokens"), (8, 32, 32, 128, "causal")],
    "Phi-3 mini 4k": [(32, 32, 32, 96, "a window of 2,047 tokens")],
    "Phi-4": [(40, 40, 10, 128, "causal")],
    "Qwen 2.5 7B": [(28, 28, 4, 128, "causal")],
    "Qwen3 8B": [(36, 32, 8, 128, "causal")],
    "Qwen3-Next 80B-A3B": [(12, 16, 2, 256, "causal")],
    "SmolLM3 3B": [(36, 16, 4, 128, "causal")],
    "StarCoder": [(40, 48, 1, 128, "causal")],
    "StarCoder2 7B": [(32, 36, 4, 128, "a window of 4,096 tokens")],
    "ViT base": [(12, 12, 12, 64, "full")],
}
LEFT_OUT = {
    "Granite 4.0 H": {"Mamba": 36},
    "Jamba v0.1": {"Mamba": 28},
    "LFM2 350M": {"convolution": 10},
    "Nemotron 3 Nano": {"Mamba": 23, "no attention": 23},
    "Qwen3-Next 80B-A3B": {"linear attention": 36},
}
REFUSED = {
    "BART": "no cross-attention, which the model type bart has",
    "DeepSeek V3.2": "no sparse attention, which the model type deepseek_v32 has",
    "Gemma 2 9B": "no soft-capping of scores at 50.0, which the model type gemma2 has",
    "T5": "no relative position biases, which the model type t5 has",
    "Whisper": "no cross-attention, which the model type whisper has",
}
SINKS, SLOPES = {"gpt-oss 20B"}, {"BLOOM", "MPT 7B"}
LATENT = {"DeepSeek V2", "DeepSeek V3", "Kimi K2"}


def test_every_configuration_has_an_answer():
    assert set(published()) == {*RIGHT, *REFUSED}
    assert len(published()) >= 34


@pytest.mark.parametrize("name", RIGHT)
def test_layers_are_those_of_the_model(name):
    found = model_of(published()[name]["config"], name)
    assert [(x.layers, x.heads, x.kv_heads, x.key_size, x.mask.words) for x in found.kinds] == RIGHT[name]
    assert found.left_out == LEFT_OUT.get(name, {})
    assert all(each.latent == (name in LATENT) for each in found.kinds)
    assert all((each.sinks, each.slopes) == (name in SINKS, name in SLOPES) for each in found.kinds)


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_engine_does_not_have_is_refused_by_name(name):
    with pytest.raises(InputError, match=re.escape(REFUSED[name])):
        model_of(published()[name]["config"], name)


def test_the_page_is_made_from_the_configurations():
    page = PAGE.read_text(encoding="utf-8")
    inside = page.partition("<!-- models: begin -->")[2].partition("<!-- models: end -->")[0]
    assert inside.strip() == models_table()
