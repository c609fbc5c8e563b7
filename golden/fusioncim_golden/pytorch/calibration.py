"""What is fixed of a quantized cache before its first token: `kv_cache.Factors` of every layer, from a text.

    attention = calibrated(model, tokens, Attention(config, cache="int8_per_token"))
    register("fusioncim-int8", attention)
    model.set_attn_implementation("fusioncim-int8")
    model.generate(tokens, past_key_values=attention.empty_cache())

The mean key, f and g are those of `equalize` on the whole text. Scales per token are floats of 8 bits with 16 powers of
two, so that K's unit may lie far above what the text needs at no loss. V's may not: a scale below 1 takes bits off p.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from fusioncim_golden.equalize import factor_k, range_of
from fusioncim_golden.pytorch.huggingface import Attention, register
from fusioncim_golden.pytorch.kv_cache import Factors, Format
from fusioncim_golden.token_scale import unit_for

ROOM_K, ROOM_V = 16.0, 1.125
"""How far beyond the largest token of the text one may lie before it is clipped."""
NAME = "fusioncim-calibration"


@dataclass(frozen=True)
class Watched:
    """An attention beside which the factors of every layer are found.

    Members:
        attention: the attention.
        form: of the cache.
        floats: the model goes on with float attention.
        found: factors by layer.
    """

    attention: Attention
    form: Format
    floats: bool = False
    found: dict[int, Factors] = field(default_factory=dict)

    def __call__(
        self,
        module: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        scaling: float | None = None,
        **rest: Any,
    ) -> tuple[Tensor, None]:
        """As `Attention`."""
        own = self.attention
        sinks = rest.get("s_aux") is not None
        self.found[module.layer_idx] = factors(
            query,
            key,
            value,
            self.form,
            subtract_mean_k=own.subtract_mean_k and not sinks,
            subtract_mean_v=own.subtract_mean_v and not sinks,
            equal=own.equal,
        )
        if not self.floats or sinks:
            return own(module, query, key, value, mask, scaling, **rest)
        own.quantized(module, query, key, value, mask, scaling, rest)  # refuses what the engine does not compute
        out = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scaling, enable_gqa=True)
        return out.transpose(1, 2), None


def calibrated(
    model: Any,
    tokens: Tensor,
    attention: Attention,
    around: Callable[[Any], Callable[..., Any]] | None = None,
    *,
    floats: bool = False,
) -> Attention:
    """The attention with the factors of all layers; tokens: int64 [batch, tokens] without padding.

    The model computes in `attention` with its cache recomputed, whose subtract_mean_k, subtract_mean_v and equal say
    what is fixed. Where a layer has learned sinks its mean key and mean value stay.

    around: what is made of an attention before the model gets it. floats: layers without sinks compute in float
    attention, which is faster and gives nearly the same factors.
    """
    before = model.config._attn_implementation
    watched = Watched(replace(attention, cache="recomputed"), attention.form, floats)
    register(NAME, watched if around is None else around(watched))
    model.set_attn_implementation(NAME)
    try:
        with torch.no_grad():
            model(tokens, use_cache=False)
    finally:
        model.set_attn_implementation(before)
    return replace(attention, factors=watched.found)


def factors(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    form: Format,
    *,
    subtract_mean_k: bool = True,
    subtract_mean_v: bool = True,
    equal: bool = True,
) -> Factors:
    """Of a layer: query [batch, heads, tokens, columns], key and value [batch, key heads, tokens, columns]."""
    heads = key.shape[1]
    q, k, v = (x.double() for x in (query, key, value))
    mean_k, mean_v = k.mean(dim=(0, 2)) * subtract_mean_k, v.mean(dim=(0, 2)) * subtract_mean_v
    k, v = k - mean_k[:, None], v - mean_v[:, None]
    f, g = torch.ones_like(mean_k), torch.ones_like(mean_v)
    if equal:
        largest_q = q.unflatten(1, (heads, -1)).abs().amax(dim=(0, 2, 3))
        f, g = factor_k(largest_q, k.abs().amax(dim=(0, 2))), range_of(v.abs().amax(dim=(0, 2)))
    units = (unit(x / factor[:, None], form, room) for x, factor, room in ((k, f, ROOM_K), (v, g, ROOM_V)))
    return Factors(mean_k, mean_v, f, g, *units)


def unit(x: Tensor, form: Format, room: float) -> Tensor:
    """The units of key heads, of their tokens x [batch, key heads, tokens, columns]."""
    largest = range_of(x.abs().amax(dim=(0, 2, 3))) / form.largest()
    return largest * (room * unit_for(np.ones(1), form.token_scale_bits))
