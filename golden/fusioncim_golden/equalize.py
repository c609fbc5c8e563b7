"""Exact rewrites of attention before it is quantized: columns that differ in range no longer share one scale at a loss.

    scores    q . k = (q * f) . ((k - mean) / f) + constant of the row        for any mean key and column factors f > 0
    outputs   sum p v = g * sum p (v / g)                                      for any column factors g > 0

f = sqrt(max|k - mean| / max|q|) gives a column of Q and K the same range (Xiao et al., SmoothQuant, arXiv:2211.10438,
do so for activations and weights), g = max|v| gives all columns of V the same. What the engine computes stays as it
is; its outputs are multiplied by g with the scale of V, on the host or inside of the next matrix.
"""

import numpy as np

from fusioncim_golden.quantize import Float


def equalize(q: Float, k: Float, v: Float) -> tuple[Float, Float, Float, Float]:
    """Q [heads, queries, columns] and their shared k, v [keys, columns] rewritten, and g [columns]."""
    k = k - k.mean(axis=0)
    f = np.sqrt(range_of(k, (0,)) / range_of(q, (0, 1)))
    g = range_of(v, (0,))
    return q * f, k / f, v / g, g


def range_of(x: Float, axes: tuple[int, ...]) -> Float:
    """Largest magnitude over the axes, 1 where all is 0."""
    largest: Float = np.abs(x).max(axis=axes)
    return np.where(largest > 0, largest, 1.0)
