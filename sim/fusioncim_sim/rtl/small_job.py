"""The small jobs of the benches that `fusioncim generate` writes: random operands, and what the golden model gives."""

import numpy as np

from fusioncim.fpga.self_check import StoredJob
from fusioncim.integration.testbench import MemoryJob
from fusioncim_golden import job as golden
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.quantize import Heads, quantize
from fusioncim_golden.schedule import Job
from fusioncim_sim.gates.stored_job import stored_job
from fusioncim_sim.rtl.job_places import JobOptions
from fusioncim_sim.rtl.memory_image import place_job
from fusioncim_sim.rtl.tensor_bytes import Bytes, pack_integers, view

HEADS, QUERIES = 2, 3
"""Query heads of the one key and value head, and queries of each."""
MEMORY_BYTES = 1 << 20
"""More than such a job takes."""
LIMIT = 100_000
"""Cycles of a chip: far more than such a job takes."""


def operands(config: Config) -> Heads:
    """Random operands of all columns; the last of their three blocks of keys is not full."""
    generator = np.random.default_rng(1)
    keys = 2 * config.update_rank + 1
    q, k, v = (
        generator.normal(size=shape)
        for shape in ((HEADS, QUERIES, config.columns), (keys, config.columns), (keys, config.columns))
    )
    return quantize(q, k, v, bits=config.operand_bits)


def engine_job(config: Config) -> StoredJob:
    """Words of the streams of an engine."""
    heads = operands(config)
    return stored_job(config, heads, Job(queries=QUERIES, keys=len(heads.k), heads=HEADS))


def chip_job(chip: ChipConfig) -> MemoryJob:
    """The memory of a chip before and after the job."""
    groups = [operands(chip.engine)]
    memory = np.zeros(MEMORY_BYTES, np.uint8)
    image = place_job(chip, memory, groups, JobOptions())
    size = -(-image.end // chip.bus_bytes) * chip.bus_bytes
    before = beats(memory[:size], chip.bus_bytes)
    job = image.descriptor
    rows = pack_integers(golden.run(chip, groups).out, chip.engine.output_bits).transpose(1, 0, 2)
    view(memory, job.o, job.queries, job.heads, job.row_bytes(chip))[:] = rows
    return MemoryJob(before=before, after=beats(memory[:size], chip.bus_bytes), record=image.address, limit=LIMIT)


def beats(memory: Bytes, size: int) -> tuple[int, ...]:
    """A memory as words of so many bytes."""
    return tuple(int.from_bytes(word.tobytes(), "little") for word in memory.reshape(-1, size))
