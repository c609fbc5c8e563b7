"""How often a row of O is moved with ALiBi on the scores, keys on both sides, as in BERT.

    score = q.k * softmax_scale - slope * |p - n|

The paper evaluates BERT with ALiBi, whose heads none of the installed packages has. Here the captured heads of a causal
model stand in for it, each with the slopes of all 12 heads of BERT-base and with all keys visible.
"""

from dataclasses import dataclass, replace

import numpy as np

from fusioncim_golden import engine
from fusioncim_golden.config import Config
from fusioncim_golden.mask import FULL
from fusioncim_golden.quantize import Float
from fusioncim_golden.schedule import Job
from fusioncim_golden.slopes import slope_words
from fusioncim_sim.heads.read import Head

HEADS = 12
"""Of BERT-base."""


@dataclass(frozen=True)
class AlibiMoves:
    """Counts of one head with one slope.

    Members:
        in_order: rescales of exact online softmax, keys from the first to the last.
        own_key: the same, every row from its own key down to the first, then from the last one down to its own.
        rescales, halvings: of the engine, in its order of the keys.
    """

    in_order: int
    own_key: int
    rescales: int
    halvings: int


def standard_slopes(heads: int) -> Float:
    """2^(-8 n / heads) for n = 1 .. heads, a power of two; else that many, and every other one of twice as many.

    Press et al., arXiv:2108.12409.
    """
    full = 1 << (heads.bit_length() - 1)
    every, finer = (np.exp2(-8 / count * np.arange(1, count + 1, dtype=np.float64)) for count in (full, 2 * full))
    return np.concatenate([every, finer[: 2 * (heads - full) : 2]])


def count_alibi(config: Config, head: Head, slope: float) -> AlibiMoves:
    """Of a float head whose queries are at its keys; config: with alibi."""
    tokens = np.arange(len(head.k))
    q, k = head.q.astype(np.float64), head.k.astype(np.float64)
    score = q @ k.T / np.sqrt(q.shape[1]) - slope * np.abs(tokens[:, None] - tokens)
    own = np.stack([(n - tokens) % len(tokens) for n in tokens])
    operands = replace(head.quantized(config), slopes=slope_words(np.array([slope])))
    events = engine.run(config, operands, Job(queries=len(q), keys=len(k), mask=FULL)).events
    return AlibiMoves(
        in_order=rises(score),
        own_key=rises(np.take_along_axis(score, own, axis=1)),
        rescales=events.rescales,
        halvings=events.halvings,
    )


def rises(score: Float) -> int:
    """How often the running maximum of a row [rows, keys] rises after its first key."""
    best = np.maximum.accumulate(score, axis=1)
    return int(np.count_nonzero(best[:, 1:] > best[:, :-1]))
