"""Draws cases: jobs of anything that a job can have on a chip, a memory, and what goes wrong."""

from dataclasses import replace
from typing import Any

from numpy.random import Generator

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.limits import DIMENSION_STEP, TOKEN_SCALE_KEYS
from fusioncim_golden.mask import EVERY
from fusioncim_golden.record import JOB_FIELDS
from fusioncim_sim.rtl.job_places import LAYOUTS
from fusioncim_sim.soak.case import MEMORY_BYTES, PARTS, STOPS, Case, JobCase, differing
from fusioncim_sim.soak.operands import PATTERNS
from fusioncim_sim.soak.place import BAD
from fusioncim_sim.soak.random_chip import pick

MOST_JOBS = 6
"""Of a case."""


def random_case(rng: Generator, chip: ChipConfig) -> Case:
    """Some jobs on this chip; half of the cases have nothing wrong in them."""
    calm = rng.random() < 0.5
    jobs = [random_job(rng, chip, calm=calm) for _ in range(rng.integers(1, MOST_JOBS + 1))]
    pauses = None
    if rng.random() < 0.6:
        pauses = (int(rng.integers(1, 1 << 31)), pick(rng, (0.1, 0.3, 0.5, 0.8)), pick(rng, (1, 1, 3, 10, 60)))
    stop = None
    if not calm and rng.random() < 0.35:
        stop = (pick(rng, STOPS), int(2 ** rng.uniform(3, 12.5)))
    top = (1 << chip.address_bits) - MEMORY_BYTES
    return Case(
        chip=differing(chip),
        jobs=jobs,
        base=pick(rng, (0, 0, int(rng.integers(0, top >> 12)) << 12, top)),
        latency=pick(rng, (2, 3, 5, 12, 30, 30, 100)),
        share=pick(rng, (1.0, 1.0, 1.0, 0.7, 0.3)),
        pauses=pauses,
        stop=stop,
        looks=bool(rng.random() < 0.3),
    )


def random_job(rng: Generator, chip: ChipConfig, *, calm: bool) -> JobCase:
    """A job; calm: nothing of it is illegal, and the memory has no fault for it."""
    token_scales = chip.engine.token_scale_bits > 0 and chance(rng, 0.6)
    page_tokens = max(pick(rng, (4, 8, 16)), chip.engine.update_rank) if chance(rng, 0.5) else 0
    slopes = chip.engine.alibi and chance(rng, 0.6)
    shape: dict[str, Any] = _batch(rng, page_tokens or (TOKEN_SCALE_KEYS if token_scales else 1))
    if chance(rng, 0.5):
        keys = int(rng.integers(1, 60))
        queries = pick(rng, (1, int(rng.integers(1, 26)), min(keys, 40)))
        start = pick(rng, (None, int(rng.integers(0, keys + 3))))
        shape = {"queries": queries, "keys": keys, "start": start, "mask": _mask(rng, keys)}
    sizes = range(DIMENSION_STEP, chip.engine.columns + 1, DIMENSION_STEP)
    dimension, other = (pick(rng, sizes) for _ in range(2))
    shared = chance(rng, 0.2)
    job = JobCase(
        seed=int(rng.integers(1, 1 << 31)),
        kv_heads=int(rng.integers(1, 4)),
        group=pick(rng, (1, 1, 2, 3, 4, 5)),
        dimension=dimension,
        value_dimension=pick(rng, (dimension, min(dimension, other) if shared else other)),
        pattern=pick(rng, PATTERNS),
        reach=pick(rng, (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0)),
        layout=pick(rng, LAYOUTS),
        page_tokens=page_tokens,
        page_layout=pick(rng, LAYOUTS),
        shared=shared,
        kv_bits=pick(rng, (0, 0, 4)),
        lse=chance(rng, 0.5),
        intervals=chance(rng, 0.3),
        sinks=chance(rng, 0.35),
        slopes=slopes,
        token_scales=token_scales,
        centred=chance(rng, 0.3),
        gap=pick(rng, (0, 0, 0, 1, 3)),
        **shape,
    )
    return job if calm else _spoilt(rng, chip, job)


