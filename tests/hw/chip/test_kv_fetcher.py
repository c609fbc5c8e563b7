"""Keys and values in pages on whole chips: every order of the blocks, to the last cycle of the model, and bad lists."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from tests.cases import part
from tests.hw.chip.right import assert_counted, assert_right, works
from tests.hw.chip.spoilt import Spoilt

from fusioncim_golden.descriptor import Sequence
from fusioncim_golden.limits import PAGE_BYTES
from fusioncim_golden.mask import CAUSAL, EVERY, FULL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.axi_memory import Fault
from fusioncim_sim.rtl.chip_run import ChipJob, simulate_chip
from fusioncim_sim.rtl.job_places import Paging
from fusioncim_sim.system.cycles import Memory
from fusioncim_sim.system.cycles import run as modelled

TINY = PRESETS["tiny"]
CHIPS = {
    "in_order": {"schedule": "in_order", "update_rank": 1},
    "diagonal_first": {"schedule": "diagonal_first", "engines": 4},
    "sink_first": {"schedule": "sink_first"},
    "folded": {"schedule": "folded", "engines": 4, "words": 4},
    "folded_wide": {"schedule": "folded", "bus_bits": 256, "columns": 32, "update_rank": 4, "buffer_bytes": 4096},
    "folded_int4": {
        "schedule": "folded",
        "operand_bits": 4,
        "softmax_lanes": 2,
        "accumulator_bits": 18,
        "slack": 2,
        "flush": 10,
    },
}
JOBS = {
    # kv_heads, group, queries, keys, mask, tokens of a page, layout of a page
    "prefill": (2, 3, 27, 27, CAUSAL, 4, "token"),
    "decode": (2, 4, 2, 150, CAUSAL, 16, "head"),
    "window": (1, 2, 60, 60, Mask(window=9), 8, "head"),
    "chunks": (1, 1, 50, 55, Mask(chunk=32, ahead=EVERY), 16, "token"),
    "full": (1, 3, 30, 50, FULL, 32, "head"),
}


def operands(seed, kv_heads, group, queries, keys, chip=TINY):
    rng = np.random.default_rng(seed)
    limit = (1 << (chip.engine.operand_bits - 1)) - 1

    def draw(*shape):
        return rng.integers(-limit, limit + 1, (*shape, chip.engine.columns))

    return [
        from_integers(draw(group, queries), draw(keys), draw(keys), scale_q=1 / limit, scale_k=4 / limit)
        for _ in range(kv_heads)
    ]


@pytest.mark.long
@pytest.mark.parametrize("name", part(CHIPS, "folded"))
def test_pages_in_every_order(name):
    """Every bit as the golden model, every cycle as the cycle model."""
    chip = TINY.override(**CHIPS[name])
    jobs = [
        ChipJob(groups=operands(n, *shape, chip), mask=mask, paging=Paging(tokens=tokens, layout=layout, seed=n))
        for n, (*shape, mask, tokens, layout) in enumerate(JOBS.values())
    ]
    run = simulate_chip(chip, jobs, latency=30, cycles=60_000)
    assert_right(chip, jobs, run)
    assert_counted(chip, run)


GOOD = ChipJob(groups=operands(1, 2, 2, 13, 40), paging=Paging(tokens=4, spare=3))
COUNT = 13
"""Pages of its pool."""


def spoilt(index, number):
    return Spoilt(**vars(GOOD), table="pages", index=index, entry=number)


@pytest.mark.parametrize("schedule", part(["sink_first", "folded"], "folded"))
def test_a_number_beyond_the_pool(schedule):
    """A bad number ends its job alone, wherever it stands and whatever its high bits are."""
    chip = TINY.override(schedule=schedule)
    jobs = [spoilt(4, COUNT), GOOD, spoilt(0, 1 << 31), spoilt(9, 1 << 20), GOOD, spoilt(9, (1 << 32) - 1), GOOD]
    run = simulate_chip(chip, jobs, cycles=60_000)
    assert run.statuses == [Status.OK if job is GOOD else Status.PAGE for job in jobs]
    assert run.stray == 0
    for job, found in zip(jobs, run.outputs, strict=True):
        if job is GOOD:
            assert np.array_equal(job.golden(chip), found)


def test_a_number_beyond_the_pool_ends_one_sequence():
    batch = [
        Sequence(queries=3, keys=10, first_row=0, first_key=0, start=7),
        Sequence(queries=5, keys=11, first_row=3, first_key=12, start=6),
        Sequence(queries=4, keys=16, first_row=8, first_key=24, start=12),
    ]
    job = replace(spoilt(4, COUNT), sequences=batch)
    run = simulate_chip(TINY, [job, GOOD], cycles=30_000)
    assert run.statuses == [Status.PAGE, Status.OK]
    assert run.stray == 0
    expected = job.golden(TINY)
    rows = [*range(3), *range(8, 12)]
    assert np.array_equal(expected[:, rows], run.outputs[0][:, rows])
    assert np.array_equal(GOOD.golden(TINY), run.outputs[1])


def test_a_list_that_cannot_be_read():
    def faults(jobs):
        place = jobs[0].pages.list
        return [Fault(start=place + 16, stop=place + 24, directions=("read",))]

    run = simulate_chip(TINY, [GOOD, GOOD], faults=faults, cycles=30_000)
    assert run.statuses == [Status.READ_ERROR, Status.OK]
    assert run.stray == 0
    assert np.array_equal(GOOD.golden(TINY), run.outputs[1])


WALKS = {
    # chip, kv_heads, group, mask, tokens of a page
    "folded, pages": ({"schedule": "folded", "engines": 4, "words": 4}, 1, 3, CAUSAL, 4),
    "two heads together, pages": ({"engines": 4, "schedule": "sink_first"}, 2, 3, CAUSAL, 4),
    "heads in turn, pages": ({"engines": 4, "streams": 1, "bus_bits": 128}, 3, 2, CAUSAL, 4),
}
MIXED = ((1, 60), (2, 50), (9, 30), (3, 41), (0, 9), (1, 64), (2, 0), (14, 25), (1, 30), (1, 71), (2, 80))
"""Queries and keys of sequences: decode steps, chunks, one without queries and one without keys."""


def batch_of(parts, mask=CAUSAL, page=1):
    """The sequences one behind the other, and their rows and keys."""
    row = key = 0
    found = []
    for queries, keys in parts:
        start = max(keys - queries, 0)
        found.append(Sequence(queries=queries, keys=keys, first_row=row, first_key=key, start=start, mask=mask))
        row, key = row + queries, key + -(-keys // page) * page
    return found, row, key


def batch_job(seed, chip, parts, kv_heads=1, group=3, mask=CAUSAL, tokens=None, gap=0):
    sequences, rows, keys = batch_of(parts, mask, tokens or 1)
    paging = Paging(tokens=tokens, seed=seed) if tokens else None
    groups = operands(seed, kv_heads, group, rows, keys, chip)
    return ChipJob(groups=groups, sequences=sequences, paging=paging, gap=gap)


@pytest.mark.parametrize("name", part(WALKS, "folded, pages"))
def test_two_passes_in_turn(name):
    """Every bit as the golden model, every cycle as the cycle model, and fewer of them than with one walk."""
    changes, *options = WALKS[name]
    chip = TINY.override(walks=2, buffer_bytes=8192, **changes)
    jobs = [
        batch_job(0, chip, MIXED, *options),
        batch_job(1, chip, MIXED[::-1], *options, gap=3 * chip.alignment),
    ]
    run = simulate_chip(chip, jobs, latency=30, cycles=100_000)
    assert_right(chip, jobs, run)
    assert_counted(chip, run)
    assert run.counters["cycles"] < modelled(chip.override(walks=1), works(run), Memory(latency=30)).cycles


PAGED = TINY.override(walks=2, buffer_bytes=8192, **WALKS["folded, pages"][0])
STEPS = ((1, 60), (2, 70), (1, 50), (2, 64), (1, 60))


def test_sequences_with_bad_pages_among_good_ones():
    """They end their job as the first of them; no row of theirs is written, and every row of the others is right."""
    job, bad = batch_job(3, PAGED, STEPS, tokens=4), [2, 3]
    numbers = [job.sequences[n].first_key // 4 + 9 for n in bad]

    @dataclass(frozen=True, kw_only=True)
    class Bad(ChipJob):
        def place(self, chip, memory, behind):
            image = super().place(chip, memory, behind)
            for number in numbers:
                entry = image.descriptor.pages.list + number * PAGE_BYTES
                memory[entry + 3] = 1
            return image

    run = simulate_chip(PAGED, [Bad(**vars(job)), job], cycles=60_000)
    assert run.statuses == [Status.PAGE, Status.OK]
    assert run.sequences == [bad[0], 0]
    assert run.stray == 0
    rows = [each.first_row + row for n, each in enumerate(job.sequences) if n not in bad for row in range(each.queries)]
    expected = job.golden(PAGED)
    assert np.array_equal(expected[:, rows], run.outputs[0][:, rows])
    assert np.array_equal(expected, run.outputs[1])


def test_a_list_that_cannot_be_read_ends_its_sequence_beside_another():
    job, bad = batch_job(3, PAGED, STEPS, tokens=4), 1

    def faults(jobs):
        place = jobs[0].pages.list + (job.sequences[bad].first_key // 4 + 9) * PAGE_BYTES
        return [Fault(start=place // PAGED.bus_bytes * PAGED.bus_bytes, stop=place + 1, directions=("read",))]

    run = simulate_chip(PAGED, [job, job], faults=faults, cycles=60_000)
    assert list(zip(run.statuses, run.sequences, strict=True)) == [(Status.READ_ERROR, bad), (Status.OK, 0)]
    assert run.stray == 0
    expected = job.golden(PAGED)
    for n, each in enumerate(job.sequences):
        rows = range(each.first_row, each.first_row + each.queries)
        assert n == bad or np.array_equal(expected[:, rows], run.outputs[0][:, rows])
    assert np.array_equal(expected, run.outputs[1])


def test_a_sequence_that_waits_for_a_slot_leaves_the_dimension_of_the_one_in_it():
    """Keys of the first job still come when four sequences of the second one, with longer vectors, want to go on."""
    chip = TINY.override(walks=2, engines=4)
    jobs = []
    for seed, (dimension, parts) in enumerate([(8, [(1, 240)]), (16, [(1, 8)] * 6)]):
        sequences, rows, keys = batch_of(parts)
        rng = np.random.default_rng(seed)
        vectors = (rng.integers(-127, 128, (*shape, dimension)) for shape in ((2, rows), (keys,), (keys,)))
        jobs.append(ChipJob(groups=[from_integers(*vectors, scale_q=1 / 127, scale_k=4 / 127)], sequences=sequences))
    run = simulate_chip(chip, jobs, cycles=20_000)
    assert run.statuses == [Status.OK] * 2
    for job, found in zip(jobs, run.outputs, strict=True):
        assert np.array_equal(job.golden(chip), found)
