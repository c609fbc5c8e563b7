"""Which keys a row of the IP-CIM could leave alone: masked ones, and those that can no longer matter after four planes.

The key's high nibble is h = floor(k / 16), its low one is from 0 to 15. So after the high planes

    q . k <= 16 q . h + 7.5 (sum of q + BOUND * sum of |q|)

holds for BOUND = 1, and nearly always for 1/2. A key is frozen if the log2 score of that lies more than `left_out`
powers of two below the row's reference. The reference is that of two blocks before for a block's first two keys, whose
high planes come before the last block has been added, and of one block before for the others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusioncim_golden.arith import Bool, Int
from fusioncim_golden.config import Config
from fusioncim_golden.engine import TileTrace, trace
from fusioncim_golden.ip_cim import resident
from fusioncim_golden.mask import sees
from fusioncim_golden.quantize import Heads
from fusioncim_golden.schedule import Job
from fusioncim_golden.softmax import Block, Rows, log2_score, merge

BOUNDS: Mapping[str, float] = {"exact": 1.0, "halved": 0.5}
"""What the low planes may add, by name."""
LATE = 2
"""Keys of a block whose high planes come before the block before has been added."""


@dataclass(frozen=True)
class Pattern:
    """What the rows of a tile do with the keys that pass, in their order; arrays [rows, keys] unless said otherwise.

    Members:
        query: [rows], number of each.
        position: [keys], of each.
        visible: the row sees the key.
        high: sum of products with the high nibbles.
        least: high sums below this one are frozen, by bound.
        frozen: and visible, by bound.
        wrong: those of them that did reach the threshold, by bound.
    """

    query: Int
    position: Int
    visible: Bool
    high: Int
    least: Mapping[str, Int]
    frozen: Mapping[str, Bool]
    wrong: Mapping[str, Bool]


def patterns(config: Config, heads: Heads, job: Job, left_out: int) -> Iterator[Pattern]:
    """Of every tile of a job; left_out: powers of two below the reference from which on a key does not matter."""
    for step in trace(config, heads, job):
        yield pattern(config, heads, job, step, left_out)


def pattern(config: Config, heads: Heads, job: Job, step: TileTrace, left_out: int) -> Pattern:
    """Of a tile."""
    tile = step.tile
    passing = tile.blocks(config.update_rank)
    here = sees(step.key_blocks.blocks, passing.start, passing.stop)
    position = step.key_blocks.positions(config)[here]
    source = tile.head, np.minimum(tile.query, job.queries - 1)
    q = resident(heads.q[source], config.operand_bits)
    padding = np.zeros((-len(heads.k) % config.update_rank, config.columns), np.int64)
    k = np.concatenate([heads.k, padding])[position.ravel()]
    nibble = config.operand_bits // 2
    high = q @ (k >> nibble).T
    limit, known = (each[:, here].reshape(high.shape) for each in _limits(config, step, left_out))
    mantissa, shift = (each[source][:, None] for each in (heads.mantissa, heads.shift))
    # The least score with a log2 score of the limit.
    least_score = -((-limit << shift) // mantissa)
    assert (log2_score(config, least_score, mantissa, shift) >= limit << config.fraction_bits).all()
    visible = tile.sees(position).reshape(high.shape)
    score = q @ k.T
    least, frozen, wrong = {}, {}, {}
    for name, share in BOUNDS.items():
        most = (((1 << nibble) - 1) * (q.sum(1) + share * np.abs(q).sum(1)) / 2)[:, None]
        least[name] = np.where(
            known, -((np.ceil(most).astype(np.int64) - least_score) >> nibble), np.iinfo(np.int64).min
        )
        frozen[name] = visible & (high < least[name])
        wrong[name] = frozen[name] & (score >= least_score)
    return Pattern(source[1], position.ravel(), visible, high, least, frozen, wrong)


def _limits(config: Config, step: TileTrace, left_out: int) -> tuple[Int, NDArray[np.bool_]]:
    """Whole log2 scores below which a key does not matter, [rows, blocks, rank], and where the row has a reference."""
    blocks = step.block
    shape = (config.rows, blocks.exponent.shape[1])
    rows = Rows.fresh(shape[:1])
    reference, known = np.zeros((2, *shape), np.int64)
    for t in range(shape[1]):
        reference[:, t], known[:, t] = rows.reference, ~rows.empty
        one = slice(t, t + 1)
        part = Block(blocks.p[:, one], blocks.exponent[:, one], blocks.visible[:, one], blocks.total[:, one])
        merge(config, rows, part, centred=True)

    return _by_key(config, reference) - left_out, _by_key(config, known) > 0


def _by_key(config: Config, of_blocks: Int) -> Int:
    """What each key of each block [rows, blocks, rank] knows of what held before its block."""
    found = np.repeat(of_blocks[..., None], config.update_rank, axis=-1)
    found[:, 1:, :LATE] = of_blocks[:, :-1, None]
    return found
