"""IP-CIM: exact integer scores of resident queries against key vectors.

s[i, n] = sum over columns j of q[i, j] * k[n, j]
"""

import numpy as np

from fusioncim_golden.arith import Int
from fusioncim_golden.quantize import operand_max


def resident(q: Int, operand_bits: int) -> Int:
    """Queries as the banks keep them, sign and magnitude: the most negative operand becomes the one above it."""
    return np.maximum(q, -operand_max(operand_bits))


def scores(q: Int, k: Int) -> Int:
    """Q [..., rows, columns] by k [keys, columns] to scores [..., rows, keys], exact.

    Computed in float64, where every partial sum is an integer below 2^53 and so has no rounding.
    """
    return (q.astype(np.float64) @ k.T.astype(np.float64)).astype(np.int64)


def offset_scores(q: Int, k: Int, operand_bits: int) -> tuple[Int, Int]:
    """The macro's own outputs, for queries that are `resident`: s = offset score - correction of the row.

    In every plane a row counts what is missing to the largest sum of magnitudes: correction = sum over j of
    operand_max - |q[j]| where q[j] < 0, operand_max elsewhere.
    """
    correction = (operand_max(operand_bits) + np.minimum(q, 0)).sum(axis=-1)
    return scores(q, k) + correction[..., None], correction
