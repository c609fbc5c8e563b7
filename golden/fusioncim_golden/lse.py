"""Log-sum-exp words as numbers, and outputs of jobs over parts of the keys as those of one job over all.

    out = sum of exp(lse_i) out_i / sum of exp(lse_i),  lse = log(sum of exp(lse_i))

The parts have no key in common: split-K, cascades with a shared prefix, ring attention. At most one has the sink.

A word cuts the sum of a row off behind 12 bits. In the middle of what it may stand for, that sum is off by at most
2^-13 of itself, and so is each weight. Against weights of the uncut sums, merged outputs are off by at most

    2^-13 * the largest distance of two out_i        two parts: half of it

Merging of partial softmax: Dao et al., arXiv:2205.14135; Juravsky et al., arXiv:2402.05099.
"""

from collections.abc import Sequence

import numpy as np

from fusioncim_golden.arith import Int
from fusioncim_golden.config import REFERENCE_BITS
from fusioncim_golden.normalizer import LSE_FRACTION_BITS, NO_KEY
from fusioncim_golden.quantize import LOG2_E, Float

LSE_ERROR = 0.5 ** (LSE_FRACTION_BITS + 1)
"""By how much of itself a sum of a word is off, at most."""


def log2_sum_exp(words: Int) -> Float:
    """log2 of the sum of 2^x of rows, x the log2 scores; -inf of a row that has seen no key."""
    exponent = (words >> LSE_FRACTION_BITS ^ 1 << (REFERENCE_BITS - 1)) - (1 << (REFERENCE_BITS - 1))
    fraction = (words & ((1 << LSE_FRACTION_BITS) - 1)) + 0.5
    return np.where(words == NO_KEY, -np.inf, exponent + np.log2(1 + fraction / (1 << LSE_FRACTION_BITS)))


def log_sum_exp(words: Int) -> Float:
    """Natural logarithm of the sum of exp(score) of rows, score = softmax_scale * q.k."""
    return log2_sum_exp(words) / LOG2_E


def merge(outs: Sequence[Float], lses: Sequence[Float]) -> tuple[Float, Float]:
    """Outputs and log-sum-exp over the keys of all parts.

    outs: [..., rows, columns] of each part, in one unit. lses: natural logarithms [..., rows]. A row that no part has
    seen a key for gives 0 and -inf.
    """
    lse = np.stack([np.asarray(x, np.float64) for x in lses])
    highest = lse.max(axis=0)
    weight = np.exp(lse - np.where(np.isfinite(highest), highest, 0))
    total = weight.sum(axis=0)
    share = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    with np.errstate(divide="ignore"):
        merged = np.where(np.isfinite(highest), highest, 0) + np.log(total)
    return np.einsum("p...,p...c->...c", share, np.stack([np.asarray(x, np.float64) for x in outs])), merged
