"""Attention of Hugging Face models in the arithmetic of the accelerator. Needs the extra `llm`.

    import fusioncim_golden.pytorch.huggingface
    model = AutoModelForCausalLM.from_pretrained(path, attn_implementation="fusioncim")

Every attention layer then quantizes its q, k and v, computes as `engine.run` does, bit by bit, and scales the outputs
back. `register` adds implementations of other configurations under other names. A sequence of a batch and a key head
make a job; padding is taken out of it. A decoding step attends from the new queries to the whole cache, quantized
anew.

Refused by name: models that do not take their attention from transformers' interface (when they are made), ALiBi,
cross-attention and encoders, soft-capping, position biases, learned sinks, masks that are not causal (a sliding window
that is shorter than the context), that differ by head or add biases, attention weights as an output, training and
gradients, and values that are not finite. Right padding before new tokens and caches with a shared prefix are refused,
too, until a job can be a batch.

`torch.compile` leaves the attention of a layer as it is: it is no part of the compiled graph.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AttentionInterface, PreTrainedModel
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
OFFSET = "fusioncim_offset"
"""Attribute of a mask that `mask` made: the position of its first query."""


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
        check_call(module, rest)
        check_shapes(query, key, value)
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


def check_call(module: Any, rest: Mapping[str, Any]) -> None:
    """Refuse what the engine does not compute."""
    for argument, what in UNSUPPORTED.items():
        if rest.get(argument) is not None:
            raise InputError(f"the engine has no {what}")
    if rest.get("output_attentions"):
        raise InputError("the engine gives no attention weights: output_attentions must be False, not True")
    if module.training:
        raise InputError("the engine has no gradient: the model must be in its evaluation mode, not in training")
    if not (getattr(module, "is_causal", True) and rest.get("is_causal", True)):
        raise InputError("tokens must attend causally to their own sequence, not to both sides or to another one")


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


def aligned(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Query, keys and values with the padding behind each sequence, and how many keys each query sees.

    A query that sees its own key must see all before it, from the first token of its sequence on. One that does not is
    padding: it sees nothing, or it comes behind the last token and sees what that one does.
    """
    batch, _, queries, _ = query.shape
    keys = key.shape[2]
    if mask is None and queries > keys:
        raise InputError(f"queries must be at most as many as keys = {keys}, not {queries}")
    first = None if mask is None else getattr(mask, OFFSET, None)
    start_at = keys - queries if first is None else int(first)
    _, high = interval(np.arange(start_at, start_at + queries), keys, causal=True)
    bound = torch.from_numpy(high).to(query.device)
    if mask is None:
        return query, key, value, bound.expand(batch, -1)
    shown = shown_by(mask)[..., :keys].expand(batch, -1, -1)
    place = torch.arange(keys, device=query.device)
    sees = shown.any(dim=-1)
    begin = torch.where(sees, shown.int().argmax(dim=-1), keys)
    end = torch.where(sees, keys - shown.flip(-1).int().argmax(dim=-1), 0)
    real = end == bound
    start = begin.amin(dim=1, keepdim=True)
    behind = sees & ~real & (end < bound) & (real.cumsum(dim=1) == real.sum(dim=1, keepdim=True))
    if first is None:  # without its offset a mask without a token of its own could be anything
        behind &= real.any(dim=1, keepdim=True)
    last = torch.where(real, end, 0).amax(dim=1, keepdim=True)
    behind &= (end == last) | (last == 0)
    run = (place >= start[..., None]) & (place < end[..., None])
    if ((sees & ~real & ~behind) | (run != shown).any(dim=-1)).any():
        what = kind_of(module, shown, real)
        raise InputError(f"masks must be causal, over one run of tokens per sequence, not {what}")
    own = torch.where(real, end - start, 0)
    if start.any():
        index = ((place + start) % keys)[:, None, :, None]
        key, value = (x.gather(2, index.expand_as(x)) for x in (key, value))
    return query, key, value, own


def shown_by(mask: Tensor) -> Tensor:
    """Bool [batch, queries, keys] of a mask [batch, heads, queries, keys], boolean or added to the scores."""
    if mask.shape[1] > 1 and (mask != mask[:, :1]).any():
        raise InputError(f"a mask must be the same for all heads, not one of its own for each of {mask.shape[1]}")
    mask = mask[:, 0]
    if mask.dtype == torch.bool:
        return mask
    shown = mask == 0
    biases = mask[~shown & (mask > torch.finfo(mask.dtype).min / 2)]
    if biases.numel():
        raise InputError(f"a mask must hide scores or leave them (there are no biases), not add {biases[0]:g}")
    return shown


def kind_of(module: Any, shown: Tensor, real: Tensor) -> str:
    """What an error calls a mask that is not causal."""
    keys = shown.shape[-1]
    window = getattr(getattr(module, "config", None), "sliding_window", None)
    if window and window < keys:
        return f"a sliding window of {window} on {keys} keys"
    rows = shown[real].int()
    runs = rows[:, :1].sum(dim=-1) + (rows.diff(dim=-1) > 0).sum(dim=-1)
    if (runs > 1).any():
        return f"with a gap on {keys} keys: right padding before new tokens, or a cache with a shared prefix"
    return f"another mask on {keys} keys"


@torch.compiler.disable
def mask(*arguments: Any, config: Any, **options: Any) -> Tensor | None:
    """The boolean mask that transformers makes, never left out; it knows the position of its first query."""
    check_model(config)
    made = sdpa_mask(*arguments, **{**options, "allow_is_causal_skip": False, "allow_is_bidirectional_skip": False})
    if made is not None:
        setattr(made, OFFSET, int(options.get("q_offset", arguments[3] if len(arguments) > 3 else 0)))
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
