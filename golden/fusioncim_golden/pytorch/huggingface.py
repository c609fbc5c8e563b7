"""Attention of Hugging Face models in the arithmetic of the accelerator. Needs the extra `llm`.

    import fusioncim_golden.pytorch.huggingface
    model = AutoModelForCausalLM.from_pretrained(path, attn_implementation="fusioncim")

Every attention layer then quantizes its q, k and v, computes as `engine.run` does, bit by bit, and scales the outputs
back. `register` adds implementations of other configurations under other names. A sequence of a batch and a key head
make a job; padding is taken out of it. A decoding step attends from the new queries to the whole cache, quantized
anew.

Refused by name: models that do not take their attention from transformers' interface (ALiBi among them),
cross-attention and encoders, soft-capping, position biases, learned sinks, masks that are not causal (a sliding window
that is shorter than the context), training, and values that are not finite.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from fusioncim_golden.config import Config
from fusioncim_golden.engine import check_scale
from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import interval
from fusioncim_golden.presets import preset
from fusioncim_golden.pytorch import engine
from fusioncim_golden.pytorch.quantize import Operands, quantize

DEFAULT_CONFIG = preset("paper").alone()

UNSUPPORTED = {
    "softcap": "soft-capping of scores",
    "s_aux": "learned attention sinks",
    "position_bias": "position biases",
}
"""What models hand to their attention that the engine does not have."""


@dataclass(frozen=True)
class Attention:
    """An attention implementation.

    Members:
        config: the engine, by default that of the preset `paper`; its columns are those of the model, whatever it
            says.
        granularity: one query scale per head or per token.
        subtract_mean_k: take the mean key off all keys before they are quantized.
        equal: rewrite q, k and v as of `equalize` before they are quantized.
        engines: how many share the rows, where the order of the key blocks is folded.
    """

    config: Config = DEFAULT_CONFIG
    granularity: str = "head"
    subtract_mean_k: bool = True
    equal: bool = True
    engines: int = 1

    def __call__(
        self,
        module: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        **rest: Any,
    ) -> tuple[Tensor, None]:
        """Outputs [batch, queries, heads, columns] of query [batch, heads, queries, columns], as transformers wants."""
        with torch.no_grad():
            try:
                out = self.compute(self.quantized(module, query, key, value, attention_mask, scaling, rest))
            except InputError as error:
                raise InputError(f"{error}, in {place_of(module)}") from error
            batch, heads, queries, columns = query.shape
            out = out.view(batch, key.shape[1], queries, heads // key.shape[1], columns).transpose(1, 2)
            return out.reshape(batch, queries, heads, columns).to(query.dtype), None

    def quantized(
        self,
        module: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None,
        rest: Mapping[str, Any],
    ) -> Operands:
        """The integers of a call, after everything that the engine cannot compute is refused."""
        check_call(module, key, value, rest)
        return quantize(
            *aligned(module, query, key, value, attention_mask),
            softmax_scale=query.shape[-1] ** -0.5 if scaling is None else scaling,
            bits=self.config.operand_bits,
            granularity=self.granularity,
            subtract_mean_k=self.subtract_mean_k,
            equal=self.equal,
        )

    def compute(self, operands: Operands) -> Tensor:
        """Outputs float64 [jobs, rows, columns]."""
        chosen = fitting(self.config, operands.q.shape[-1])
        check_scale(chosen, operands.mantissa.cpu().numpy(), operands.shift.cpu().numpy())
        out = engine.attend(chosen, operands, engines=self.engines)
        return out * (operands.scale_v * engine.output_unit(chosen))[:, None]


def fitting(config: Config, columns: int) -> Config:
    """The engine with columns for a head dimension, rounded up as its units need it: what is added is 0."""
    step = config.block_cycles
    return config.override(columns=-(-columns // step) * step)


def check_call(module: Any, key: Tensor, value: Tensor, rest: Mapping[str, Any]) -> None:
    """Refuse what the engine does not compute."""
    for argument, what in UNSUPPORTED.items():
        if rest.get(argument) is not None:
            raise InputError(f"the engine has no {what}")
    if module.training:
        raise InputError("the engine has no gradient: the model must be in its evaluation mode, not in training")
    if not (getattr(module, "is_causal", True) and rest.get("is_causal", True)):
        raise InputError("tokens must attend causally to their own sequence, not to both sides or to another one")
    if key.shape != value.shape:
        raise InputError(f"keys and values must have one shape, not {tuple(key.shape)} and {tuple(value.shape)}")


def place_of(module: Any) -> str:
    """What an error calls a layer."""
    return f"layer {getattr(module, 'layer_idx', '')} ({type(module).__name__})"


def aligned(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Query, keys and values with the padding behind each sequence, and how many keys each query sees."""
    batch, _, queries, _ = query.shape
    keys = key.shape[2]
    if mask is None:
        if queries > keys:
            raise InputError(f"queries must be at most as many as keys = {keys}, not {queries}")
        _, high = interval(np.arange(keys - queries, keys), keys, causal=True)
        return query, key, value, torch.from_numpy(high).to(query.device).expand(batch, -1)
    shown = (mask if mask.dtype == torch.bool else mask == 0)[:, 0, :, :keys].expand(batch, -1, -1)
    own = shown.sum(dim=-1)
    last = keys - shown.flip(-1).int().argmax(dim=-1)
    own[:, 1:] *= last[:, 1:] != last[:, :-1]  # a token whose own key is hidden is padding
    start = torch.where(own > 0, shown.int().argmax(dim=-1), keys).amin(dim=1, keepdim=True)
    place = torch.arange(keys, device=query.device) - start[:, None]
    step = own.diff(dim=1)
    real = (own[:, 1:] > 0) & (own[:, :-1] > 0)
    if ((step != 1) & real).any() or (
        ((place >= 0) & (place < own[..., None])) != (shown & (own > 0)[..., None])
    ).any():
        window = getattr(getattr(module, "config", None), "sliding_window", None)
        what = f"a sliding window of {window}" if window else "another mask"
        raise InputError(f"masks must be causal, over one run of tokens per sequence, not {what} on {keys} keys")
    if start.any():
        index = ((torch.arange(keys, device=query.device) + start) % keys)[:, None, :, None]
        key, value = (x.gather(2, index.expand_as(x)) for x in (key, value))
    return query, key, value, own


def mask(*arguments: Any, config: Any, **options: Any) -> Tensor | None:
    """The boolean mask that transformers makes, never left out; refuses models that would not come here with it."""
    check_model(config)
    return sdpa_mask(*arguments, **{**options, "allow_is_causal_skip": False, "allow_is_bidirectional_skip": False})


def check_model(config: Any) -> None:
    """Refuse a model, by its transformers configuration, whose attention is not the engine's."""
    name = getattr(config, "model_type", type(config).__name__)
    if getattr(config, "alibi", False) or name in ("bloom", "mpt"):
        raise InputError(f"the engine has no ALiBi biases, which the model type {name} has")
    if getattr(config, "is_encoder_decoder", False) or getattr(config, "add_cross_attention", False):
        raise InputError(f"the engine has no cross-attention, which the model type {name} has")
    if type(config) in MODEL_FOR_CAUSAL_LM_MAPPING:
        model = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
        if not model._can_set_attn_implementation():
            raise InputError(f"the attention of the model type {name} cannot be replaced: it is not transformers' own")


def register(name: str = "fusioncim", attention: Callable[..., tuple[Tensor, None]] | None = None) -> None:
    """Make an implementation known to transformers under a name."""
    AttentionInterface.register(name, Attention() if attention is None else attention)
    AttentionMaskInterface.register(name, mask)


register()
