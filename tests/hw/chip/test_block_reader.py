"""Keys that are their own values, values of their own length, and a read port for values, on whole chips."""

from dataclasses import replace

import numpy as np
import pytest
from cocotbext.axi import AxiResp
from tests.cases import one_in, part
from tests.hw.chip.right import assert_counted, assert_right, quantized, works

from fusioncim_golden.descriptor import Sequence
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.axi_memory import Fault
from fusioncim_sim.rtl.chip_run import ChipJob, simulate_chip
from fusioncim_sim.rtl.job_places import Paging
from fusioncim_sim.system.cycles import Memory
from fusioncim_sim.system.cycles import run as modelled

WIDE = PRESETS["tiny"].override(columns=48, buffer_bytes=8 * 192)
CHIPS = {
    "two ports": {"read_ports": 2},
    "one port of 128 bits": {"bus_bits": 128, "schedule": "folded", "engines": 4, "drain_rows": 2},
}
"""On all of them an output beat of 48 bits does not divide a word of the bus."""


def job(seed, shape, dimensions, *, shared=False, kv_bits=0, **rest):
    """Random operands. shape: key heads, query heads of each, queries, keys. dimensions: of keys and values."""
    kv_heads, group, queries, keys = shape
    rng = np.random.default_rng(seed)

    def draw(size, *count):
        return rng.integers(-127, 128, (*count, size))

    groups = []
    for _ in range(kv_heads):
        k, v = (quantized(WIDE, draw(size, keys), kv_bits) for size in dimensions)
        v = k if shared else v
        made = from_integers(draw(dimensions[0], group, queries), k, k, scale_q=1 / 127, scale_k=4 / 127)
        groups.append(replace(made, v=v[:, : dimensions[1]]))
    return ChipJob(groups=groups, shared=shared, kv_bits=kv_bits, **rest)


JOBS = [
    job(1, (2, 3, 9, 30), (48, 48)),
    job(2, (2, 3, 9, 30), (48, 32), shared=True),
    job(3, (1, 4, 2, 100), (40, 8), shared=True, paging=Paging(tokens=16, layout="token", seed=1)),
    job(8, (2, 3, 9, 30), (48, 48), kv_bits=4),
    job(9, (1, 4, 3, 61), (40, 24), kv_bits=4, shared=True, paging=Paging(tokens=16, seed=1)),
    job(4, (2, 2, 2, 100), (16, 48), gap=16),
    job(10, (2, 2, 2, 100), (32, 40), kv_bits=4, gap=16, paging=Paging(tokens=8, layout="head", seed=1)),
    job(11, (1, 2, 4, 60), (48, 16), kv_bits=4, shared=True, gap=16),
    job(5, (2, 2, 3, 50), (48, 48), shared=True, gap=16),
    job(6, (2, 2, 3, 50), (24, 40), paging=Paging(tokens=8, seed=1)),
    job(
        *(7, (1, 2, 9, 60), (48, 32)),
        shared=True,
        sequences=[
            Sequence(queries=4, keys=30, first_row=0, first_key=0, start=26),
            Sequence(queries=5, keys=24, first_row=4, first_key=32, start=19),
        ],
    ),
    job(
        *(12, (1, 2, 9, 61), (16, 48)),
        kv_bits=4,
        sequences=[
            Sequence(queries=4, keys=30, first_row=0, first_key=1, start=26),
            Sequence(queries=5, keys=27, first_row=4, first_key=34, start=19),
        ],
    ),
]


CASES = {
    # chip, stalls
    "two ports": ("two ports", "never"),
    "one port": ("one port of 128 bits", "never"),
    "two ports, stalls": ("two ports", "randomly"),
}


@pytest.mark.long
@pytest.mark.parametrize("case", part(CASES, "two ports"))
def test_any_values(case):
    """Every bit as the golden model, every cycle as the cycle model; what keys have is read once."""
    name, stall = CASES[case]
    chip, jobs = WIDE.override(**CHIPS[name]), one_in(2, JOBS)
    run = simulate_chip(chip, jobs, latency=30, stall=stall, cycles=90_000)
    assert_right(chip, jobs, run)
    if stall == "never":
        assert_counted(chip, run)
    counters = modelled(chip, works(run), Memory(latency=30))
    assert run.counters["bytes_value"] == counters.bytes_value < counters.bytes_key


def test_values_that_cannot_be_read_end_their_job_alone():
    """At a port of their own, while keys are read at the other."""
    jobs = [JOBS[0], JOBS[5], JOBS[1], JOBS[8]]

    def faults(descriptors):
        first, second = (each.v.address for each in descriptors[:2])
        yield Fault(start=first + 48, stop=first + 56, directions=("read",))
        yield Fault(start=second, stop=second + 8, response=AxiResp.DECERR, directions=("read",))

    chip = WIDE.override(read_ports=2)
    run = simulate_chip(chip, jobs, faults=lambda found: list(faults(found)), cycles=90_000)
    assert run.statuses == [Status.READ_ERROR, Status.READ_ERROR, Status.OK, Status.OK]
    assert run.stray == 0
    for n in (2, 3):
        assert np.array_equal(jobs[n].golden(chip), run.outputs[n])


def test_values_that_are_not_those_of_their_keys_are_refused():
    with pytest.raises(InputError, match=r"must be the first parts of these, and are not"):
        simulate_chip(WIDE, [replace(JOBS[0], shared=True)])
