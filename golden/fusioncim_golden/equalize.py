"""Exact rewrites of attention before it is quantized: columns that differ in range no longer share one scale at a loss.

    scores    q . k = (q * f) . ((k - mean) / f) + constant of the row        for any mean key and column factors f > 0
    outputs   sum p v = mean + g * sum p ((v - mean) / g)                      for any mean value and factors g > 0

f = sqrt(max|k - mean| / max|q|) gives a column of Q and K the same range (Xiao et al., SmoothQuant, arXiv:2211.10438,
do so for activations and weights), g = max|v - mean| gives all columns of V the same. What the engine computes stays as
it is; its outputs are multiplied by g with the scale of V, on the host or inside of the next matrix. The mean value is
added there, too, to rows that see a key: a key that adds nothing then counts as the mean value instead of 0.

Neither mean may be taken off where a row has a sink: its weights do not sum to 1.

`factor_k` states f and `range_of` states g, for arrays of NumPy and of PyTorch.
"""

from typing import Any, NamedTuple

import numpy as np

from fusioncim_golden.quantize import Float

SMALLEST = 1e-60
"""Magnitudes up to it count as 0: no float32 is near it, and quotients of larger ones are finite."""


class Equalized(NamedTuple):
    """Q [heads, queries, columns] and their shared k, v [keys, columns] rewritten, g and the mean value [columns]."""

    q: Float
    k: Float
    v: Float
    factor_v: Float
    mean_v: Float

    def outputs(self, found: Float) -> Float:
        """Outputs on V as it was, of those [.., columns] on the rewritten v, of rows that see a key."""
        return found * self.factor_v + self.mean_v


def equalize(q: Float, k: Float, v: Float, largest_q: Float | None = None) -> Equalized:
    """Rewrite the queries of one key head, and its keys and values.

    largest_q: [columns], the largest magnitudes of all its query heads where q has not all of them.
    """
    mean_v = v.mean(axis=0)
    k, v = k - k.mean(axis=0), v - mean_v
    largest_q = np.abs(q).max(axis=(0, 1)) if largest_q is None else largest_q.copy()
    f = factor_k(largest_q, np.abs(k).max(axis=0))
    g = range_of(np.abs(v).max(axis=0))
    return Equalized(q * f, k / f, v / g, g, mean_v)


def factor_k(largest_q: Any, largest_k: Any) -> Any:
    """The factor f of columns with these largest magnitudes, which may be overwritten."""
    return (range_of(largest_k) / range_of(largest_q)) ** 0.5


def range_of(largest: Any) -> Any:
    """The factor g: the largest magnitudes, and 1 where a column is all zero (`SMALLEST`), written into the array."""
    largest[~(largest > SMALLEST)] = 1.0
    return largest
