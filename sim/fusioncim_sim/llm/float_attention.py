"""Float attention on quantized operands: what remains of an error when the engine's own arithmetic is taken out."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fusioncim_golden.config import check_choice
from fusioncim_golden.equalize import factor_k
from fusioncim_golden.mask import sees
from fusioncim_golden.pytorch.calls import is_causal, segments_of
from fusioncim_golden.pytorch.engine import slope_of
from fusioncim_golden.pytorch.huggingface import Attention
from fusioncim_golden.pytorch.operands import Operands
from fusioncim_golden.pytorch.token_scale import scales_of
from fusioncim_golden.quantize import operand_max

GRANULARITIES: dict[str, tuple[int, ...]] = {"tensor": (1, 2, 3), "head": (2, 3), "token": (3,), "column": (2,)}
"""Axes of [batch, heads, tokens, columns] that share a scale."""


def float_attention(
    query: Tensor, key: Tensor, value: Tensor, scaling: float | None, mask: Tensor | None = None, *, causal: bool = True
) -> Tensor:
    """Attention of unpadded sequences in the model's own precision, as `Attention` returns it."""
    queries, keys = query.shape[2], key.shape[2]
    rest: dict[str, Any] = {} if mask is None else {"attn_mask": mask[..., :keys]}
    if causal and (mask is None or mask.dtype == torch.bool):
        triangle = torch.ones(queries, keys, dtype=torch.bool, device=query.device).tril(keys - queries)
        if mask is None:
            rest = {"attn_mask": triangle}
        if queries == keys and (rest["attn_mask"] == triangle).all():
            rest = {"is_causal": True}  # without a mask: half of the time
    attend = torch.nn.functional.scaled_dot_product_attention
    return attend(query, key, value, **rest, scale=scaling, enable_gqa=True).transpose(1, 2)


class Beside(Attention):
    """The model's own attention, unpadded, beside which `look` sees the integers that the engine would get."""

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
        """As `Attention`."""
        self.look(module, self.quantized(module, query, key, value, attention_mask, scaling, rest))
        causal = is_causal(module, rest)
        return float_attention(query, key, value, scaling, attention_mask, causal=causal), None

    def look(self, module: Any, operands: Operands) -> None:
        """Keep what is to be known of a layer."""
        raise NotImplementedError


class SameOperands(Attention):
    """Softmax attention on the very integers that the engine gets."""

    def compute(self, operands: Operands, layer: int) -> Tensor:
        """On the scale of `Attention.compute`."""
        return same_operands(operands, self.config.token_scale_bits)


def same_operands(operands: Operands, token_scale_bits: int = 0) -> Tensor:
    """softmax(ln 2 * log2 score) V in float32, as float64 [jobs, rows, columns]; jobs without sinks.

    token_scale_bits: of the engine, where K and V have scales per token.
    """
    factor = operands.mantissa * torch.exp2(-operands.shift.float()) * torch.log(torch.tensor(2.0))
    k, v = operands.k, operands.v
    if operands.token_scales is not None:
        of_k, of_v = scales_of(operands.token_scales, token_scale_bits).value().float().unbind(dim=-1)
        k, v = k * of_k[..., None], v * of_v[..., None]
    keys = torch.arange(k.shape[1], device=k.device)
    q = (operands.q * factor[..., None]).unflatten(1, (-1, operands.group)).transpose(1, 2)
    low, high = (end[:, :: operands.group, None] for end in (operands.low, operands.high))
    shown = (sees(keys, low, high) | (low >= high))[:, None]  # a row that sees nothing must see something here
    attend = torch.nn.functional.scaled_dot_product_attention
    rest: dict[str, Any] = {"attn_mask": shown}
    if operands.slopes is not None and operands.position is not None:
        slope = slope_of(operands.slopes).float() * torch.log(torch.tensor(2.0))
        distance = (operands.position[..., None] - keys).abs()
        bias = (slope[..., None] * distance).unflatten(1, (-1, operands.group)).transpose(1, 2)
        rest = {"attn_mask": (-bias).masked_fill_(~shown, -torch.inf)}
    elif shown.shape[2] == len(keys) and bool((shown == torch.ones_like(shown[0, 0]).tril()).all()):
        rest = {"is_causal": True}  # without a mask: half of the time
    out = attend(q, *(x[:, None] for x in (k, v)), **rest, scale=1.0, enable_gqa=True)
    out = out.transpose(1, 2).flatten(1, 2)
    return operands.outputs(out.double() * (operands.low < operands.high)[..., None], 1.0)


class Nudged(Attention):
    """`SameOperands` times 1 + 2^-20: the difference that is no difference, but changes what later layers round."""

    def compute(self, operands: Operands, layer: int) -> Tensor:
        """On the scale of `Attention.compute`."""
        return same_operands(operands, self.config.token_scale_bits) * (1 + 2**-20)


class ErrorAlone(Attention):
    """The model's own attention plus the engine's error against `SameOperands`, on integers that both get.

    A model whose layers quantize their operands anew turns the smallest difference into another rounding of everything
    behind it. Here nothing is rounded but inside of the engine, so that its arithmetic is seen alone.
    """

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
        """As `Attention`, for unpadded sequences."""
        engine, _ = super().__call__(module, query, key, value, attention_mask, scaling, **rest)
        causal = is_causal(module, rest)
        return engine + float_attention(query, key, value, scaling, attention_mask, causal=causal), None

    def compute(self, operands: Operands, layer: int) -> Tensor:
        """The error."""
        return super().compute(operands, layer) - same_operands(operands, self.config.token_scale_bits)


@dataclass(frozen=True)
class RoundedOperands:
    """Softmax attention on rounded operands, with scales that the hardware may not have; unpadded sequences.

    Members:
        bits: of the operands.
        q, k, v: what shares a scale.
        subtract_mean_k: take the mean key off all keys before they are rounded.
        balance: divide the columns of K by the factors of `equalize.factor_k`, which multiply those of Q.
    """

    bits: int = 8
    q: str = "head"
    k: str = "head"
    v: str = "head"
    subtract_mean_k: bool = True
    balance: bool = False

    def __post_init__(self) -> None:
        for name in ("q", "k", "v"):
            check_choice(name, getattr(self, name), tuple(GRANULARITIES))

    def __call__(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float, **rest: Any
    ) -> tuple[Tensor, None]:
        """As `Attention`."""
        causal = is_causal(module, rest)
        segments_of(module, query, key, mask, rest)  # refuses what the engine does
        if self.subtract_mean_k:
            key = key - key.mean(dim=2, keepdim=True)
        if self.balance:
            group = query.shape[1] // key.shape[1]
            largest = query.abs().amax(dim=2, keepdim=True).unflatten(1, (-1, group)).amax(dim=2)
            factor = factor_k(largest, key.abs().amax(dim=2, keepdim=True))
            query, key = query * factor.repeat_interleave(group, dim=1), key / factor
        q, k, v = (self.rounded(x, name) for x, name in ((query, self.q), (key, self.k), (value, self.v)))
        return float_attention(q, k, v, scaling, mask, causal=causal), None

    def rounded(self, x: Tensor, granularity: str) -> Tensor:
        """Integers times their scale."""
        limit = operand_max(self.bits)
        scale = x.abs().amax(dim=GRANULARITIES[granularity], keepdim=True).clamp(min=1e-30) / limit
        return (x / scale).round().clamp(-limit, limit) * scale
