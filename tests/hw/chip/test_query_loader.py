"""Intervals on whole chips. The rest of the query loader: `test_chip`, `test_head_tables`."""

import numpy as np
import pytest
from tests.cases import part
from tests.hw.chip.right import assert_counted, assert_right
from tests.hw.chip.spoilt import Spoilt

from fusioncim_golden.descriptor import Sequence
from fusioncim_golden.limits import POSITIONS
from fusioncim_golden.mask import FULL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.chip_run import ChipJob, simulate_chip

TINY = PRESETS["tiny"]
CHIPS = {
    "tiny": {},
    "folded": {"schedule": "folded", "engines": 4, "words": 4},
    "wide": {"schedule": "folded", "bus_bits": 256, "columns": 32, "update_rank": 4, "buffer_bytes": 4096},
}
MASKS = {"causal": Mask(), "full": FULL, "window": Mask(window=9), "prefix": Mask(prefix=12)}


def limited(seed, group, queries, keys, mask, chip=TINY, **options):
    """A job whose queries have intervals of any length, from none of the keys to all."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return rng.integers(-127, 128, (*shape, chip.engine.columns))

    heads = from_integers(draw(group, queries), draw(keys), draw(keys), scale_q=1 / 127, scale_k=4 / 127)
    intervals = np.sort(rng.integers(0, keys + 5, (queries, 2)), axis=1)
    intervals[::5] = 0, POSITIONS
    return ChipJob(groups=[heads] * 2, mask=mask, intervals=intervals, **options)


@pytest.mark.long
@pytest.mark.parametrize("name", part(CHIPS, "folded"))
def test_rows_see_what_their_intervals_leave(name):
    """Every bit as the golden model, every cycle as the cycle model; some tiles begin inside of a query."""
    chip = TINY.override(**CHIPS[name])
    jobs = [limited(n, 3, 27 + n, 35, mask, chip) for n, mask in enumerate(MASKS.values())]
    done = simulate_chip(chip, jobs, latency=30, cycles=60_000)
    assert_right(chip, jobs, done)
    assert_counted(chip, done)


ENTRIES = {
    "low above high": 9 | 8 << 32,
    "high beyond all positions": (POSITIONS + 1) << 32,
    "a high bit of low": 1 << 31 | 5 << 32,
    "a high bit of both": 1 << 31 | 1 << 63,
}


@pytest.mark.parametrize("bus_bits", part([64, 128], 64))
def test_an_entry_that_is_no_interval(bus_bits):
    """It ends its job alone; the last entry may be any that is one."""
    chip = TINY.override(bus_bits=bus_bits)
    good = limited(1, 2, 13, 20, FULL)
    own = vars(good)
    bad = [Spoilt(**own, table="intervals", index=n * 4, entry=entry) for n, entry in enumerate(ENTRIES.values())]
    jobs = [each for pair in zip(bad, [good] * len(bad), strict=True) for each in pair]
    done = simulate_chip(chip, jobs, cycles=60_000)
    assert done.statuses == [Status.INTERVAL, Status.OK] * len(bad)
    assert done.stray == 0
    assert all(np.array_equal(good.golden(chip), found) for found in done.outputs[1::2])


def test_an_entry_that_is_no_interval_ends_one_sequence():
    batch = [Sequence(queries=3, keys=20, first_row=0, start=17), Sequence(queries=10, keys=20, first_row=3, start=10)]
    good = limited(1, 2, 13, 20, Mask(), sequences=batch)
    job = Spoilt(**vars(good), table="intervals", index=1, entry=3 | 2 << 32)
    done = simulate_chip(TINY, [job, good], cycles=30_000)
    assert done.statuses == [Status.INTERVAL, Status.OK]
    assert done.stray == 0
    expected = good.golden(TINY)
    assert np.array_equal(expected[:, 3:], done.outputs[0][:, 3:])
    assert np.array_equal(expected, done.outputs[1])
