"""OP-CIM: resident outputs, to which each block of keys adds update_rank outer products with one write.

    D[i, j] = sum over the block's keys n of p[i, n] * v[n, j]
    LOAD     O = align(D)                    align(D) = shift_round(D, shift - slack + dropped_bits)
    ADD      O = O + align(D)                or floor(O / 2) + align(D) with `halve`
    RESCALE  O = shift_round(O, shift) + shift_round(D, dropped_bits)

A row that skips is neither read nor written. |O| stays below 2^(accumulator_bits - 1): see docs/arithmetic.md.
"""

import numpy as np

from fusioncim_golden.arith import Int, shift_floor, shift_round
from fusioncim_golden.config import Config
from fusioncim_golden.softmax import Update, Updates


def accumulate(config: Config, p: Int, updates: Updates, v: Int) -> Int:
    """O [rows, columns] after all blocks: p [rows, blocks, rank], updates [rows, blocks], v [blocks, rank, columns]."""
    o = np.zeros((p.shape[0], v.shape[-1]), np.int64)
    p_float, v_float = p.astype(np.float64), v.astype(np.float64)  # exact: every sum is an integer below 2^53
    for t in range(p.shape[1]):
        (row,) = np.nonzero(updates.kind[:, t])
        if len(row):
            d = (p_float[row, t] @ v_float[t]).astype(np.int64)
            o[row] = update(config, o[row], d, updates.kind[row, t], updates.shift[row, t], updates.halve[row, t])
    return o


def update(config: Config, o: Int, d: Int, kind: Int, shift: Int, halve: Int) -> Int:
    """One update of rows: o, d [rows, columns]; kind (no SKIP), shift, halve [rows]."""
    rescale = kind == Update.RESCALE
    align = np.where(rescale, 0, shift - config.slack) + config.dropped_bits
    d = shift_round(d, align[:, None])
    if rescale.any():
        o[rescale] = shift_round(o[rescale], shift[rescale, None])
    if halve.any():
        o[halve] = shift_floor(o[halve], 1)
    d[kind != Update.LOAD] += o[kind != Update.LOAD]
    return d
