"""What a run of a chip has to give."""

from dataclasses import asdict, replace

import numpy as np

from fusioncim_golden.status import Status
from fusioncim_sim.system.cycles import Memory
from fusioncim_sim.system.cycles import run as modelled


def quantized(chip, x, kv_bits):
    """Operands of the chip as keys or values of so many bits have them, 0: as they are."""
    step = chip.engine.operand_bits - (kv_bits or chip.engine.operand_bits)
    return x >> step << step


def works(run):
    """The jobs as they lie in memory."""
    return [image.work for image in run.images]


def assert_right(chip, jobs, run):
    """Every job is done, every bit as the golden model, and no byte beside the outputs changed."""
    assert run.statuses == [Status.OK] * len(jobs)
    assert run.stray == 0
    for n, (job, outputs, lse) in enumerate(zip(jobs, run.outputs, run.lse, strict=True)):
        expected, which = job.result(chip), (n, replace(job, groups=()))
        assert np.array_equal(expected.out, outputs), which
        assert lse is None or np.array_equal(expected.lse, lse), which


def assert_counted(chip, run, latency=30):
    """Every counter as the cycle model, to the last cycle."""
    assert asdict(modelled(chip, works(run), Memory(latency=latency))).items() <= run.counters.items()
