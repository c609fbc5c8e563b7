"""Whole chips on vectors shorter than their columns, and on tensors at any multiple of the alignment."""

from dataclasses import asdict, dataclass

import numpy as np
import pytest
from tests.cases import part
from tests.hw.chip.right import quantized

from fusioncim_golden import job as golden
from fusioncim_golden.mask import CAUSAL, FULL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.chip_run import ChipJob, simulate_chip
from fusioncim_sim.system.cycles import Memory, run

TINY = PRESETS["tiny"]
FEW = {"columns": 64, "rows": 4, "softmax_lanes": 2, "update_rank": 4, "buffer_bytes": 1 << 12}
INT4 = {"operand_bits": 4, "accumulator_bits": 18, "slack": 2, "flush": 9}
TWO_ROWS = "128, two rows leave"
CHIPS = {
    "64": {},
    "64, int4": {**INT4, "output_bits": 8, "buffer_bytes": 1 << 11},
    "128": {"schedule": "folded", "engines": 4},
    "128, int4": {**INT4, "output_bits": 8},
    "256": {"output_bits": 8, "schedule": "sink_first"},
    "256, int4": {**INT4, "engines": 1},
    "512": {"schedule": "folded", "engines": 4, "words": 4},
    "512, int8 out": {"output_bits": 8, "update_rank": 8},
    "1024": {"columns": 128, "address_bits": 64},
    "1024, int4": {**INT4, "columns": 256, "output_bits": 8},
    TWO_ROWS: {"drain_rows": 2, "schedule": "folded"},
    "512, four rows leave": {"drain_rows": 4, "output_bits": 8, "update_rank": 8},
}
JOBS = (
    # dimension of 64 columns, layout, gap in places, query heads, queries, keys, mask, bits of K and V
    (40, "token", 0, 3, 5, 13, CAUSAL, 0),
    (64, "head", 1, 1, 9, 9, FULL, 4),
    (24, "head", 0, 2, 3, 18, CAUSAL, 0),
    (64, "token", 0, 2, 6, 11, Mask(window=5), 0),
    (40, "token", 0, 1, 3, 9, CAUSAL, 4),
    (8, "token", 3, 4, 4, 10, CAUSAL, 0),
    (64, "head", 0, 2, 2, 21, CAUSAL, 4),
    (24, "token", 1, 2, 3, 18, CAUSAL, 4),
    (32, "head", 0, 1, 7, 20, CAUSAL, 0),
    (8, "head", 0, 1, 4, 10, FULL, 4),
    (56, "token", 5, 9, 1, 15, CAUSAL, 0),
)


@dataclass(frozen=True, kw_only=True)
class AmongNoise(ChipJob):
    """A job in a memory whose other bytes are random."""

    def place(self, chip, memory, base):
        end = super().place(chip, memory, base).end
        memory[base:end] = np.random.default_rng(end).integers(1, 256, end - base)
        return super().place(chip, memory, base)


def chip_of(name):
    return TINY.override(**FEW | CHIPS[name], bus_bits=int(name.split(",")[0]))


def jobs_of(chip):
    limit = (1 << (chip.engine.operand_bits - 1)) - 1
    jobs = []
    for n, (dimension, layout, gap, group, queries, keys, mask, kv_bits) in enumerate(JOBS):
        rng = np.random.default_rng(n)
        shapes = (group, queries), (keys,), (keys,)
        dimension += chip.engine.columns - 64 if dimension >= 40 else 0

        def draw(*shape, rng=rng, dimension=dimension):
            return rng.integers(-limit, limit + 1, (*shape, dimension))

        groups = []
        for _ in range(2):
            q, k, v = (draw(*x) for x in shapes)
            k, v = (quantized(chip, x, kv_bits) for x in (k, v))
            groups.append(from_integers(q, k, v, scale_q=1 / limit, scale_k=4 / limit))
        gap *= chip.alignment
        jobs.append(AmongNoise(groups=groups, mask=mask, layout=layout, gap=gap, kv_bits=kv_bits))
    return jobs


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "stall"),
    [
        *((name, "never") for name in part(CHIPS, "128, int4")),
        *((name, "randomly") for name in part(("64", "256, int4", "512", "1024, int4", TWO_ROWS), TWO_ROWS)),
    ],
)
def test_any_dimension_at_any_place(name, stall):
    """Every bit, every byte, every counter; without stalls every cycle as the cycle model."""
    chip = chip_of(name)
    jobs, descriptors = jobs_of(chip), []
    done = simulate_chip(
        chip, jobs, change=lambda _, each: descriptors.append(each) or each, stall=stall, latency=30, cycles=60_000
    )
    assert done.statuses == [Status.OK] * len(jobs)
    for job, outputs in zip(jobs, done.outputs, strict=True):
        assert np.array_equal(job.golden(chip), outputs)
    assert done.stray == 0
    moved = [golden.traffic(chip, each) for each in descriptors]
    for counter in vars(moved[0]):
        assert done.counters[counter] == sum(getattr(each, counter) for each in moved), counter
    if stall == "never":
        assert asdict(run(chip, descriptors, Memory(latency=30))).items() <= done.counters.items()
    assert len({each.dimension for each in descriptors}) > 4
    assert chip.bus_bits < 256 or any(each.k.address % chip.bus_bytes for each in descriptors)


def test_what_is_behind_a_vector_is_not_read_into_it():
    """The noise is there: what lies behind the dimension differs from 0 in memory."""
    chip = chip_of("512")
    memory = np.zeros(1 << 16, np.uint8)
    image = jobs_of(chip)[0].place(chip, memory, 0)
    k, length = image.descriptor.k, image.descriptor.key_bytes(chip)
    assert k.pitch > length
    assert memory[k.address + length : k.address + k.head_pitch].any()
