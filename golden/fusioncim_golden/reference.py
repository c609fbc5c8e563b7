"""Float64 attention: what the integers approximate.

out[i] = sum over visible n of softmax(softmax_scale * q_i . k_n - slope * |p_i - n|) * v_n, 0 without one
"""

import numpy as np

from fusioncim_golden.arith import Bool
from fusioncim_golden.mask import sees
from fusioncim_golden.quantize import LOG2_E, Float, Heads
from fusioncim_golden.schedule import Job
from fusioncim_golden.slopes import slope_values
from fusioncim_golden.token_scale import code_values


def visible(job: Job) -> Bool:
    """[queries, keys] bool: which keys each query sees."""
    return sees(np.arange(job.keys), *job.interval(np.arange(job.queries)[:, None]))


def attention(
    q: Float, k: Float, v: Float, job: Job, softmax_scale: float | None = None, slopes: Float | None = None
) -> Float:
    """Q [heads, queries, columns], k and v [keys, columns], slopes [heads], to [heads, queries, columns]; float64."""
    scale = 1 / np.sqrt(q.shape[-1]) if softmax_scale is None else softmax_scale
    shown = visible(job)
    score = (q @ k.T) * scale
    if slopes is not None:
        position = job.first_position() + np.arange(job.queries)
        score = score - slopes[:, None, None] * np.abs(position[:, None] - np.arange(job.keys))
    score = np.where(shown, score, -np.inf)
    highest = np.where(shown.any(axis=-1, keepdims=True), score.max(axis=-1, keepdims=True), 0)
    weight = np.exp(score - highest)
    return (weight @ v) / np.maximum(weight.sum(axis=-1, keepdims=True), np.finfo(np.float64).tiny)


def dequantized_attention(heads: Heads, job: Job) -> Float:
    """Float attention on the very integers that the engine gets, in units of V's least significant bit.

    With scales per token the unit is V's, with all the bits of the codes.
    """
    q = heads.q.astype(np.float64) * heads.scale_q[..., None]
    k, v = heads.k.astype(np.float64) * heads.scale_k, heads.v.astype(np.float64)
    if heads.token_scales is not None:
        k, v = (x * code_values(heads.token_scales[:, n, None], 8) for n, x in enumerate((k, v)))
    slopes = None if heads.slopes is None else slope_values(heads.slopes) / LOG2_E
    return attention(q, k, v, job, heads.softmax_scale, slopes)
