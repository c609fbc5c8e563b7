"""A job of the whole chip on its operands: every group of query heads in turn, every bit as the RTL."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusioncim_golden import engine
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import check_range
from fusioncim_golden.descriptor import MAX_HEADS, SCALE_BYTES, Descriptor
from fusioncim_golden.engine import Result
from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import CAUSAL, Mask
from fusioncim_golden.quantize import Heads
from fusioncim_golden.schedule import Job, passes


def check_groups(chip: ChipConfig, groups: Sequence[Heads]) -> None:
    """Refuse operands, one `Heads` per key and value head, that a chip's job cannot hold."""
    if not groups:
        raise InputError("a job needs at least one key and value head")
    for group in groups:
        engine.check_operands(chip.engine, group)
        if group.q.shape != groups[0].q.shape or group.k.shape != groups[0].k.shape:
            raise InputError(
                "all groups must have the same shapes of q and k, "
                f"not {groups[0].q.shape}, {groups[0].k.shape} and {group.q.shape}, {group.k.shape}"
            )
        for name, x in (("mantissa", group.mantissa), ("shift", group.shift)):
            if (x != x[:, :1]).any():
                raise InputError(f"a job has one score scale per query head: {name} must be the same for all queries")
    check_range("heads", len(groups) * len(groups[0].q), 1, MAX_HEADS)


def run(chip: ChipConfig, groups: Sequence[Heads], *, start: int | None = None, mask: Mask = CAUSAL) -> Result:
    """Outputs [heads, queries, columns], group after group, and events; start as of `schedule.Job`."""
    check_groups(chip, groups)
    parts = []
    for group in groups:
        heads, queries, _ = group.q.shape
        job = Job(queries=queries, keys=len(group.k), heads=heads, mask=mask, start=start)
        parts.append(engine.run(chip.engine, group, job, chip.engines))
    result = Result(np.concatenate([part.out for part in parts]))
    for part in parts:
        result.events.add(part.events)
    return result


@dataclass(frozen=True)
class Traffic:
    """What a job moves, by the names of the chip's counters.

    Each key and value of a pass is read once for all resident tiles. Scales are read in whole beats. deliveries: blocks
    that the network brings to engines, of which those that engines share are read from the buffer once.
    """

    bytes_query: int
    bytes_key: int
    bytes_value: int
    bytes_scale: int
    bytes_output: int
    buffer_writes: int
    deliveries: int


def traffic(chip: ChipConfig, job: Descriptor) -> Traffic:
    """The traffic of a job that succeeds."""
    rank = chip.engine.update_rank
    group = Job(queries=job.queries, keys=job.keys, heads=job.heads // job.kv_heads, mask=job.mask, start=job.start)
    keys = blocks = deliveries = 0
    for resident in passes(chip.engine, group, chip.engines):
        blocks += len(resident.blocks)
        keys += int(np.minimum(job.keys - resident.blocks * rank, rank).sum())
        taken: dict[int, list[range]] = {}
        for tile in resident.tiles:
            taken.setdefault(tile.engine, []).append(tile.blocks(rank))
        deliveries += sum(max(x.stop for x in own) - min(x.start for x in own) for own in taken.values())
    rows = job.queries * job.heads
    return Traffic(
        bytes_query=rows * chip.vector_bytes,
        bytes_key=job.kv_heads * keys * chip.vector_bytes,
        bytes_value=job.kv_heads * keys * chip.vector_bytes,
        bytes_scale=-(-job.heads * SCALE_BYTES // chip.bus_bytes) * chip.bus_bytes,
        bytes_output=rows * chip.output_bytes,
        buffer_writes=job.kv_heads * blocks,
        deliveries=job.kv_heads * deliveries,
    )
