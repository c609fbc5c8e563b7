"""Whole chips with learned sinks and log-sum-exp: every bit as the golden model, every cycle as the cycle model."""

from dataclasses import replace

import numpy as np
import pytest
from tests.cases import one_in, part
from tests.hw.chip.right import assert_counted, assert_right
from tests.hw.chip.spoilt import Spoilt

from fusioncim_golden.descriptor import Sequence
from fusioncim_golden.errors import InputError
from fusioncim_golden.lse import log_sum_exp, merge
from fusioncim_golden.mask import FULL, Mask
from fusioncim_golden.metrics import in_lsb
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.scale_table import pack_scales
from fusioncim_golden.sinks import PRESENT, sinks_of
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.axi_memory import Fault
from fusioncim_sim.rtl.chip_run import ChipJob, simulate_chip
from fusioncim_sim.rtl.job_places import Paging

TINY = PRESETS["tiny"]
WIDE = {"columns": 32, "update_rank": 4, "buffer_bytes": 1 << 12, "bus_bits": 256}
CHIPS = {
    "tiny": {},
    "two rows leave, bus of 256": {**WIDE, "drain_rows": 2, "engines": 4, "schedule": "folded"},
    "four rows leave": {"drain_rows": 4, "words": 3},
    "four rows leave, bus of 256, bytes": {**WIDE, "drain_rows": 4, "output_bits": 8, "seed": True},
    "INT4": {"operand_bits": 4, "softmax_lanes": 2, "accumulator_bits": 18, "slack": 2, "flush": 9},
}
BATCH = [
    Sequence(queries=5, keys=9, first_row=0, first_key=0, start=4),
    Sequence(queries=1, keys=16, first_row=5, first_key=16, start=15),
    Sequence(queries=0, keys=4, first_row=6, first_key=8, start=0),
    Sequence(queries=3, keys=0, first_row=6, first_key=8, start=0),
    Sequence(queries=13, keys=20, first_row=9, first_key=32, start=7),
]


def job(chip, seed, group, queries, keys, *, heads=2, sinks=True, **options):
    """Random operands; some heads have a sink."""
    rng = np.random.default_rng(seed)
    limit = (1 << chip.engine.operand_bits - 1) - 1

    def draw(*shape):
        return rng.integers(-limit, limit + 1, (*shape, chip.engine.columns))

    groups = [
        from_integers(draw(group, queries), draw(keys), draw(keys), scale_q=1 / limit, scale_k=4 / limit)
        for _ in range(heads)
    ]
    if sinks:
        words = sinks_of(rng.normal(0, 4, (heads, group))) * (rng.random((heads, group)) < 0.8)
        groups = [replace(each, sinks=own) for each, own in zip(groups, words, strict=True)]
    return ChipJob(groups=groups, **options)


def jobs_of(chip):
    """Jobs of one head in a group, of three and four, with log-sum-exp at odd places, sinks, both and neither."""
    return [
        job(chip, 1, 1, 21, 21, lse=True),
        job(chip, 2, 3, 22, 52, sequences=BATCH, lse=True, layout="token"),
        job(chip, 3, 4, 5, 30, mask=Mask(window=9)),
        job(chip, 4, 3, 22, 52, sequences=BATCH, paging=Paging(tokens=8, layout="head"), lse=True),
        job(chip, 5, 2, 9, 9, sinks=False),
        job(chip, 6, 4, 3, 40, sinks=False, lse=True, mask=FULL),
        job(chip, 7, 3, 7, 4, lse=True),
    ]


@pytest.mark.parametrize("name", one_in(4, CHIPS))
def test_rows_have_their_sinks_and_their_log_sum_exp(name):
    chip = TINY.override(**CHIPS[name])
    jobs = jobs_of(chip)
    run = simulate_chip(chip, jobs, cycles=120_000)
    assert_right(chip, jobs, run)
    assert_counted(chip, run)
    assert [lse is not None for lse in run.lse] == [each.lse for each in jobs]


@pytest.mark.parametrize("stall", part(["randomly", "mostly"], "mostly"))
def test_a_bus_that_stalls(stall):
    chip = TINY.override(drain_rows=2)
    jobs = jobs_of(chip)
    assert_right(chip, jobs, simulate_chip(chip, jobs, stall=stall, cycles=400_000))


