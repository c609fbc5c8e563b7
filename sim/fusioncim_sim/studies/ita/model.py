"""The arithmetic of ITA's attention on integers, in NumPy: what its outputs must be, bit by bit.

    score    round(q.k mult / 2^shift), half up, clipped to 8 bits: a log2 score without a fraction
    weight   (65280 // l) >> (largest - score), 8 bits; l: the sum of 256 >> (largest - score)
    output   round(sum of weight v, mult / 2^shift), clipped to 8 bits

Scores come in blocks of 16 keys; where a block has a larger score, the sum so far is shifted right by the difference.
"""

from dataclasses import dataclass

import numpy as np

from fusioncim_golden.arith import Int

BLOCK = 16
"""Keys of a block: the dot products of a cycle."""
ONE, SCALE = 256, 255 * 256
"""Weight of the largest score in the sum, and what the sum divides."""


@dataclass(frozen=True)
class Scale:
    """A number mult / 2^shift."""

    mult: int
    shift: int


@dataclass(frozen=True)
class ItaHead:
    """Operands of a head, int64.

    Members:
        q: [queries, columns]. k, v: [keys, columns].
        score, output: what scores and outputs are multiplied with.
    """

    q: Int
    k: Int
    v: Int
    score: Scale
    output: Scale


@dataclass(frozen=True)
class ItaOutputs:
    """What leaves ITA, int64: scores and weights [queries, keys], out [queries, columns]."""

    scores: Int
    weights: Int
    out: Int


def requantized(x: Int, scale: Scale) -> Int:
    """round(x mult / 2^shift), half up, clipped to 8 bits."""
    product = x * scale.mult
    half = (1 << scale.shift) >> 1
    return np.clip((product + half) >> scale.shift, -128, 127)


def itamax(scores: Int) -> Int:
    """Weights of rows of scores."""
    largest = np.full((len(scores), 1), -128)
    total = np.zeros((len(scores), 1), np.int64)
    for first in range(0, scores.shape[1], BLOCK):
        block = scores[:, first : first + BLOCK]
        before, largest = largest, np.maximum(largest, block.max(axis=1, keepdims=True))
        total = (total >> (largest - before)) + (ONE >> (largest - block)).sum(axis=1, keepdims=True)
    found: Int = ((SCALE // total) >> (largest - scores)) & 0xFF
    return found


def attention(head: ItaHead) -> ItaOutputs:
    """All of a head, without a mask: ITA has none."""
    scores = requantized(head.q @ head.k.T, head.score)
    weights = itamax(scores)
    return ItaOutputs(scores, weights, requantized(weights @ head.v, head.output))
