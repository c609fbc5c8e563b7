"""What outputs lose if frozen keys are left out: of O, and of the row sum."""

import numpy as np

from fusioncim_golden.engine import Result, trace
from fusioncim_golden.mask import sees
from fusioncim_golden.metrics import in_lsb, sqnr_db
from fusioncim_golden.normalizer import NO_KEY, normalize
from fusioncim_golden.op_cim import accumulate
from fusioncim_golden.softmax import Rows, merge, probabilities
from fusioncim_sim.heads.captured import width
from fusioncim_sim.heads.judge import job_of
from fusioncim_sim.heads.read import Head
from fusioncim_sim.studies.freeze.patterns import pattern
from fusioncim_sim.studies.freeze.samples import PAPER


def frozen_sqnr(head: Head, bound: str, left_out: int) -> float:
    """Signal to noise in dB against float attention on the floats, of a whole causal head.

    bound: of `BOUNDS`, or "" where nothing is frozen. left_out: powers of two, as of `patterns`.
    """
    config, job = PAPER.override(columns=width(head)), job_of(head)
    heads = head.quantized(config)
    result = Result(np.zeros(heads.q.shape, np.int64), np.full(heads.q.shape[:2], NO_KEY))
    for step in trace(config, heads, job):
        passing = step.tile.blocks(config.update_rank)
        here = sees(step.key_blocks.blocks, passing.start, passing.stop)
        position = step.key_blocks.positions(config)
        visible = step.tile.sees(position)
        if bound:
            frozen = pattern(config, heads, job, step, left_out).frozen[bound]
            visible[:, here] &= ~frozen.reshape(len(visible), -1, config.update_rank)
        block = probabilities(config, step.x, visible)
        rows = Rows.fresh((config.rows,))
        updates = merge(config, rows, block, centred=heads.centred)
        v = np.concatenate([heads.v, np.zeros((-len(heads.v) % config.update_rank, config.columns), np.int64)])
        o = accumulate(config, block.p, updates, v[position])
        tile = step.tile
        result.out[tile.head[: tile.count], tile.query[: tile.count]] = normalize(
            config, o, np.maximum(rows.row_sum, 1), np.zeros(config.rows, np.int64)
        )[: tile.count]
    out = head.equalized().outputs(in_lsb(config, result.out) * heads.scale_v)
    return sqnr_db(out, head.unquantized_attention(job))
