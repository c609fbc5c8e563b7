"""Attention of Hugging Face models in the arithmetic of the accelerator. Needs the extra `llm`.

    import fusioncim_golden.pytorch.huggingface
    model = AutoModelForCausalLM.from_pretrained(path, attn_implementation="fusioncim")

Every attention layer then quantizes its q, k and v, computes as `job.run_batch` does, bit by bit, and scales the
outputs back. `register` adds implementations of other configurations under other names. A row of a batch is a job, in
which every sequence that is packed in it has a mask of its own; padding is taken out.

`cache` says what a decoding step does with the keys and values of all tokens before it:

    recomputed       they are quantized anew, with the mean key, the column factors and the scales of all of them
    int8_per_token   each was quantized once, when it was written, with scales of its own (`kv_cache`); what is fixed
    int4_per_token   before the first token comes from `calibration`, and `Attention.empty_cache` makes the cache

A mask may be anything that lets every query see one interval of keys, see `masks`. Without one a layer sees what it
says beside its tensors, see `calls`. So does `generate_batch`, whose keys and values are in pages.

Learned sinks and slopes of ALiBi are the engine's, see `calls`. Refused by name: models that do not take their
attention from transformers' interface (when they are made), those with ALiBi among them, cross-attention, soft-capping,
position biases, masks with gaps (trees of tokens), masks that differ by head or add biases, attention weights as an
output, training and gradients, and values that are not finite.

`torch.compile` leaves the attention of a layer as it is: it is no part of the compiled graph.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, Cache, PreTrainedModel
from transformers.generation.continuous_batching import ContinuousBatchingManager
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from fusioncim_golden.config import Config, check_choice
from fusioncim_golden.engine import check_positions, check_scale
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import preset
from fusioncim_golden.pytorch.calls import check_call, check_shapes, from_pages, of_heads, place_of, segments_of
from fusioncim_golden.pytorch.engine import Engine, GoldenEngine, output_unit
from fusioncim_golden.pytorch.kv_cache import OPERAND_BITS, STORED, Factors, Format, empty_cache, written
from fusioncim_golden.pytorch.masks import OFFSET
from fusioncim_golden.pytorch.operands import Operands
from fusioncim_golden.pytorch.quantize import quantize, quantize_cached
from fusioncim_golden.pytorch.segments import Segment, query_places

DEFAULT_CONFIG = preset("paper").alone()
CACHES = {"recomputed": 0, "int8_per_token": 8, "int4_per_token": 4}
"""What a decoding step reads: bits of an operand that is never quantized anew, or 0."""


@dataclass(frozen=True)
class Attention:
    """An attention implementation.

    Members:
        config: the engine, by default that of the preset `paper`. Heads of fewer columns are filled up with zeros; for
            wider ones it gets as many columns as they have.
        granularity: one query scale per head or per token.
        subtract_mean_k, subtract_mean_v: take the mean key off all keys, the mean value off all values, before they are
            quantized. A row's output gets the mean value back. Not in layers with learned sinks.
        equal: rewrite q, k and v as of `equalize` before they are quantized.
        engines: how many share the rows, where the order of the key blocks is folded.
        cache: a name of CACHES. Of per_token the config must have token_scale_bits.
        factors: what is fixed of every layer of such a cache, by its index: what the subtract_ and equal do is in it.
        engine: what computes the integers.
    """

    config: Config = DEFAULT_CONFIG
    granularity: str = "head"
    subtract_mean_k: bool = True
    subtract_mean_v: bool = True
    equal: bool = True
    engines: int = 1
    cache: str = "recomputed"
    factors: Mapping[int, Factors] = field(default_factory=dict)
    engine: Engine = field(default_factory=GoldenEngine)

    def __post_init__(self) -> None:
        check_choice("cache", self.cache, tuple(CACHES))
        if self.form.bits and (not self.config.token_scale_bits or self.config.operand_bits != OPERAND_BITS):
            raise InputError(
                f"a cache {self.cache} must have an engine with token_scale_bits 1 or 8, operand_bits {OPERAND_BITS}, "
                f"not {self.config.token_scale_bits} and {self.config.operand_bits}"
            )

    @property
    def form(self) -> Format:
        """How tokens are stored; 0 bits: not at all."""
        return Format(CACHES[self.cache], self.config.token_scale_bits)

    def empty_cache(self) -> Cache:
        """A cache for `past_key_values`, in which no token is quantized twice."""
        if not self.form.bits:
            raise InputError(f"a quantized cache must be one of {', '.join([*CACHES][1:])}, not {self.cache}")
        return empty_cache(self.form, self.factors)

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
        stored = key.dtype == STORED
        if not stored:
            check_shapes(query, key, value)
        check_call(module, query, key, rest)
        segments = segments_of(module, query, key, attention_mask, rest)
        terms: dict[str, Any] = {
            "softmax_scale": query.shape[-1] ** -0.5 if scaling is None else scaling,
            "granularity": self.granularity,
            "sinks": of_heads(query, rest, "s_aux"),
            "slopes": of_heads(query, rest, "alibi_slopes"),
        }
        if terms["slopes"] is not None and not self.config.alibi:
            raise InputError("alibi_slopes need an engine with alibi = true, not false")
        if self.form.bits:
            factors = self.factors_of(module)
            if not stored:
                key, value = written(self.form, factors, key, value)
            return quantize_cached(query, key, value, segments, form=self.form, factors=factors, **terms)
        if stored:
            raise InputError("keys must be floats, as no cache of this attention stores them, not those of another one")
        own = {name: getattr(self, name) for name in ("subtract_mean_k", "subtract_mean_v", "equal")}
        return quantize(query, key, value, segments, bits=self.config.operand_bits, **own, **terms)

    def factors_of(self, module: Any) -> Factors:
        """Those of a layer."""
        layer = layer_of(module)
        if layer not in self.factors:
            raise InputError(
                f"a cache {self.cache} must be calibrated: it must have factors of layer {layer}, not none"
            )
        return self.factors[layer]

    def compute(self, operands: Operands, layer: int) -> Tensor:
        """Outputs float64 [jobs, rows, columns of v] of a layer, by its index."""
        chosen = fitting(self.config, max(operands.q.shape[-1], operands.v.shape[-1]))
        if operands.segments:
            scales = operands.mantissa.cpu().numpy(), operands.shift.cpu().numpy()
            check_scale(chosen, *scales, slopes=operands.slopes is not None)
        if operands.slopes is not None:
            for segment in operands.segments:
                check_positions(segment.job)
        out = self.engine.attend(chosen, operands, engines=self.engines, layer=layer)
        return operands.outputs(out, output_unit(chosen))


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
            out = attention.compute(operands, layer_of(module))
            return by_query(out, operands.segments, query, key)
        except InputError as error:
            raise InputError(f"{error}, in {place_of(module)}") from error


def layer_of(module: Any) -> int:
    """The index of a layer; -1 if it has none."""
    return int(getattr(module, "layer_idx", -1))


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
        raise InputError(f"ALiBi biases must come through transformers' attention interface, not as in {name}")
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


def register(
    name: str = "fusioncim", attention: Callable[..., tuple[Tensor, None]] | None = None, *, masks: bool = True
) -> None:
    """Make an implementation known to transformers under a name.

    masks: transformers makes masks for it; else a layer sees what it says beside its tensors, see `calls`.
    """
    REGISTERED.add(name)
    AttentionInterface.register(name, Attention() if attention is None else attention)
    if masks:
        AttentionMaskInterface.register(name, mask)


register()
