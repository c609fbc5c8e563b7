"""Random jobs on tiny chips, of anything that a job can have, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from tests.cases import ALL, part
from tests.hw.chip.right import assert_right, quantized

from fusioncim_golden.descriptor import Sequence
from fusioncim_golden.mask import CAUSAL, EVERY, FULL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.sinks import sinks_of
from fusioncim_golden.slopes import slope_words
from fusioncim_sim.rtl.chip_run import ChipJob, simulate_chip
from fusioncim_sim.rtl.job_places import LAYOUTS, Paging

CHIPS = {
    "tiny": {},
    "folded": {"schedule": "folded", "engines": 4, "streams": 4, "words": 4, "seed": True},
    "in_order": {"schedule": "in_order", "update_rank": 1},
    "diagonal_first": {"schedule": "diagonal_first", "engines": 4, "streams": 3},
    "int4": {"operand_bits": 4, "softmax_lanes": 2, "accumulator_bits": 18, "slack": 2, "flush": 10, "engines": 1},
    "wide_bus": {"bus_bits": 256, "columns": 32, "update_rank": 4, "words": 4, "drain_rows": 2},
    "wider_bus": {"bus_bits": 512, "columns": 64, "address_bits": 40, "schedule": "folded", "buffer_bytes": 4096},
    "two_ports": {
        "read_ports": 2,
        "walks": 2,
        "engines": 4,
        "streams": 2,
        "schedule": "folded",
        "columns": 48,
        "buffer_bytes": 1536,
        "drain_rows": 2,
    },
    "tokens": {"token_scale_bits": 8, "update_rank": 4, "columns": 32, "engines": 4, "streams": 2, "drain_rows": 2},
    "alibi": {"alibi": True, "bus_bits": 128, "engines": 1, "drain_rows": 4, "schedule": "folded"},
    "tokens_alibi": {
        "token_scale_bits": 1,
        "alibi": True,
        "read_ports": 2,
        "walks": 2,
        "engines": 4,
        "streams": 4,
        "update_rank": 8,
        "columns": 64,
        "bus_bits": 256,
        "buffer_bytes": 4096,
        "schedule": "folded",
    },
    "int8_out": {"output_bits": 8, "columns": 32, "bus_bits": 128, "address_bits": 64, "drain_rows": 4, "streams": 1},
}
JOBS = 40 if ALL else 4
"""Of each chip."""


def masks(rng, keys):
    """Any mask, most of them with ends among the keys."""
    reach = int(rng.integers(1, keys + 3))
    return [
        CAUSAL,
        FULL,
        Mask(window=reach),
        Mask(window=reach, ahead=int(rng.integers(1, 9))),
        Mask(ahead=int(rng.integers(1, 9))),
        Mask(chunk=1 << int(rng.integers(1, 6)), ahead=int(rng.choice([0, EVERY]))),
        Mask(prefix=reach),
        Mask(window=int(rng.integers(1, 9)), prefix=reach),
    ][rng.integers(8)]


def sequences(rng, page):
    """A ragged batch: prefill, chunks and decode; some without queries or keys, some with gaps between; its ends."""
    row, key, found = 0, 0, []
    for _ in range(rng.integers(1, 6)):
        keys = int(rng.choice([0, 1, rng.integers(2, 40)], p=[0.1, 0.1, 0.8]))
        queries = int(rng.choice([0, 1, rng.integers(2, 14)], p=[0.1, 0.4, 0.5]))
        start = int(rng.choice([max(keys - queries, 0), rng.integers(0, keys + 5)], p=[0.7, 0.3]))
        row += int(rng.choice([0, 2], p=[0.8, 0.2]))
        found.append(
            Sequence(queries=queries, keys=keys, first_row=row, first_key=key, start=start, mask=masks(rng, keys))
        )
        row += queries
        key = -(-(key + keys) // page) * page
        if rng.random() < 0.2:  # the next one shares pages with this one
            key = found[-1].first_key
    return found, max(row, 1), max(max(each.first_key + each.keys for each in found), 1)


def operands(rng, chip, kv_heads, group, rows, keys, dimensions, shared, kv_bits):
    limit = (1 << (chip.engine.operand_bits - 1)) - 1
    reach = float(rng.choice([1, 4, 8, 64]))

    def draw(size, *count):
        return rng.integers(-limit, limit + 1, (*count, size))

    def heads():
        q, k = draw(dimensions[0], group, rows), quantized(chip, draw(dimensions[0], keys), kv_bits)
        v = k[:, : dimensions[1]] if shared else quantized(chip, draw(dimensions[1], keys), kv_bits)
        return replace(from_integers(q, k, k, scale_q=1 / limit, scale_k=reach / limit), v=v)

    return [heads() for _ in range(kv_heads)]


def besides(rng, heads, names):
    """The heads with scales per token, sinks or slopes, some without all the same; without sinks some are centred."""
    some = {
        "token_scales": rng.integers(0, 1 << int(rng.choice([8, 10, 16])), (len(heads.k), 2)),
        "sinks": np.where(rng.random(len(heads.q)) < 0.8, sinks_of(rng.normal(0, 6, len(heads.q))), 0),
        "slopes": np.where(rng.random(len(heads.q)) < 0.8, slope_words(rng.uniform(1 / 256, 1, len(heads.q))), 0),
    }
    sinks = "sinks" in names and some["sinks"].any()
    return replace(heads, **{name: some[name] for name in names}, centred=not sinks and bool(rng.random() < 0.5))


def random_job(rng, chip):
    """A job of anything that a job can be."""
    there = {"sinks": True, "slopes": chip.engine.alibi, "token_scales": chip.engine.token_scale_bits > 0}
    has = [name for name, possible in there.items() if rng.random() < 0.5 and possible]
    tokens = max(int(rng.choice([4, 8, 16])), chip.engine.update_rank)
    paging = None
    if rng.random() < 0.6:
        paging = Paging(tokens=tokens, layout=str(rng.choice(LAYOUTS)), seed=int(rng.integers(100)))
    batch, rows, keys = sequences(rng, tokens if paging else 8 if "token_scales" in has else 1)
    alone = {}
    if rng.random() < 0.3:
        rows, keys, batch = int(rng.integers(1, 20)), int(rng.integers(1, 50)), []
        alone = {"mask": masks(rng, keys), "start": int(rng.integers(0, keys + 3))}
    intervals = None
    if rng.random() < 0.4:
        intervals = np.sort(rng.integers(0, 40, (rows, 2)), axis=1)
    dimension, other = (int(n) for n in rng.choice(range(8, chip.engine.columns + 1, 8), 2))
    shared = rng.random() < 0.25
    value_dimension = int(rng.choice([dimension, min(dimension, other) if shared else other]))
    kv_heads, group = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    kv_bits = int(rng.choice([0, 4]))
    groups = operands(rng, chip, kv_heads, group, rows, keys, (dimension, value_dimension), shared, kv_bits)
    return ChipJob(
        groups=[besides(rng, heads, has) for heads in groups],
        lse=bool(rng.random() < 0.5),
        shared=shared,
        kv_bits=kv_bits,
        layout=str(rng.choice(LAYOUTS)),
        paging=paging,
        sequences=batch,
        intervals=intervals,
        gap=chip.alignment * int(rng.choice([0, 1, 3], p=[0.6, 0.2, 0.2])),
        **alone,
    )


@pytest.mark.long
@pytest.mark.parametrize("name", part(CHIPS, "tokens_alibi"))
def test_any_job(name):
    chip = PRESETS["tiny"].override(**CHIPS[name])
    rng = np.random.default_rng(list(CHIPS).index(name))
    jobs = [random_job(rng, chip) for _ in range(JOBS)]
    run = simulate_chip(chip, jobs, stall="randomly" if name in ("tiny", "wide_bus") else "never", cycles=400_000)
    assert_right(chip, jobs, run)
