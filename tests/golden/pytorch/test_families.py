"""Families of models by their masks: every layer is the golden model with the mask that the family is known for."""

from itertools import pairwise

import numpy as np
import pytest
import torch
import transformers

from fusioncim_golden.mask import CAUSAL, EVERY, FULL, Mask

SIZES = {
    "vocab_size": 99,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
}
DECODER = SIZES | {"num_key_value_heads": 2, "head_dim": 32, "pad_token_id": 0}
LAYERS = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 8}
LATENT = {"q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "v_head_dim": 16}
EXPERTS = {"num_local_experts": 2, "num_experts_per_tok": 1}
CHUNKS = {
    "layer_types": ["chunked_attention", "full_attention"],
    "attention_chunk_size": 8,
    "intermediate_size_mlp": 64,
}
CLASS, MODEL = transformers.AutoModelForCausalLM, transformers.AutoModel
FAMILIES = {
    "mistral": (CLASS, transformers.MistralConfig(**DECODER, sliding_window=8), [Mask(window=8)] * 2),
    "phi3": (CLASS, transformers.Phi3Config(**DECODER, sliding_window=8), [Mask(window=8)] * 2),
    "qwen2": (CLASS, transformers.Qwen2Config(**DECODER, **LAYERS, use_sliding_window=True), [Mask(window=8), CAUSAL]),
    "gemma2": (
        CLASS,
        transformers.Gemma2Config(**DECODER, **LAYERS, attn_logit_softcapping=None),
        [Mask(window=8), CAUSAL],
    ),
    "gemma3": (CLASS, transformers.Gemma3TextConfig(**DECODER, **LAYERS), [Mask(window=8), CAUSAL]),
    "gemma3 to both sides": (
        MODEL,
        transformers.Gemma3TextConfig(**DECODER, **LAYERS, use_bidirectional_attention=True),
        [Mask(window=5, ahead=4), FULL],
    ),
    "clip": (MODEL, transformers.CLIPTextConfig(**SIZES), [CAUSAL] * 2),
    "llama4": (CLASS, transformers.Llama4TextConfig(**DECODER | CHUNKS, **EXPERTS), [Mask(chunk=8), CAUSAL]),
    "deepseek_v3": (
        CLASS,
        transformers.DeepseekV3Config(
            **SIZES | LATENT,
            num_key_value_heads=4,
            n_routed_experts=4,
            num_experts_per_tok=2,
            n_group=2,
            topk_group=1,
            first_k_dense_replace=2,
        ),
        [CAUSAL] * 2,
    ),
    "bert": (MODEL, transformers.BertConfig(**SIZES), [FULL] * 2),
    "modernbert": (
        MODEL,
        transformers.ModernBertConfig(**SIZES | {"pad_token_id": 0}, local_attention=8, global_attn_every_n_layers=2),
        [FULL, Mask(window=5, ahead=4)],
    ),
}
DECODERS = [name for name, (kind, *_) in FAMILIES.items() if kind is CLASS]
REAL = {"left": (slice(None), slice(7, None)), "right": (slice(None), slice(0, 23))}
"""Of two sequences the tokens that are no padding, by its side."""


def make(name, implementation):
    torch.manual_seed(1)
    kind, config, masks = FAMILIES[name]
    return kind.from_config(config, attn_implementation=implementation).eval(), masks


def tokens(count=30):
    return torch.randint(1, 99, (2, count), generator=torch.Generator().manual_seed(2))


def scaling(model):
    config = model.config
    size = getattr(config, "qk_head_dim", None) or getattr(config, "head_dim", None) or 16
    return getattr(config, "query_pre_attn_scalar", size) ** -0.5


@pytest.mark.parametrize("side", REAL)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_layer_is_the_golden_model_with_its_mask(name, side, recorded, assert_sequence):
    model, masks = make(name, "recorded")
    padding = torch.zeros(2, 30, dtype=torch.int64)
    for row, real in enumerate(REAL[side]):
        padding[row, real] = 1
    model(tokens(), attention_mask=padding)
    for call, mask in zip(recorded, masks, strict=True):
        for row, real in enumerate(REAL[side]):
            assert_sequence(call, row, real, real, scaling(model), mask=mask)
            assert not call[3][row, padding[row] == 0].any()


@pytest.mark.parametrize("cache", [transformers.DynamicCache, transformers.StaticCache])
@pytest.mark.parametrize("name", DECODERS)
def test_chunks_of_a_prefill_and_decoding_are_parts_of_one_sequence(name, cache, recorded, assert_sequence):
    """Caches of layers with windows keep the last keys alone, so that the queries' places among the keys differ."""
    model, masks = make(name, "recorded")
    past = cache(config=model.config, **{"max_cache_len": 40} if cache is transformers.StaticCache else {})
    steps = list(pairwise((0, 13, 19, 20, 21)))
    for start, end in steps:
        ids = tokens()[:, start:end]
        model(ids, attention_mask=torch.ones(2, end, dtype=torch.int64), past_key_values=past)
    for layer, mask in enumerate(masks):
        for call, (start, end) in zip(recorded[layer::2], steps, strict=True):
            low = int(mask.interval(np.array(start), end)[0])
            last = min(call[1].shape[2], end)  # behind it a static cache is empty
            keys = slice(last - (end - low), last)
            assert_sequence(call, 0, slice(None), keys, scaling(model), mask=mask, start=start - low)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_stays_close_to_its_float_self(name):
    model, _ = make(name, "fusioncim")
    own = model(tokens())[0]
    model.set_attn_implementation("eager")
    assert (own - model(tokens())[0]).abs().max() < 0.02 * own.abs().max()


@pytest.mark.parametrize("name", DECODERS)
def test_packed_sequences_see_themselves_alone(name, recorded, assert_sequence):
    """Positions that begin again are how transformers knows them."""
    model, masks = make(name, "recorded")
    lengths = (11, 6, 13)
    places = torch.cat([torch.arange(n) for n in lengths])[None]
    model(tokens()[:1], position_ids=places, use_cache=False)
    for call, mask in zip(recorded, masks, strict=True):
        assert_sequence(call, 0, slice(None), slice(None), scaling(model), lengths=lengths, mask=mask)


def test_images_see_all_patches(recorded, assert_sequence):
    config = transformers.ViTConfig(hidden_size=64, num_hidden_layers=1, num_attention_heads=2, image_size=64)
    torch.manual_seed(1)
    transformers.AutoModel.from_config(config, attn_implementation="recorded").eval()(torch.randn(1, 3, 64, 64))
    assert_sequence(recorded[0], 0, slice(None), slice(None), 32**-0.5, mask=FULL)


def vision(kind, text, image, **options):
    """A tiny model of text with images of 4 tokens."""
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = kind(
        text_config=text,
        vision_config=transformers.SiglipVisionConfig(**sizes, image_size=8, patch_size=4, **image),
        image_token_index=98,
        **options,
    )
    torch.manual_seed(1)
    return transformers.AutoModelForImageTextToText.from_config(config, attn_implementation="recorded").eval()


def test_a_prefix_of_images_and_text_sees_itself(recorded, assert_sequence):
    text = transformers.GemmaConfig(**DECODER | {"num_hidden_layers": 1})
    model = vision(transformers.PaliGemmaConfig, text, {"projection_dim": 64}, projection_dim=64)
    ids, kinds = tokens(20)[:1], torch.ones(1, 20, dtype=torch.int64)
    ids[0, :4], kinds[0, :12] = 98, 0
    model(input_ids=ids, pixel_values=torch.randn(1, 3, 8, 8), token_type_ids=kinds, attention_mask=torch.ones(1, 20))
    assert len(recorded) == 2
    assert_sequence(recorded[0], 0, slice(None), slice(None), 16**-0.5, mask=FULL)
    assert_sequence(recorded[1], 0, slice(None), slice(None), 32**-0.5, mask=Mask(prefix=12))


def gemma3(*begins, padding=0):
    """Gemma 3 reads images of 4 tokens, the first tokens at these places, behind so many of padding."""
    text = transformers.Gemma3TextConfig(**DECODER, **LAYERS)
    model = vision(transformers.Gemma3Config, text, {}, mm_tokens_per_image=4)
    ids, kinds, real = tokens(30)[:1], torch.zeros(1, 30, dtype=torch.int64), torch.ones(1, 30)
    for begin in begins:
        ids[0, begin : begin + 4], kinds[0, begin : begin + 4] = 98, 1
    real[0, :padding] = 0
    pixels = torch.randn(len(begins), 3, 8, 8, generator=torch.Generator().manual_seed(3))
    model(input_ids=ids, pixel_values=pixels, token_type_ids=kinds, attention_mask=real)


def test_an_image_at_the_start_sees_itself(recorded, assert_sequence):
    gemma3(0)
    for call, mask in zip(recorded[1:], [Mask(window=8, prefix=4), Mask(prefix=4)], strict=True):
        assert_sequence(call, 0, slice(None), slice(None), 256**-0.5, mask=mask)


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("begins", [(5,), (5, 11), (6, 14, 25)], ids=str)
def test_images_behind_text_see_themselves(begins, padding, recorded, assert_sequence):
    gemma3(*begins, padding=padding)
    for call, window in zip(recorded[1:], (8, EVERY), strict=True):
        low, high = Mask(window=window).interval(np.arange(30), 30)
        for begin in begins:
            low[begin : begin + 4] = np.minimum(low[begin : begin + 4], begin)
            high[begin : begin + 4] = begin + 4
        table = np.stack([low, high], axis=1)[padding:] - padding
        hull, real = Mask(window=window, ahead=3), slice(padding, None)
        assert_sequence(call, 0, real, real, 256**-0.5, mask=hull, intervals=np.maximum(table, 0))
