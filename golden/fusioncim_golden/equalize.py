"""Exact rewrites of attention before it is quantized: columns that differ in range no longer share one scale at a loss.

    scores    q . k = (q * f) . ((k - mean) / f) + constant of the row        for any mean key and column factors f > 0
    outputs   sum p v = g * sum p (v / g)                                      for any column factors g > 0

f = sqrt(max|k - mean| / max|q|) gives a column of Q and K the same range (Xiao et al., SmoothQuant, arXiv:2211.10438,
do so for activations and weights), g = max|v| gives all columns of V the same. What the engine computes stays as it
is; its outputs are multiplied by g with the scale of V, on the host or inside of the next matrix.

`factor_k` states f and `range_of` states g, for arrays of NumPy and of PyTorch.
"""

from typing import Any

import numpy as np

from fusioncim_golden.quantize import Float


def equalize(q: Float, k: Float, v: Float) -> tuple[Float, Float, Float, Float]:
    """Q [heads, queries, columns] and their shared k, v [keys, columns] rewritten, and g [columns]."""
    k = k - k.mean(axis=0)
    f = factor_k(np.abs(q).max(axis=(0, 1)), np.abs(k).max(axis=0))
    g = range_of(np.abs(v).max(axis=0))
    return q * f, k / f, v / g, g


def factor_k(largest_q: Any, largest_k: Any) -> Any:
    """The factor f of columns with these largest magnitudes, which may be overwritten."""
    return (range_of(largest_k) / range_of(largest_q)) ** 0.5


def range_of(largest: Any) -> Any:
    """The factor g: the largest magnitudes, and 1 where a column is all zero, which is written into the array."""
    largest[~(largest > 0)] = 1.0
    return largest
