"""What an exponential alone does to weights and outputs, if nothing else is rounded."""

import numpy as np
from numpy.typing import NDArray

from fusioncim_golden.arith import Int
from fusioncim_golden.metrics import sqnr_db
from fusioncim_golden.reference import visible
from fusioncim_golden.softmax import log2_score
from fusioncim_sim.heads.judge import job_of
from fusioncim_sim.heads.read import Head, fixture, load_heads
from fusioncim_sim.studies.exponential.units import SMALL, Weights, exact_weights

UNSEEN = 1 << 20
"""Minus the log2 score of a key that a row does not see."""


def worst_error(weights: Weights) -> float:
    """Largest relative error of a weight that is at least half of the largest."""
    x = np.arange(-(1 << SMALL.fraction_bits), 0)[None] + (1 << SMALL.fraction_bits)
    found, exact = weights(x), exact_weights(x)
    scale = float((found * exact).sum() / (exact**2).sum())  # the best one: softmax does not see it
    return float(f"{np.abs(found / scale / exact - 1).max():.3g}")


def quality(weights: Weights) -> dict[str, float]:
    """Signal to noise of the outputs of the captured heads, in dB, the worst and the mean."""
    found = [_sqnr(head, weights) for head in load_heads(fixture(), SMALL)]
    return {"worst": round(min(found), 2), "mean": round(sum(found) / len(found), 2)}


def _sqnr(head: Head, weights: Weights) -> float:
    """Of a head."""
    x, seen, v = head_scores(head)
    outputs = []
    for of in (weights, exact_weights):
        weight = of(x) * seen
        outputs.append(weight @ v / weight.sum(axis=-1, keepdims=True))
    return sqnr_db(*outputs)


def head_scores(head: Head) -> tuple[Int, NDArray[np.bool_], NDArray[np.float64]]:
    """Log2 scores [queries, keys], those that are not seen far below; which are seen; values."""
    heads, job = head.quantized(SMALL), job_of(head)
    score = heads.q[0] @ heads.k.T
    x = log2_score(SMALL, score, heads.mantissa[0][:, None], heads.shift[0][:, None])
    seen = visible(job)
    return np.where(seen, x, -UNSEEN), seen, heads.v.astype(np.float64)
