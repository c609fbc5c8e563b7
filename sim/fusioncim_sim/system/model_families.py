"""Model types: how their tokens attend, what the engine does not have of them, and the kinds of their layers.

The rules are those of the configurations of Hugging Face transformers 5, by `model_type`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fusioncim_golden.errors import InputError

Values = Mapping[str, Any]

_CAUSAL = """
apertus arcee bamba bitnet bloom chatglm codegen cohere cohere2 dbrx deepseek_v2 deepseek_v3 ernie4_5 ernie4_5_moe
exaone4 falcon gemma gemma2 gemma3 gemma3_text gemma3n gemma3n_text gemma4 gemma4_text glm glm4 glm4_moe gpt2
gpt_bigcode gpt_neo gpt_neox gpt_oss gptj granite granitemoe granitemoehybrid granitemoeshared helium hunyuan_v1_dense
hunyuan_v1_moe jamba kimi_k2 lfm2 lfm2_moe llama llama4 llama4_text minimax minimax_m2 ministral mistral
mixtral mpt nemotron nemotron_h olmo olmo2 olmo3 olmoe openelm opt persimmon phi phi3 phimoe qwen2 qwen2_moe qwen3
qwen3_moe qwen3_next recurrent_gemma seed_oss smollm3 stablelm starcoder2
"""
_FULL = """
albert bert camembert clip_vision_model deit dinov2 distilbert electra esm hubert modernbert nomic_bert
roberta siglip_text_model siglip_vision_model vit vit_mae wav2vec2 xlm-roberta
"""
DECODERS = frozenset(_CAUSAL.split())
"""Model types whose tokens see those before them."""
ENCODERS = frozenset(_FULL.split())
"""Model types whose tokens see all others."""
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("t5", "mt5", "umt5", "longt5", "mpnet", "beit", "swin"), "relative position biases"),
    **dict.fromkeys(("deberta", "deberta-v2"), "disentangled attention"),
    **dict.fromkeys(("longformer", "big_bird", "led", "reformer"), "sparse attention"),
    **dict.fromkeys(("deepseek_v32", "deepseek_v4"), "sparse attention"),
    **dict.fromkeys(("mamba", "mamba2", "falcon_mamba", "rwkv", "xlstm"), "no attention"),
    **dict.fromkeys(("mllama", "mllama_text_model"), "cross-attention"),
    "xlnet": "two streams of attention with relative positions",
    "diffllama": "differential attention",
}
"""Model types whose attention the engine does not have, and what they have instead."""
SINKS = frozenset({"gpt_oss"})
"""Model types whose query heads have learned sinks."""
SLOPES = frozenset({"bloom", "mpt"})
"""Model types whose query heads have slopes (ALiBi), unless their configuration says that they have none."""
ALIASES: Mapping[str, Sequence[str]] = {
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers", "num_transformer_layers"),
    "num_attention_heads": ("n_head", "n_heads", "num_heads", "num_query_heads"),
    "num_key_value_heads": ("num_kv_heads", "n_kv_heads", "n_head_kv"),
    "hidden_size": ("n_embd", "d_model", "dim", "model_dim"),
    "head_dim": ("d_kv", "kv_channels", "attention_head_dim"),
}
"""Names of the same number in other configurations."""
LEFT_OUT: Mapping[str, str] = {
    "linear_attention": "linear attention",
    "lightning_attention": "linear attention",
    "conv": "convolution",
    "mamba": "Mamba",
    "mamba2": "Mamba",
    "recurrent": "recurrence",
    "mlp": "no attention",
    "moe": "no attention",
}
"""Kinds of layers that have no softmax attention, and what they are called."""
OTHER_PARTS: Mapping[str, str] = {"vision_config": "vision", "audio_config": "hearing"}
"""Parts of a model beside its language, and what they are called."""


# Kinds of the layers, by model type where the configuration does not list them.


def layer_kinds(values: Values, layers: int) -> list[str]:
    """The kind of every layer, by the names that transformers has for them."""
    listed = values.get("layer_types") or values.get("layers_block_type") or _derived(values, layers)
    if not isinstance(listed, list | tuple) or not all(isinstance(each, str) for each in listed):
        raise InputError(f"layer_types must be a list of names, not {listed}")
    if len(listed) < layers:
        raise InputError(f"layer_types must have an entry for each of the {layers} layers, not {len(listed)}")
    known = {"attention": "full_attention", "global": "full_attention", "local": "sliding_attention"}
    kinds = [known.get(each, each) for each in listed[:layers]]
    for each in kinds:
        if each not in ("full_attention", "sliding_attention", "chunked_attention", *LEFT_OUT):
            raise InputError(f"every layer must be of a known kind, not {each}")
    if values.get("model_type") in UNWINDOWED and not values.get("sliding_window"):
        return ["full_attention" if each == "sliding_attention" else each for each in kinds]
    return kinds


UNWINDOWED = frozenset({"cohere2", "exaone4", "gemma2", "ministral", "olmo3"})
"""Model types whose layers are full where the configuration has no window."""


def _every(interval: int, layers: int, one: str, others: str) -> list[str]:
    """Every interval-th layer is `one`."""
    return [others if (n + 1) % interval else one for n in range(layers)]


def _derived(values: Values, layers: int) -> list[str]:
    """The kinds where the configuration does not list them."""
    derive = DERIVED.get(str(values.get("model_type")), _uniform)
    return derive(values, layers)


def _uniform(values: Values, layers: int) -> list[str]:
    """All layers are alike: within the window, if there is one and nothing says that it is not used."""
    used = values.get("sliding_window") and values.get("use_sliding_window", True)
    return ["sliding_attention" if used else "full_attention"] * layers


def _after(values: Values, layers: int) -> list[str]:
    """Qwen: windows from the layer max_window_layers on, if they are used at all."""
    if not (values.get("use_sliding_window") and values.get("sliding_window")):
        return ["full_attention"] * layers
    first = number({"max_window_layers": 28, **values}, "max_window_layers", least=0)
    return ["full_attention"] * min(first, layers) + ["sliding_attention"] * max(layers - first, 0)


def _pattern(interval: int) -> Callable[[Values, int], list[str]]:
    """Windows, and every so many layers a full one."""

    def derive(values: Values, layers: int) -> list[str]:
        given = values.get("sliding_window_pattern", values.get("_sliding_window_pattern"))
        if isinstance(given, str):  # LLLG
            return [("sliding_attention" if given[n % len(given)] == "L" else "full_attention") for n in range(layers)]
        return _every(given or interval, layers, "full_attention", "sliding_attention")

    return derive


def _gemma4(values: Values, layers: int) -> list[str]:
    """As `_pattern`; the last layer is full."""
    return [*_every(6, layers, "full_attention", "sliding_attention")[:-1], "full_attention"]


def _llama4(values: Values, layers: int) -> list[str]:
    """Layers with rotary positions see chunks."""
    rotary = values.get("no_rope_layers")
    if not rotary:
        interval = number({"no_rope_layer_interval": 4, **values}, "no_rope_layer_interval")
        return _every(interval, layers, "full_attention", "chunked_attention")
    return ["chunked_attention" if each else "full_attention" for each in rotary]


def _modernbert(values: Values, layers: int) -> list[str]:
    interval = number({"global_attn_every_n_layers": 3, **values}, "global_attn_every_n_layers")
    return ["sliding_attention" if n % interval else "full_attention" for n in range(layers)]


def _qwen3_next(values: Values, layers: int) -> list[str]:
    interval = number({"full_attention_interval": 4, **values}, "full_attention_interval")
    return _every(interval, layers, "full_attention", "linear_attention")


def _listed(name: str, other: str) -> Callable[[Values, int], list[str]]:
    """Attention in the layers of a list, all of them if there is none."""

    def derive(values: Values, layers: int) -> list[str]:
        where = values.get(name)
        return ["full_attention" if where is None or n in where else other for n in range(layers)]

    return derive


def _jamba(values: Values, layers: int) -> list[str]:
    period = number({"attn_layer_period": 8, **values}, "attn_layer_period")
    offset = number({"attn_layer_offset": 4, **values}, "attn_layer_offset", least=0)
    return ["full_attention" if n % period == offset else "mamba" for n in range(layers)]


def _nemotron_h(values: Values, layers: int) -> list[str]:
    pattern = str(values.get("hybrid_override_pattern", ""))
    return [{"*": "full_attention", "M": "mamba"}.get(each, "mlp") for each in pattern]


def _recurrent_gemma(values: Values, layers: int) -> list[str]:
    types = values.get("_block_types") or values.get("block_types") or ["recurrent", "recurrent", "attention"]
    kinds = ["sliding_attention" if each == "attention" else each for each in types]
    return [kinds[n % len(kinds)] for n in range(layers)]


def _gpt_neo(values: Values, layers: int) -> list[str]:
    types = values.get("attention_types") or [[["global", "local"], layers]]
    return [each for names, count in types for each in names * count]


DERIVED: Mapping[str, Callable[[Values, int], list[str]]] = {
    **dict.fromkeys(("qwen2", "qwen2_moe", "qwen3", "qwen3_moe"), _after),
    **dict.fromkeys(("gemma3", "gemma3_text"), _pattern(6)),
    **dict.fromkeys(("gemma3n", "gemma3n_text"), _pattern(5)),
    **dict.fromkeys(("gemma4", "gemma4_text"), _gemma4),
    **dict.fromkeys(("cohere2", "exaone4", "olmo3"), _pattern(4)),
    **dict.fromkeys(("llama4", "llama4_text"), _llama4),
    **dict.fromkeys(("lfm2", "lfm2_moe"), _listed("full_attn_idxs", "conv")),
    "bamba": _listed("attn_layer_indices", "mamba"),
    "gemma2": _pattern(2),
    "gpt_neo": _gpt_neo,
    "jamba": _jamba,
    "modernbert": _modernbert,
    "nemotron_h": _nemotron_h,
    "qwen3_next": _qwen3_next,
    "recurrent_gemma": _recurrent_gemma,
}
"""What a model type's layers are, by the rules of its configuration in transformers."""


# Numbers.


def find(values: Values, name: str) -> Any:
    """An entry under its name or an alias; None if there is none."""
    return next((values[each] for each in (name, *ALIASES.get(name, ())) if values.get(each) is not None), None)


def number(values: Values, name: str, layer: int | None = None, *, least: int = 1) -> int:
    """An entry that must be a whole number; of a layer, it may stand in a list of one for every layer."""
    value = find(values, name)
    if isinstance(value, list) and layer is not None and layer < len(value):
        value = value[layer]
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, not {json.dumps(value)[:60]}")
    return value
