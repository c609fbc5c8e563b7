"""Operands of a job of the soak: scores by which rows add, rescale, halve and skip, and not only see one key."""

from collections.abc import Sequence as Numbers
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from fusioncim_golden.arith import Int
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.descriptor import Sequence
from fusioncim_golden.quantize import Heads, from_integers
from fusioncim_golden.scale_table import legal_scales, pack_scales
from fusioncim_golden.sinks import sinks_of
from fusioncim_golden.slopes import slope_words
from fusioncim_sim.rtl.chip_run import ChipJob
from fusioncim_sim.rtl.job_places import Paging
from fusioncim_sim.soak.case import JobCase, mask_of

PATTERNS = ("uniform", "small", "rising", "falling", "saw", "equal", "extreme", "sparse")
"""Scores: of random operands, of small ones, that rise or fall with the key, again and again; all the same; of the
largest operands of both signs; mostly 0."""
SPARE_PAGES = 3
MOST_INTERVAL = 48


def chip_job(chip: ChipConfig, job: JobCase) -> ChipJob:
    """The job with its operands, by its seed. Errors: options that do not go together on this chip."""
    rng = np.random.default_rng(job.seed)
    groups = [_heads(rng, chip, job) for _ in range(job.kv_heads)]
    intervals = np.sort(rng.integers(0, MOST_INTERVAL, (job.queries, 2)), axis=1) if job.intervals else None
    paging = None
    if job.page_tokens:
        paging = Paging(tokens=job.page_tokens, layout=job.page_layout, seed=job.seed, spare=SPARE_PAGES)
    return ChipJob(
        groups=groups,
        start=None if job.sequences else job.start,
        mask=mask_of(job.mask),
        layout=job.layout,
        paging=paging,
        shared=job.shared,
        kv_bits=job.kv_bits,
        lse=job.lse,
        sequences=[sequence_of(row) for row in job.sequences],
        intervals=intervals,
        gap=job.gap * chip.alignment,
    )


def sequence_of(row: Numbers[int]) -> Sequence:
    """A sequence from its numbers, see `case.JobCase`."""
    queries, keys, first_row, first_key, start, *mask = row
    return Sequence(
        queries=queries, keys=keys, first_row=first_row, first_key=first_key, start=start, mask=mask_of(mask)
    )


def _heads(rng: Generator, chip: ChipConfig, job: JobCase) -> Heads:
    """The operands of a key and value head."""
    bits = chip.engine.operand_bits
    limit = (1 << (bits - 1)) - 1
    q, k = _scored(rng, job, limit)
    v = rng.integers(-limit, limit + 1, (job.keys, job.value_dimension))
    if job.pattern == "extreme":
        v = rng.choice([-limit - 1, limit], v.shape)
    step = bits - (job.kv_bits or bits)
    k = k >> step << step
    v = k[:, : job.value_dimension] if job.shared else v >> step << step
    reach = job.reach
    while True:
        heads = replace(from_integers(q, k, k, scale_q=1 / limit, scale_k=reach / limit), v=v)
        words = pack_scales(heads.mantissa, heads.shift)
        if legal_scales(chip.engine, words, slopes=job.slopes).all():
            break
        reach /= 2
    return _besides(rng, job, heads)


def _scored(rng: Generator, job: JobCase, limit: int) -> tuple[Int, Int]:
    """Queries [group, queries, dimension] and keys [keys, dimension] of the job's pattern."""
    queries, keys = (job.group, job.queries, job.dimension), (job.keys, job.dimension)
    q, k = (rng.integers(-limit, limit + 1, shape) for shape in (queries, keys))
    if job.pattern == "small":
        return q // 8, k // 8
    if job.pattern == "extreme":
        return rng.choice([-limit - 1, limit], queries), rng.choice([-limit - 1, limit], keys)
    if job.pattern == "sparse":
        return q * (rng.random(queries) < 0.2), k * (rng.random(keys) < 0.2)
    if job.pattern == "equal":
        return np.broadcast_to(q[:, :1], queries).copy(), np.broadcast_to(k[:1], keys).copy()
    if job.pattern == "uniform":
        return q, k
    period = int(rng.integers(3, 12)) if job.pattern == "saw" else max(job.keys, 1)
    ramp = np.arange(job.keys) % period / period * 2 - 1
    if job.pattern == "falling":
        ramp = -ramp
    way = rng.choice([-1, 1], job.dimension)
    q = np.rint(limit * way * rng.uniform(0.3, 0.9, queries)).astype(np.int64)
    k = np.rint(limit * way * ramp[:, None] * rng.uniform(0.7, 1.0, keys)).astype(np.int64)
    return q, k


def _besides(rng: Generator, job: JobCase, heads: Heads) -> Heads:
    """The heads with what the job has besides; some heads are without a sink or slope all the same."""
    group = len(heads.q)
    scales = rng.integers(0, 1 << int(rng.choice([8, 10, 16])), (len(heads.k), 2))
    sinks = np.where(rng.random(group) < 0.8, sinks_of(rng.normal(0, 6, group)), 0)
    slopes = np.where(rng.random(group) < 0.8, slope_words(rng.uniform(1 / 256, 1, group)), 0)
    return replace(
        heads,
        token_scales=scales if job.token_scales else None,
        sinks=sinks if job.sinks else None,
        slopes=slopes if job.slopes else None,
        centred=job.centred and not (job.sinks and bool(sinks.any())),
    )