def test_two_jobs_over_parts_of_the_keys_are_merged_to_one():
    whole = job(TINY, 8, 3, 6, 64, mask=FULL, lse=True)
    parts = []
    for n, keys in enumerate((slice(0, 40), slice(40, 64))):
        groups = [
            replace(each, k=each.k[keys], v=each.v[keys], sinks=None if n else each.sinks) for each in whole.groups
        ]
        parts.append(ChipJob(groups=groups, mask=FULL, lse=True))
    run = simulate_chip(TINY, [whole, *parts], cycles=60_000)
    assert run.statuses == [Status.OK] * 3
    one, *each = (in_lsb(TINY.engine, out) for out in run.outputs)
    one_lse, *lse = (log_sum_exp(words) for words in run.lse)
    out, merged = merge(each, lse)
    assert np.abs(out - one).max() <= 1.2
    assert np.abs(np.exp(merged - one_lse) - 1).max() <= 0.03


@pytest.mark.parametrize("word", [1, PRESENT << 1, PRESENT | 1 << 31, 0xFFFF])
def test_a_word_that_is_no_sink(word):
    """It ends its job alone, and nothing of that is written behind it."""
    good = job(TINY, 9, 3, 9, 12, lse=True)
    bad = Spoilt(**vars(good), table="sinks", index=5, entry=word)
    run = simulate_chip(TINY, [bad, good, bad, good], cycles=60_000)
    assert run.statuses == [Status.SCALE, Status.OK] * 2
    assert run.stray == 0
    for found, lse in zip(run.outputs[1::2], run.lse[1::2], strict=True):
        assert np.array_equal(good.golden(TINY), found)
        assert np.array_equal(good.result(TINY).lse, lse)


def test_a_centred_head_with_a_sink_ends_its_job_alone():
    """The third head has a sink; the second one, which has none, may be centred."""
    good = job(TINY, 9, 3, 9, 12, sinks=False)
    words = [np.array([PRESENT, 0, PRESENT | 7]), np.zeros(3, np.int64)]
    good = replace(good, groups=[replace(each, sinks=own) for each, own in zip(good.groups, words, strict=True)])
    scale = int(pack_scales(good.groups[0].mantissa, good.groups[0].shift, centred=True)[2, 0])
    bad, other = (Spoilt(**vars(good), table="scales", index=n, entry=scale) for n in (2, 1))
    run = simulate_chip(TINY, [bad, good, other, good], cycles=60_000)
    assert run.statuses == [Status.SCALE, Status.OK, Status.OK, Status.OK]
    assert run.stray == 0
    for found in run.outputs[1::2]:
        assert np.array_equal(good.golden(TINY), found)


def test_a_centred_head_with_a_sink_is_refused_before_it_is_written():
    one = job(TINY, 9, 3, 9, 12)
    groups = [replace(each, centred=True, sinks=np.array([0, PRESENT | 5, 0])) for each in one.groups]
    with pytest.raises(InputError, match=r"a head with a sink must have values that are not centred, not so 0x10005"):
        simulate_chip(TINY, [replace(one, groups=groups)], cycles=10)


@pytest.mark.parametrize(("kind", "status"), [("read", Status.READ_ERROR), ("write", Status.WRITE_ERROR)])
def test_a_fault_of_sinks_and_log_sum_exp_is_that_of_its_job(kind, status):
    """A beat of the table of sinks cannot be read, or one of the log-sum-exp cannot be written."""
    good = job(TINY, 10, 3, 9, 12, lse=True)

    def fault(descriptors):
        place = descriptors[1].sinks if kind == "read" else descriptors[1].lse.address
        return [Fault(start=place, stop=place + 4, directions=(kind,))]

    run = simulate_chip(TINY, [good] * 3, cycles=60_000, faults=fault)
    assert run.statuses == [Status.OK, status, Status.OK]
    for n in (0, 2):
        assert np.array_equal(good.golden(TINY), run.outputs[n])
        assert np.array_equal(good.result(TINY).lse, run.lse[n])