def chance(rng: Generator, part: float) -> bool:
    """True in that part of the draws."""
    return bool(rng.random() < part)


def _mask(rng: Generator, keys: int) -> tuple[int, int, int, int]:
    """Any mask, most of them with ends among the keys."""
    reach = int(rng.integers(1, keys + 3))
    return pick(
        rng,
        [
            (EVERY, 0, 0, 0),
            (EVERY, 0, 0, 0),
            (EVERY, EVERY, 0, 0),
            (reach, 0, 0, 0),
            (reach, int(rng.integers(1, 9)), 0, 0),
            (EVERY, pick(rng, (0, EVERY)), 1 << int(rng.integers(0, 6)), 0),
            (EVERY, 0, 0, reach),
            (int(rng.integers(1, 9)), 0, 0, reach),
            (reach, int(rng.integers(0, 9)), 1 << int(rng.integers(0, 6)), int(rng.integers(0, keys + 3))),
        ],
    )


def _batch(rng: Generator, step: int) -> dict[str, Any]:
    """A ragged batch: prefill, chunks and decode; some without queries or keys, some with gaps between."""
    row, key, last, found = 0, 0, 1, []
    for _ in range(rng.integers(1, 7)):
        keys = pick(rng, (0, 1, *[int(rng.integers(2, 40))] * 8))
        queries = pick(rng, (0, 1, 1, 1, *[int(rng.integers(2, 14))] * 5))
        start = pick(rng, (*[max(keys - queries, 0)] * 2, int(rng.integers(0, keys + 5))))
        row += int(rng.choice([0, 2], p=[0.8, 0.2]))
        found.append((queries, keys, row, key, start, *_mask(rng, keys)))
        row, last = row + queries, max(last, key + keys)
        if rng.random() >= 0.2:  # else the next one shares keys with this one
            key = -(-(key + keys) // step) * step
    return {"queries": max(row, 1), "keys": last, "sequences": found}


def _spoilt(rng: Generator, chip: ChipConfig, job: JobCase) -> JobCase:
    """The job, sometimes with something wrong."""
    kind = rng.random()
    if kind < 0.2:
        return replace(job, changes=[_change(rng, chip) for _ in range(rng.integers(1, 3))])
    if kind < 0.3 and job.sequences:
        rows = [list(row) for row in job.sequences]
        for _ in range(rng.integers(1, 3)):
            row = rows[rng.integers(len(rows))]
            row[rng.integers(len(row))] = pick(rng, (0, 1, 3, 7, 50, EVERY, EVERY + 1, (1 << 32) - 1))
        return replace(job, sequences=rows)
    if kind < 0.45:
        return replace(job, entry=(pick(rng, tuple(BAD)), int(rng.integers(0, 8))))
    if kind < 0.65:
        place = int(2 ** rng.uniform(0, 11)) - 1
        return replace(job, fault=(pick(rng, PARTS), place, pick(rng, (1, 8, 64, 4096)), pick(rng, (2, 3))))
    return job


def _change(rng: Generator, chip: ChipConfig) -> tuple[str, str, int | str]:
    """Another value of a field of the record."""
    field = pick(rng, list(JOB_FIELDS))
    bits = JOB_FIELDS[field]
    how = rng.random()
    if how < 0.3:
        return field, "add", pick(rng, (1, 4, 8, 16, 64, -1, -8, -16))
    if how < 0.5:
        return field, "copy", pick(rng, list(JOB_FIELDS))
    ends = (0, 1, 3, 12, 255, 256, 257, 1 << 17, 1 << 20, (1 << chip.address_bits) - 16, (1 << bits) - 1)
    value = pick(rng, (*ends, int(rng.integers(0, 1 << min(bits, 62))), 1 << int(rng.integers(0, bits))))
    return field, "set", value & ((1 << bits) - 1)
