"""The attention of the model that a Hugging Face config.json describes, layer by layer, or a refusal by name.

Every layer gets its own kind, mask and heads; layers that are alike are one `Model` with their number. Layers without
softmax attention (convolutions, Mamba, linear attention) are counted and left out, and so are those of the part of a
model that sees or hears, which has tokens of its own. The text is text alone, without spans of images.

What no engine computes (relative biases, soft-caps, cross-attention) is refused by its name, and so is a model type
that is not known here, unless the caller states whether its layers are causal.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fusioncim_golden.errors import InputError, did_you_mean
from fusioncim_golden.input_file import MOST_CONFIG_BYTES, read_json
from fusioncim_golden.mask import CAUSAL, EVERY, FULL, Mask
from fusioncim_sim.system.model_defaults import DEFAULTS
from fusioncim_sim.system.model_families import (
    ALIASES,
    DECODERS,
    ENCODERS,
    LEFT_OUT,
    OTHER_PARTS,
    REFUSED,
    SINKS,
    SLOPES,
    Values,
    find,
    layer_kinds,
    number,
)
from fusioncim_sim.system.models import MAX_LAYERS, MODELS, Model, changed, model

NEEDED = {
    "num_hidden_layers": ("layers", "--layers"),
    "num_attention_heads": ("heads", "--heads"),
    "hidden_size": ("key_size", "--head-dimension"),
}
"""What a configuration must have: the name in `given`, and the option of `evaluate`, that may stand for it."""
LIKE = 0.9
"""How like a key must be to be taken for one that is missing."""


@dataclass(frozen=True, kw_only=True)
class LanguageModel:
    """The attention of all layers of a language model.

    Members:
        name: of the model.
        kinds: layers that are alike, each with their number.
        left_out: number of layers without softmax attention or of another part of the model, by what they are.
    """

    name: str
    kinds: tuple[Model, ...]
    left_out: Mapping[str, int]


def language_model(name: str, given: Values | None = None) -> LanguageModel:
    """The model of a name of `models.MODELS`, or of a path; given: as of `read_model`."""
    if name not in MODELS and (Path(name).suffix == ".json" or Path(name).is_dir()):
        return read_model(Path(name), given)
    this = changed(model(name), given or {})
    return LanguageModel(name=this.name, kinds=(this,), left_out={})


def read_model(path: Path, given: Values | None = None) -> LanguageModel:
    """The model of a config.json, or of a directory that holds one.

    given: numbers that replace or complete those of the file, by the names of `Model`; None leaves one as it is.
    """
    path = path / "config.json" if path.is_dir() else path
    values = read_json("the model's configuration", path, MOST_CONFIG_BYTES)
    name = path.stem if path.stem != "config" else path.resolve().parent.name
    try:
        return _language_model(values, name, str(path), {k: v for k, v in (given or {}).items() if v is not None})
    except InputError as error:
        raise InputError(f"{error}, in {path}") from error


def model_of(whole: Values, name: str) -> LanguageModel:
    """The model of the values of a configuration."""
    return _language_model(whole, name, name, {})


def _language_model(whole: Values, name: str, source: str, given: Values) -> LanguageModel:
    """The model of the values of a configuration."""
    values = _text(whole)
    for each in (values, whole):
        if not isinstance(each.get("model_type"), str | None):
            raise InputError(f"model_type must be a name, not {json.dumps(each['model_type'])[:60]}")
    causal = _causal(values, whole, given)
    _check_there(values, given)
    layers = given.get("layers") or number(values, "num_hidden_layers")
    if layers > MAX_LAYERS:
        raise InputError(f"num_hidden_layers must be at most {MAX_LAYERS}, not {layers}")
    kinds: Counter[Model] = Counter()
    left_out: Counter[str] = Counter()
    for n, kind in enumerate(layer_kinds(values, layers)):
        if kind in LEFT_OUT:
            left_out[LEFT_OUT[kind]] += 1
        else:
            kinds[_layer(values, n, kind, causal, given, name=name, source=source)] += 1
    if not kinds:
        raise InputError(f"the model must have layers of attention, not only of {', '.join(left_out)}")
    found = tuple(one.times(count) for one, count in kinds.items())
    return LanguageModel(name=name, kinds=found, left_out={**left_out, **_other_parts(whole)})


def _check_there(values: Values, given: Values) -> None:
    """Refuse a configuration that lacks numbers, all of them at once."""
    sized = find(values, "head_dim") is not None or values.get("kv_lora_rank") is not None
    missing = []
    for name, (member, option) in NEEDED.items():
        if find(values, name) is None and not given.get(member) and not (sized and name == "hidden_size"):
            spelt = get_close_matches(name, set(values) - {name}, n=1, cutoff=LIKE)
            missing.append(f"{name} (evaluate {option}{''.join(f'; the file has {each}' for each in spelt)})")
    if missing:
        raise InputError(f"the model's configuration must have layers, heads and a size; missing: {', '.join(missing)}")


def _text(whole: Values) -> Values:
    """The part about the language of a model that also sees or hears."""
    text = whole.get("text_config", whole)
    if not isinstance(text, Mapping):
        raise InputError(f"text_config must be a JSON object, not {text}")
    values = {"model_type": whole.get("model_type"), **text}
    defaults = DEFAULTS.get(str(values["model_type"]), {})
    missing = {k: v for k, v in defaults.items() if not any(each in values for each in (k, *ALIASES.get(k, ())))}
    return values | missing


def _other_parts(whole: Values) -> dict[str, int]:
    """Layers of the parts beside the language, by what these are, where the file has their number."""
    parts = {what: whole.get(name) for name, what in OTHER_PARTS.items() if "text_config" in whole}
    found = {
        what: find(part, "num_hidden_layers") or part.get("depth")
        for what, part in parts.items()
        if isinstance(part, Mapping)
    }
    return {what: count for what, count in found.items() if type(count) is int}


def _causal(values: Values, whole: Values, given: Values) -> bool:
    """Whether tokens see only those before them, after everything that the engine does not have is refused."""
    kind = values.get("model_type")
    for each in (values, whole):
        if each.get("model_type") in REFUSED:
            raise _refused(each["model_type"], REFUSED[each["model_type"]])
        if each.get("is_encoder_decoder") or each.get("add_cross_attention") or each.get("cross_attention_layers"):
            raise _refused(each.get("model_type"), "cross-attention")
    if str(values.get("position_embedding_type", "")).startswith("relative"):
        raise _refused(kind, "relative position biases")
    if values.get("attn_logit_softcapping"):
        raise _refused(kind, f"soft-capping of scores at {values['attn_logit_softcapping']}")
    if values.get("index_topk"):
        raise _refused(kind, "sparse attention")
    if "mask" in given:
        return bool(given["mask"] == CAUSAL)
    if kind in ENCODERS:
        return bool(values.get("is_decoder"))
    if values.get("use_bidirectional_attention") in (True, "all"):
        return False
    if kind is not None and kind not in DECODERS:
        hint = did_you_mean(str(kind), {*DECODERS, *ENCODERS})
        raise InputError(
            f"the model type must be known here{hint}, or --causal or --full must say how all its layers attend, "
            f"not {kind}"
        )
    return True


def _slopes(values: Values) -> bool:
    """Whether query heads have slopes."""
    attention = values.get("attn_config")
    inner: Values = attention if isinstance(attention, Mapping) else {}
    said = inner.get("alibi", values.get("alibi"))
    if said is None:
        return values.get("model_type") in SLOPES or values.get("position_embedding_type") == "alibi"
    return bool(said)


def _refused(kind: object, what: str) -> InputError:
    """The error for what the engine does not have."""
    if what == "no attention":
        return InputError(f"the model must have layers of attention, not so the model type {kind}")
    return InputError(f"the engine has no {what}, which the model type {kind} has")


def _layer(values: Values, n: int, kind: str, causal: bool, given: Values, *, name: str, source: str) -> Model:
    """Layer n, of a kind with attention; its number is 1."""
    heads = given.get("heads") or number(values, "num_attention_heads", n)
    mask = _mask(values, kind, causal)
    common: dict[str, Any] = {"name": name, "source": source, "layers": 1, "mask": mask, "heads": heads}
    common |= {"sinks": values.get("model_type") in SINKS, "slopes": _slopes(values)}
    if "kv_lora_rank" in values and values["kv_lora_rank"] is not None:
        latent, rotary = number(values, "kv_lora_rank"), number(values, "qk_rope_head_dim")
        return Model(kv_heads=1, key_size=latent + rotary, value_size=latent, latent=True, **common)
    size = given.get("key_size") or _head_size(values, kind, heads)
    return Model(
        kv_heads=given.get("kv_heads") or _kv_heads(values, n, kind, heads), key_size=size, value_size=size, **common
    )


def _head_size(values: Values, kind: str, heads: int) -> int:
    """Elements of a key."""
    if kind == "full_attention" and str(values["model_type"]).startswith("gemma4"):
        return number({"global_head_dim": 512, **values}, "global_head_dim")
    if find(values, "head_dim") is not None:
        return number(values, "head_dim")
    width = number(values, "hidden_size")
    if width % heads:
        raise InputError(f"hidden_size must be a multiple of the {heads} heads, not {width}")
    return width // heads


def _kv_heads(values: Values, n: int, kind: str, heads: int) -> int:
    """Key and value heads of a layer."""
    model_type = str(values["model_type"])
    wide = kind == "full_attention" and model_type.startswith("gemma4") and values.get("attention_k_eq_v")
    if wide and values.get("num_global_key_value_heads") is not None:
        return number(values, "num_global_key_value_heads")
    # Falcon's older architecture has one key head for all queries whatever else it says.
    if values.get("multi_query") and not values.get("new_decoder_architecture"):
        return 1
    if values.get("multi_query_attention"):
        return number(values, "multi_query_group_num")
    return heads if find(values, "num_key_value_heads") is None else number(values, "num_key_value_heads", n)


def _mask(values: Values, kind: str, causal: bool) -> Mask:
    """Which keys a token of a layer sees."""
    if kind == "chunked_attention":
        size = number(values, "attention_chunk_size")
        if size & (size - 1) or size > EVERY:
            raise InputError(f"attention_chunk_size must be a power of two below 2^20, not {size}")
        return Mask(chunk=size)
    if kind != "sliding_attention":
        return CAUSAL if causal else FULL
    if values["model_type"] == "modernbert":  # half of it to either side
        half = number({"local_attention": 128, **values}, "local_attention") // 2
        return _window(half + 1, half)
    name = next((each for each in ("sliding_window", "attention_window_size", "window_size") if each in values), None)
    size = number(values, name or "sliding_window")
    return _window(size, 0) if causal else _window(size // 2 + 1, size // 2)


def _window(window: int, ahead: int) -> Mask:
    """A window, which may be longer than any sequence."""
    return Mask(window=min(window, EVERY), ahead=min(ahead, EVERY))
