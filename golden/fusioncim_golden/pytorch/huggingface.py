"""Attention of Hugging Face models in the arithmetic of the accelerator. Needs the extra `llm`.

    import fusioncim_golden.pytorch.huggingface
    model = AutoModelForCausalLM.from_pretrained(path, attn_implementation="fusioncim")

Every attention layer then quantizes its q, k and v, computes as `job.run_batch` does, bit by bit, and scales the
outputs back. `register` adds implementations of other configurations under other names. A row of a batch is a job, in
which every sequence that is packed in it has a mask of its own; padding is taken out. A decoding step attends from the
new queries to the whole cache, quantized anew.

A mask may be anything that lets every query see one interval of keys, see `masks`. Without one a layer sees what it
says beside its tensors, see `calls`. So does `generate_batch`, whose keys and values are in pages.

Refused by name: models that do not take their attention from transformers' interface (when they are made), ALiBi,
cross-attention, soft-capping, position biases, learned sinks, masks with gaps (trees of tokens), masks that differ by
head or add biases, attention weights as an output, training and gradients, and values that are not finite.

`torch.compile` leaves the attention of a layer as it is: it is no part of the compiled graph.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, PreTrainedModel
from transformers.generation.continuous_batching import ContinuousBatchingManager
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from fusioncim_golden.config import Config
from fusioncim_golden.engine import check_scale
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import preset
from fusioncim_golden.pytorch import engine
from fusioncim_golden.pytorch.calls import check_call, check_shapes, from_pages, place_of, segments_of
from fusioncim_golden.pytorch.masks import OFFSET
from fusioncim_golden.pytorch.operands import Operands
from fusioncim_golden.pytorch.quantize import quantize
from fusioncim_golden.pytorch.segments import Segment, query_places

DEFAULT_CONFIG = preset("paper").alone()


@dataclass(frozen=True)
class Attention:
    """An attention implementation.

    Members:
        config: the engine, by default that of the preset `paper`. Heads of fewer columns are filled up with zeros; for
            wider ones it gets as many columns as they have.
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
        """Outputs [batch, queries, heads, columns of value] of query [batch, heads, queries, columns]."""
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
            query,
            key,
            value,
            segments_of(module, query, key, attention_mask, rest),
            softmax_scale=query.shape[-1] ** -0.5 if scaling is None else scaling,
            bits=self.config.operand_bits,
            granularity=self.granularity,
            subtract_mean_k=self.subtract_mean_k,
            equal=self.equal,
        )

    def compute(self, operands: Operands) -> Tensor:
        """Outputs float64 [jobs, rows, columns of v]."""
        chosen = fitting(self.config, max(operands.q.shape[-1], operands.v.shape[-1]))
        if operands.segments:
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
    rest: MutableMapping[str, Any],
) -> Tensor:
    """The outputs of `Attention`, contiguous, without gradients and whatever precision is set around them."""
    with torch.no_grad(), torch.autocast(query.device.type, enabled=False):
        try:
            key, value = from_pages(module, key, value, rest)
            operands = attention.quantized(module, query, key, value, mask, scaling, rest)
            return by_query(attention.compute(operands), operands.segments, query, key)
        except InputError as error:
            raise InputError(f"{error}, in {place_of(module)}") from error


def by_query(out: Tensor, segments: Sequence[Segment], query: Tensor, key: Tensor) -> Tensor:
    """Outputs [jobs, rows, columns] as [batch, queries, heads, columns]; padding is 0."""
    batch, heads, queries, _ = query.shape
    columns = out.shape[-1]
    kv_heads = key.shape[1]
    each = out.view(-1, kv_heads, out.shape[1] * kv_heads // heads, heads // kv_heads, columns)
    each = each.transpose(1, 2).flatten(2, 3).to(query.dtype)
    return query_places(segments[::kv_heads], out.device).scatter(each, torch.Size((batch, queries, heads, columns)))


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
    """The engine, with more columns if the head dimension needs them, as its units have them: what is added is 0."""
    step = config.block_cycles
    return config.override(columns=max(config.columns, -(-columns // step) * step))


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
_switch = ContinuousBatchingManager.switch_to_cb_friendly_attn


def _kept(manager: Any, model: Any, *arguments: Any, **options: Any) -> None:
    """What transformers asks before continuous batching, which takes its own implementations alone: ours stay."""
    if model.config._attn_implementation not in REGISTERED:
        _switch(manager, model, *arguments, **options)


ContinuousBatchingManager.switch_to_cb_friendly_attn = _kept


def register(name: str = "fusioncim", attention: Callable[..., tuple[Tensor, None]] | None = None) -> None:
    """Make an implementation known to transformers under a name."""
    REGISTERED.add(name)
    AttentionInterface.register(name, Attention() if attention is None else attention)
    AttentionMaskInterface.register(name, mask)


register()
