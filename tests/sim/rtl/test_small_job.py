"""The small jobs of the delivered benches: there is one for every design, and it computes something."""

import pytest

from fusioncim_golden.presets import PRESETS
from fusioncim_sim.rtl.small_job import LIMIT, MEMORY_BYTES, chip_job, engine_job

TINY = PRESETS["tiny"]
CHIPS = {
    **PRESETS,
    "4 bits": TINY.override(operand_bits=4, softmax_lanes=2),
    "8-bit outputs": TINY.override(output_bits=8),
    "1024-bit bus": PRESETS["paper"].override(bus_bits=1024),
    "40-bit addresses": TINY.override(address_bits=40),
    "slopes": TINY.override(alibi=True),
    "token scales": TINY.override(token_scale_bits=8, update_rank=4, columns=32),
}


@pytest.mark.parametrize("name", CHIPS)
def test_the_job_of_a_chip(name):
    chip = CHIPS[name]
    job = chip_job(chip)
    assert len(job.before) == len(job.after) < MEMORY_BYTES // chip.bus_bytes
    assert max(job.after) < 1 << chip.bus_bits
    changed = sum(old != new for old, new in zip(job.before, job.after, strict=True))
    outputs = 2 * 3 * chip.engine.columns * chip.engine.output_bits // chip.bus_bits
    assert 0.9 * outputs <= changed <= outputs
    assert job.limit == LIMIT


@pytest.mark.parametrize("name", CHIPS)
def test_the_job_of_an_engine(name):
    config = CHIPS[name].alone()
    job = engine_job(config)
    assert len(job.i_q) == 6
    assert len(job.i_kv) == len(job.i_block) * config.update_rank
    assert len(set(job.o)) > 1
