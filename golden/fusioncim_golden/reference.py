"""Float64 attention: what the integers approximate.

out[i] = sum over visible n of softmax(softmax_scale * q_i . k_n) * v_n, 0 without one
"""

import numpy as np

from fusioncim_golden.arith import Bool
from fusioncim_golden.mask import sees
from fusioncim_golden.quantize import Float, Heads
from fusioncim_golden.schedule import Job


def visible(job: Job) -> Bool:
    """[queries, keys] bool: which keys each query sees."""
    return sees(np.arange(job.keys), *job.interval(np.arange(job.queries)[:, None]))


def attention(q: Float, k: Float, v: Float, job: Job, softmax_scale: float | None = None) -> Float:
    """Q [heads, queries, columns], k and v [keys, columns], float64, to [heads, queries, columns]."""
    scale = 1 / np.sqrt(q.shape[-1]) if softmax_scale is None else softmax_scale
    shown = visible(job)
    score = np.where(shown, (q @ k.T) * scale, -np.inf)
    highest = np.where(shown.any(axis=-1, keepdims=True), score.max(axis=-1, keepdims=True), 0)
    weight = np.exp(score - highest)
    return (weight @ v) / np.maximum(weight.sum(axis=-1, keepdims=True), np.finfo(np.float64).tiny)


def dequantized_attention(heads: Heads, job: Job) -> Float:
    """Float attention on the very integers that the engine gets, in units of V's least significant bit."""
    q = heads.q.astype(np.float64) * heads.scale_q[..., None]
    k, v = heads.k.astype(np.float64) * heads.scale_k, heads.v.astype(np.float64)
    return attention(q, k, v, job, heads.softmax_scale)
