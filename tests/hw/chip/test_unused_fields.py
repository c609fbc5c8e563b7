"""Fields of a record that belong to what a job has not: the chip, as the golden model, does not look at them."""

import pytest
from tests.hw.chip.right import assert_right
from tests.hw.chip.test_chip_sinks import job

from fusioncim_golden import record
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.chip_run import simulate_chip

CHIPS = {
    "tiny": PRESETS["tiny"],
    "scales per token": PRESETS["tiny"].override(token_scale_bits=1, update_rank=4, columns=32, buffer_bytes=1 << 12),
}
UNUSED = {
    "list": 0x1230,
    "pages": 77,
    "k_page_pitch": 0x55,
    "v_page_pitch": 0x7FFF_0001,
    "token_scales_pitch": 0x31,
    "lse_pitch": 0x2_0030,
    "table": 0x4000,
}
"""Of jobs without pages, scales per token, log-sum-exp and sequences."""


@pytest.mark.parametrize("name", CHIPS)
def test_what_a_job_has_not_may_stand_anywhere(name, monkeypatch):
    """Several heads follow each other, so that a pitch would be added."""
    chip = CHIPS[name]
    values = record.job_values
    monkeypatch.setattr(record, "job_values", lambda job: {**values(job), **UNUSED})
    jobs = [job(chip, n, 2, 9, 12, heads=3) for n in range(2)]
    run = simulate_chip(chip, jobs, cycles=60_000)
    assert record.job_of(record.job_values(run.images[0].descriptor)).status(chip) == Status.OK
    assert_right(chip, jobs, run)
