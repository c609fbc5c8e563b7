"""A model that speaks through the Verilog: every logit as the golden backend's, bit for bit, and a cache that grows."""

import numpy as np
import pytest
import torch
import transformers

from fusioncim_golden.presets import PRESETS
from fusioncim_sim.library.binding import ChipModel
from fusioncim_sim.library.build import build_library
from fusioncim_sim.llm.chat import prepared

CHIP = PRESETS["tiny"].override(update_rank=4, columns=32, buffer_bytes=1 << 12, token_scale_bits=8)
SIZES = {
    "vocab_size": 50,
    "hidden_size": 48,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "eos_token_id": None,
}
TEXT = np.random.default_rng(4).integers(0, 50, 40).tolist()
PROMPTS = [np.random.default_rng(n).integers(0, 50, length).tolist() for n, length in enumerate((19, 3, 34))]


def made(kind=transformers.LlamaConfig, **options):
    torch.manual_seed(1)
    return transformers.AutoModelForCausalLM.from_config(kind(**SIZES | options)).eval()


def talk_of(model=None, prompts=PROMPTS, tokens=4, **options):
    return prepared(model or made(), prompts, CHIP, **{"tokens": tokens, "cache_tokens": 48, "text": TEXT} | options)


@pytest.fixture(scope="module")
def library():
    return build_library(CHIP)


MODELS = {
    "llama": {},
    "windows": {"kind": transformers.MistralConfig, "sliding_window": 7},
    "some windows": {
        "kind": transformers.Gemma3TextConfig,
        "sliding_window": 6,
        "layer_types": ["sliding_attention", "full_attention"],
    },
}


@pytest.mark.parametrize("cache", ["int8_per_token", "int4_per_token"])
@pytest.mark.parametrize("name", MODELS)
def test_tokens_and_logits_are_those_of_the_golden_backend(name, cache, library):
    talk = talk_of(made(**MODELS[name]), cache=cache)
    with ChipModel(library, CHIP) as hardware:
        found = list(talk.on_chip(hardware))
    golden = list(talk.on_golden())
    assert len(found) == len(golden) == 4
    for own, same in zip(found, golden, strict=True):
        assert (own.sequences, own.tokens) == (same.sequences, same.tokens)
        assert torch.equal(own.logits, same.logits)
        assert own.work == same.work
    assert found[0].work.jobs == 2
    assert found[0].work.counts.cycles > found[1].work.counts.cycles > 0
