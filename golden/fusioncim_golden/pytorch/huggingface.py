"""Attention of Hugging Face models in the arithmetic of the accelerator. Needs the extra `llm`.

    import fusioncim_golden.pytorch.huggingface
    model = AutoModelForCausalLM.from_pretrained(path, attn_implementation="fusioncim")

Every attention layer then quantizes its q, k and v, computes as `engine.run` does, bit by bit, and scales the outputs
back. `register` adds implementations of other configurations under other names. A sequence of a batch and a key head
make a job; padding is taken out of it. A decoding step attends from the new queries to the whole cache, quantized
anew.

Masks may be causal or full (encoders), and have windows, chunks and a prefix that sees itself: see `masks`, which makes
a job of each sequence. A module that is not causal and has no mask sees all keys.

Refused by name: models that do not take their attention from transformers' interface (when they are made), ALiBi,
cross-attention, soft-capping, position biases, learned sinks, other masks (gaps, several spans, trees), masks that
differ by head or add biases, attention weights as an output, training and gradients, and values that are not finite.
Right padding before new tokens, packed sequences and caches with a shared prefix are refused, too, until a job can be a
batch.

`torch.compile` leaves the attention of a layer as it is: it is no part of the compiled graph.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from fusioncim_golden.config import Config
from fusioncim_golden.engine import check_scale
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import preset
from fusioncim_golden.pytorch import engine
from fusioncim_golden.pytorch.masks import OFFSET, aligned
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
        out = attended(self, module, query, key, value, attention_mask, scaling, rest)
        if torch.is_grad_enabled() and any(x.requires_grad for x in (query, key, value)):
            out = NoGradient.apply(out, query, key, value)
        return out, None

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
        check_shapes(query, key, value)
        check_call(module, query, key, rest)
        return quantize(
            *aligned(query, key, value, attention_mask, causal=is_causal(module, rest)),
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


@torch.compiler.disable
def attended(
    attention: Attention,
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scaling: float | None,
    rest: Mapping[str, Any],
) -> Tensor:
    """The outputs of `Attention`, contiguous, without gradients and whatever precision is set around them."""
    with torch.no_grad(), torch.autocast(query.device.type, enabled=False):
        try:
            out = attention.compute(attention.quantized(module, query, key, value, mask, scaling, rest))
        except InputError as error:
            raise InputError(f"{error}, in {place_of(module)}") from error
        batch, heads, queries, columns = query.shape
        out = out.view(batch, key.shape[1], queries, heads // key.shape[1], columns).transpose(1, 2)
        return out.reshape(batch, queries, heads, columns).to(query.dtype).contiguous()


class NoGradient(torch.autograd.Function):
    """Outputs as they are; whoever asks for their gradient is told that there is none."""

    @staticmethod
    def forward(_context: Any, out: Tensor, *_operands: Tensor) -> Tensor:
        """The outputs."""
        return out.view_as(out)

    @staticmethod
    def backward(_context: Any, *_gradients: Tensor) -> Any:
        """Refused."""
        raise InputError("the engine has no gradient: compute under torch.no_grad(), or with another attention")


def fitting(config: Config, columns: int) -> Config:
    """The engine with columns for a head dimension, rounded up as its units need it: what is added is 0."""
    step = config.block_cycles
    return config.override(columns=-(-columns // step) * step)


def is_causal(module: Any, rest: Mapping[str, Any]) -> bool:
    """Whether a call without a mask is causal, as transformers decides it."""
    told = rest.get("is_causal")
    return bool(getattr(module, "is_causal", True) if told is None else told)


def check_call(module: Any, query: Tensor, key: Tensor, rest: Mapping[str, Any]) -> None:
    """Refuse what the engine does not compute."""
    for argument, what in UNSUPPORTED.items():
        if rest.get(argument) is not None:
            raise InputError(f"the engine has no {what}")
    if rest.get("output_attentions"):
        raise InputError("the engine gives no attention weights: output_attentions must be False, not True")
    if module.training:
        raise InputError("the engine has no gradient: the model must be in its evaluation mode, not in training")
    other = not is_causal(module, rest) and query.shape[2] != key.shape[2]
    if other or getattr(module, "is_cross_attention", False) or "Cross" in type(module).__name__:
        raise InputError("the engine has no cross-attention: tokens must attend to their own sequence, not to another")


def check_shapes(query: Tensor, key: Tensor, value: Tensor) -> None:
    """Refuse tensors that are no attention: queries [batch, heads, queries, columns], keys and values alike."""
    if key.shape != value.shape:
        raise InputError(f"keys and values must have one shape, not {tuple(key.shape)} and {tuple(value.shape)}")
    for what, x in (("queries", query), ("keys", key)):
        if 0 in x.shape:
            raise InputError(
                f"{what} must have at least one sequence, head, token and column, not shape {tuple(x.shape)}"
            )
    (batch, heads, _, columns), (sequences, kv_heads, _, width) = query.shape, key.shape
    if (sequences, width) != (batch, columns):
        raise InputError(
            f"keys must have the batch and columns of the queries = {batch}, {columns}, not {sequences}, {width}"
        )
    if heads % kv_heads:
        raise InputError(f"query heads must be a multiple of the key heads = {kv_heads}, not {heads}")


def place_of(module: Any) -> str:
    """What an error calls a layer."""
    return f"layer {getattr(module, 'layer_idx', '')} ({type(module).__name__})"


@torch.compiler.disable
def mask(*arguments: Any, config: Any, **options: Any) -> Tensor | None:
    """The boolean mask that transformers makes, never left out; it knows the place of its first query's own key."""
    check_model(config)
    made = sdpa_mask(*arguments, **{**options, "allow_is_causal_skip": False, "allow_is_bidirectional_skip": False})
    if made is not None:
        query, key = (
            int(options.get(name, arguments[n] if len(arguments) > n else 0))
            for n, name in ((3, "q_offset"), (4, "kv_offset"))
        )
        setattr(made, OFFSET, query - key)
    return made


def check_model(config: Any) -> None:
    """Refuse a model, by its transformers configuration, whose attention is not the engine's."""
    name = getattr(config, "model_type", type(config).__name__)
    if getattr(config, "alibi", False) or name in ("bloom", "mpt"):
        raise InputError(f"the engine has no ALiBi biases, which the model type {name} has")
    if getattr(config, "is_encoder_decoder", False) or getattr(config, "add_cross_attention", False):
        raise InputError(f"the engine has no cross-attention, which the model type {name} has")


REGISTERED: set[str] = set()
"""Names of the implementations that are registered here."""
_choose = PreTrainedModel.get_correct_attn_implementation


def _checked(model: Any, requested_attention: str | None, *arguments: Any, **options: Any) -> str:
    """What transformers asks when a model is made: whether it can have the attention. It has no hook of its own."""
    if requested_attention in REGISTERED:
        check_model(model.config)
        if not type(model)._can_set_attn_implementation():
            name = getattr(model.config, "model_type", type(model).__name__)
            raise InputError(f"the attention of the model type {name} cannot be replaced: it is not transformers' own")
    chosen: str = _choose(model, requested_attention, *arguments, **options)
    return chosen


PreTrainedModel.get_correct_attn_implementation = _checked


def register(name: str = "fusioncim", attention: Callable[..., tuple[Tensor, None]] | None = None) -> None:
    """Make an implementation known to transformers under a name."""
    REGISTERED.add(name)
    AttentionInterface.register(name, Attention() if attention is None else attention)
    AttentionMaskInterface.register(name, mask)


register()
