"""A call of an attention by transformers: its sequences, and what is refused.

mask            see `masks`
no mask         the whole row of the batch; causal as the layer is, with its `sliding_window`
cu_seq_lens_q, cu_seq_lens_k
                the ends of sequences that are packed in a batch of one; with a mask a token sees what both let it
s_aux           a learned sink per query head, as gpt-oss has it
alibi_slopes    a slope of ALiBi per query head, which falls to both sides
cache           of continuous batching: keys and values of all its sequences are read from their pages, one sequence
                after the other, and its cu_seq_lens say where they end
"""

from collections.abc import Mapping, MutableMapping
from typing import Any

import torch
from torch import Tensor
from transformers.generation.continuous_batching.cache import PagedAttentionCache

from fusioncim_golden.arith import Int
from fusioncim_golden.errors import InputError
from fusioncim_golden.pytorch.masks import Bounds, masked, sees_all, unmasked
from fusioncim_golden.pytorch.segments import Segment

UNSUPPORTED = {
    "softcap": "soft-capping of scores",
    "position_bias": "position biases",
}
"""What models hand to their attention that the engine does not have."""


def segments_of(
    module: Any, query: Tensor, key: Tensor, mask: Tensor | None, rest: Mapping[str, Any]
) -> tuple[Segment, ...]:
    """The sequences of a call, whose tensors and options are checked."""
    paged = rest.get("cache") is not None
    bounds = bounds_of(query, key, rest, padded=paged)
    if mask is not None and not paged:
        return masked(query, key, mask, bounds)
    return unmasked(query, key, sees_all(causal=is_causal(module, rest), window=rest.get("sliding_window")), bounds)


def from_pages(module: Any, key: Tensor, value: Tensor, rest: MutableMapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Keys and values of all sequences, after the new ones are in the paged cache, if there is one."""
    cache = rest.get("cache")
    if cache is None:
        return key, value
    if not isinstance(cache, PagedAttentionCache) or rest.get("block_table") is not None:
        raise InputError("a paged cache must be that of transformers' continuous batching, read without a block table")
    keys, values = cache.update(key_states=key, value_states=value, layer_idx=module.layer_idx, kwargs=rest)
    return keys, values


def bounds_of(query: Tensor, key: Tensor, rest: Mapping[str, Any], *, padded: bool) -> Bounds | None:
    """The ends of packed sequences, None if there are none; padded: tokens may follow the last one."""
    names = ("cu_seq_lens_q", "cu_seq_lens_k")
    given = [rest.get(name) for name in names]
    if given[0] is None and given[1] is None:
        return None
    if given[0] is None or given[1] is None or len(query) > 1:
        raise InputError(f"cu_seq_lens_q and cu_seq_lens_k must come together, with a batch of 1, not {len(query)}")
    first, second = (
        ends_of(name, ends, x.shape[2], padded=padded) for name, ends, x in zip(names, given, (query, key), strict=True)
    )
    if len(first) != len(second):
        raise InputError(f"cu_seq_lens_k must be {len(first)} numbers as cu_seq_lens_q, not {len(second)}")
    return first, second


def ends_of(name: str, given: Any, tokens: int, *, padded: bool) -> Int:
    """The ends of sequences, from 0 to all tokens."""
    ends: Int = torch.as_tensor(given).cpu().to(torch.int64).numpy()
    rising = ends.ndim == 1 and len(ends) and ends[0] == 0 and (ends[:-1] <= ends[1:]).all()
    if not rising or not (ends[-1] <= tokens if padded else ends[-1] == tokens):
        raise InputError(f"{name} must rise from 0 to the tokens = {tokens}, not {ends.tolist()}")
    return ends


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
    """Refuse tensors that are no attention: queries [batch, heads, queries, columns], keys alike, values, too.

    Values may have other columns.
    """
    if key.shape[:-1] != value.shape[:-1]:
        raise InputError(
            "keys and values must have one shape but for their columns, "
            f"not {tuple(key.shape)} and {tuple(value.shape)}"
        )
    for what, x in (("queries", query), ("keys", key), ("values", value)):
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


def of_heads(query: Tensor, rest: Mapping[str, Any], argument: str) -> Tensor | None:
    """What a call says of each query head [heads], or None."""
    given: Tensor | None = rest.get(argument)
    if given is not None and given.shape != query.shape[1:2]:
        raise InputError(f"{argument} must be one per query head, {tuple(query.shape[1:2])}, not {tuple(given.shape)}")
    return given


def place_of(module: Any) -> str:
    """What an error calls a layer."""
    return f"layer {getattr(module, 'layer_idx', '')} ({type(module).__name__})"
