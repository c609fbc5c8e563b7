"""Batches on the whole chip: every sequence as the golden model has it, whatever becomes of the others."""

from dataclasses import replace

import numpy as np
import pytest
from tests.cases import one_in, part
from tests.hw.chip.test_chip_dimensions import chip_of

from fusioncim_golden.descriptor import Sequence
from fusioncim_golden.limits import POSITIONS, SEQUENCE_BYTES
from fusioncim_golden.mask import FULL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.axi_memory import Fault
from fusioncim_sim.rtl.chip_run import ChipJob, simulate_chip
from fusioncim_sim.rtl.job_places import Paging

TINY = PRESETS["tiny"]
CHIPS = {
    "tiny": TINY,
    "folded": TINY.override(schedule="folded", engines=4, words=4),
    "bus of 1024": chip_of("1024"),
}
ROWS, KEYS = 36, 60


def groups(chip, kv_heads=2, *, group):
    rng = np.random.default_rng(3)
    limit = (1 << (chip.engine.operand_bits - 1)) - 1
    shapes = (group, ROWS), (KEYS,), (KEYS,)
    return [
        from_integers(
            *(rng.integers(-limit, limit + 1, (*shape, chip.engine.columns)) for shape in shapes),
            scale_q=1 / limit,
            scale_k=4 / limit,
        )
        for _ in range(kv_heads)
    ]


MIXED = [
    Sequence(queries=9, keys=9),
    Sequence(queries=0, keys=8, first_row=9, first_key=12),
    Sequence(queries=1, keys=20, first_row=9, first_key=12, start=19, mask=Mask(window=7)),
    Sequence(queries=3, keys=0, first_row=10, first_key=60),
    Sequence(queries=8, keys=24, first_row=14, first_key=32, start=16),
    Sequence(queries=1, keys=1, first_row=22, first_key=56),
    Sequence(queries=12, keys=60, first_row=23, start=0, mask=FULL),
    Sequence(queries=1, keys=60, first_row=35, start=59, mask=Mask(chunk=16)),
]
"""Prefill, a chunk of one and decode steps; one without queries and one without keys; rows between them are free."""


def job(chip, sequences, group=2, **options):
    return ChipJob(groups=groups(chip, group=group), sequences=sequences, **options)


@pytest.mark.long
@pytest.mark.parametrize("name", part(CHIPS, "folded"))
def test_mixed_sequences(name):
    chip, group = CHIPS[name], 3 if name != "bus of 1024" else 1
    jobs = [job(chip, MIXED, group, paging=Paging(tokens=4)), job(chip, MIXED[4:5], group, layout="token")]
    if group > 1:
        jobs.append(job(chip, MIXED, group))
    run = simulate_chip(chip, jobs, cycles=200_000, stall="randomly" if name == "tiny" else "never")
    assert run.statuses == [Status.OK] * len(jobs)
    assert run.sequences == [0] * len(jobs)
    assert run.stray == 0
    for each, found in zip(jobs, run.outputs, strict=True):
        assert np.array_equal(each.golden(chip), found)
        assert not found[:, 10:14].any()


def test_many_more_sequences_than_slots():
    tokens = [Sequence(queries=1, keys=n + 1, first_row=n, start=n) for n in range(ROWS)]
    jobs = [job(TINY, tokens), job(TINY, [replace(each, queries=0) for each in tokens]), job(TINY, tokens[:1])]
    run = simulate_chip(TINY, jobs, cycles=200_000)
    assert run.statuses == [Status.OK] * 3
    for each, found in zip(jobs, run.outputs, strict=True):
        assert np.array_equal(each.golden(TINY), found)


BAD = {
    Status.MASK: {"mask": Mask(window=0)},
    Status.POSITION: {"start": POSITIONS},
    Status.SEQUENCE: {"keys": KEYS + 1},
}
BROKEN = ([4], [0], [7], [2, 6], range(8))
"""Sequences of MIXED that break a rule."""


@pytest.mark.long
@pytest.mark.parametrize("status", part(BAD, Status.SEQUENCE), ids=lambda status: status.name)
def test_a_sequence_that_breaks_a_rule_is_refused_and_the_others_finish(status):
    jobs = [
        job(TINY, [replace(each, **BAD[status]) if n in broken else each for n, each in enumerate(MIXED)])
        for broken in BROKEN
    ]
    run = simulate_chip(TINY, jobs, cycles=400_000)
    assert list(zip(run.statuses, run.sequences, strict=True)) == [(status, min(broken)) for broken in BROKEN]
    assert run.stray == 0
    for each, found in zip(jobs, run.outputs, strict=True):
        assert np.array_equal(each.golden(TINY), found)


def test_a_sequence_that_overlaps_the_one_before_is_refused():
    jobs = [job(TINY, [replace(MIXED[0], first_row=1), *MIXED]), job(TINY, MIXED[:1])]
    run = simulate_chip(TINY, jobs, cycles=100_000)
    assert list(zip(run.statuses, run.sequences, strict=True)) == [(Status.SEQUENCE, 1), (Status.OK, 0)]
    assert run.stray == 0
    for each, found in zip(jobs, run.outputs, strict=True):
        assert np.array_equal(each.golden(TINY), found)


@pytest.mark.parametrize("failing", one_in(3, [2, 0, 7]))
def test_an_entry_that_cannot_be_read_fails_its_sequence(failing):
    jobs = [job(TINY, MIXED), job(TINY, MIXED)]

    def faults(descriptors):
        place = descriptors[0].table + failing * SEQUENCE_BYTES
        return [Fault(start=place + 8, stop=place + 9)]

    run = simulate_chip(TINY, jobs, faults=faults, cycles=200_000)
    assert list(zip(run.statuses, run.sequences, strict=True)) == [(Status.READ_ERROR, failing), (Status.OK, 0)]
    assert run.stray == 0
    rest = job(TINY, [each for n, each in enumerate(MIXED) if n != failing])
    for each, found in zip((rest, jobs[1]), run.outputs, strict=True):
        assert np.array_equal(each.golden(TINY), found)


def test_a_scale_that_cannot_be_read_fails_every_sequence():
    jobs = [job(TINY, MIXED), job(TINY, MIXED)]

    def faults(descriptors):
        return [Fault(start=descriptors[0].scales, stop=descriptors[0].scales + 1)]

    run = simulate_chip(TINY, jobs, faults=faults, cycles=200_000)
    assert list(zip(run.statuses, run.sequences, strict=True)) == [(Status.READ_ERROR, 0), (Status.OK, 0)]
    assert run.stray == 0
    heads = TINY.bus_bytes // 4  # whose scales the beat has: no row of theirs may be written
    assert not run.outputs[0][:heads].any()
    assert np.array_equal(jobs[1].golden(TINY), run.outputs[1])
