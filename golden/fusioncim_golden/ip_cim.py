"""IP-CIM: exact integer scores of resident queries against key vectors.

s[i, n] = sum over columns j of q[i, j] * k[n, j]
"""

import numpy as np

from fusioncim_golden.arith import Int


def scores(q: Int, k: Int) -> Int:
    """Q [..., rows, columns] by k [keys, columns] to scores [..., rows, keys], exact.

    Computed in float64, where every partial sum is an integer below 2^53 and so has no rounding.
    """
    return (q.astype(np.float64) @ k.T.astype(np.float64)).astype(np.int64)


def offset_scores(q: Int, k: Int, operand_bits: int) -> tuple[Int, Int]:
    """The macro's own outputs: sums over the stored q + 2^(operand_bits-1) >= 0, and the common correction of a key.

    s = offset sum - correction, correction[n] = 2^(operand_bits-1) * sum over j of k[n, j]: an unsigned adder tree has
    no sign extension, and the correction is computed once for all rows.
    """
    offset = 1 << (operand_bits - 1)
    return scores(q + offset, k), offset * k.sum(axis=1)
