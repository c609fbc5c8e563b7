"""What a config.json leaves out, by model type, where it is not what the other entries say.

Source: the configuration classes of Hugging Face transformers 5.24. Numbers of layers and heads are not guessed, but
for Gemma 3, whose published files leave the heads out.
"""

from collections.abc import Mapping
from typing import Any

_KV_HEADS = {
    "bamba": 8, "bitnet": 5, "ernie4_5": 2, "ernie4_5_moe": 4, "gemma": 16, "gemma2": 4, "gemma3_text": 4,
    "gemma3n_text": 2, "gemma4_text": 4, "glm": 2, "glm4": 2, "glm4_moe": 8, "jamba": 8, "lfm2": 8, "lfm2_moe": 8,
    "llama4_text": 8, "minimax": 8, "minimax_m2": 8, "ministral": 8, "mistral": 8, "mixtral": 8, "nemotron_h": 8,
    "phimoe": 8, "qwen3_moe": 4, "qwen3_next": 2, "seed_oss": 8, "smollm3": 4, "starcoder2": 2,
}  # fmt: skip
_HEAD_SIZE = {
    "ernie4_5": 128, "gemma": 256, "gemma2": 256, "gemma3_text": 256, "gemma3n_text": 256, "gemma4_text": 256,
    "glm": 128, "glm4": 128, "helium": 128, "llama4_text": 128, "minimax_m2": 128, "nemotron_h": 128, "qwen3": 128,
    "qwen3_next": 256, "seed_oss": 128,
}  # fmt: skip
_WINDOW = {
    "cohere2": 4096, "exaone4": 4096, "gemma2": 4096, "gemma3_text": 4096, "gemma3n_text": 512, "gemma4_text": 512,
    "ministral": 4096, "mistral": 4096, "olmo3": 4096,
}  # fmt: skip
_OTHERS: Mapping[str, Mapping[str, Any]] = {
    "deepseek_v2": {"kv_lora_rank": 512, "qk_rope_head_dim": 64},
    "deepseek_v3": {"kv_lora_rank": 512, "qk_rope_head_dim": 64},
    "falcon": {"multi_query": True},
    "gemma2": {"attn_logit_softcapping": 50.0},
    "gemma3_text": {"num_attention_heads": 8},
    "gpt_bigcode": {"multi_query": True},
    "llama4_text": {"attention_chunk_size": 8192},
}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    name: {
        **({"num_key_value_heads": _KV_HEADS[name]} if name in _KV_HEADS else {}),
        **({"head_dim": _HEAD_SIZE[name]} if name in _HEAD_SIZE else {}),
        **({"sliding_window": _WINDOW[name]} if name in _WINDOW else {}),
        **_OTHERS.get(name, {}),
    }
    for name in sorted({*_KV_HEADS, *_HEAD_SIZE, *_WINDOW, *_OTHERS})
}
"""Entries by model type."""
