"""The job that an FPGA's engine checks itself with: captured heads, and the outputs of the golden model."""

import numpy as np

from fusioncim.fpga.self_check import DIGITS, StoredJob
from fusioncim_golden import engine as golden
from fusioncim_golden.config import Config, check_range
from fusioncim_golden.quantize import Heads, quantize
from fusioncim_golden.schedule import Job
from fusioncim_sim.heads.captured import captured, side_by_side, width
from fusioncim_sim.heads.read import SMOLLM2
from fusioncim_sim.rtl.stream_words import encode, output_words


def captured_operands(config: Config, tokens: int) -> Heads:
    """The first tokens of heads of SmolLM2-135M, side by side; of the last one the columns that are left."""
    heads = captured()[SMOLLM2]
    check_range("columns of captured heads", config.columns, 1, sum(map(width, heads)))
    check_range("tokens", tokens, 1, min(len(head.q) for head in heads))
    q, k, v = (x[..., : config.columns] for x in side_by_side(heads, tokens))
    return quantize(q, k, v, bits=config.operand_bits, centred=True)


def stored_job(config: Config, heads: Heads, job: Job) -> StoredJob:
    """A job's words, and those of its outputs of the golden model; the limit is twice what it should take."""
    golden.check_operands(config, heads)
    streams = encode(config, [(heads, job)])
    result = golden.run(config, heads, job)
    places = tuple(np.array([(head, query) for _, head, query in streams.places]).T)
    return StoredJob(
        i_tile=tuple(streams.tiles),
        i_q=tuple(streams.q),
        i_block=tuple(streams.blocks),
        i_kv=tuple(streams.kv[vector] for vector in streams.vectors),
        o=tuple(output_words(config, list(result.out[places]), result.lse[places].tolist(), streams.tile_ends)),
        limit=min(streams.limit(config, 2), 10**DIGITS - 1),
    )
