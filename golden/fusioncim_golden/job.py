"""A job of the whole chip on its operands: every group of query heads in turn, every bit as the RTL.

A job whose dimension is below the columns of the chip is one whose operands are 0 there.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fusioncim_golden import descriptor, engine
from fusioncim_golden.arith import Int
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import check_range
from fusioncim_golden.descriptor import Bounds, Descriptor, Tensor, Work, legal_dimension
from fusioncim_golden.engine import Result
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import (
    DIMENSION_STEP,
    LSE_BYTES,
    MAX_HEADS,
    POSITIONS,
    SCALE_BYTES,
    SLOPE_POSITIONS,
    TOKEN_SCALE_BYTES,
    TOKEN_SCALE_KEYS,
)
from fusioncim_golden.mask import CAUSAL, Mask
from fusioncim_golden.normalizer import NO_KEY
from fusioncim_golden.quantize import Heads
from fusioncim_golden.schedule import Job, check_intervals, passes
from fusioncim_golden.status import Status


def check_groups(chip: ChipConfig, groups: Sequence[Heads]) -> None:
    """Refuse operands, one `Heads` per key and value head, that a chip's job cannot hold."""
    if not groups:
        raise InputError("a job needs at least one key and value head")
    columns = chip.engine.columns
    for group in groups:
        for dimension in (group.q.shape[-1], group.v.shape[-1]):
            check_dimension("q and k, and that of v,", dimension, columns)
        if group.k.shape[-1] != group.q.shape[-1]:
            raise InputError(f"q and k must have one dimension, not {group.q.shape[-1]} and {group.k.shape[-1]}")
        engine.check_operands(chip.engine, widened(group, columns))
        first, own = (", ".join(str(x.shape) for x in (each.q, each.k, each.v)) for each in (groups[0], group))
        if own != first:
            raise InputError(f"all groups must have the same shapes of q, k and v, not {first} and {own}")
        for name in ("token_scales", "sinks", "slopes"):
            if (getattr(group, name) is None) != (getattr(groups[0], name) is None):
                raise InputError(f"all groups must have {name}, or none of them")
        for name, x in (("mantissa", group.mantissa), ("shift", group.shift)):
            if (x != x[:, :1]).any():
                raise InputError(f"a job has one score scale per query head: {name} must be the same for all queries")
    check_range("heads", len(groups) * len(groups[0].q), 1, MAX_HEADS)


def check_dimension(name: str, dimension: int, columns: int) -> None:
    """Refuse a head dimension that a chip of so many columns does not take; name: of what."""
    if not legal_dimension(dimension, columns):
        raise InputError(
            f"the dimension of {name} must be a multiple of {DIMENSION_STEP} up to columns = {columns}, not {dimension}"
        )


def widened(heads: Heads, columns: int) -> Heads:
    """The heads with zeros up to so many columns."""
    q, k, v = (np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, columns - x.shape[-1])]) for x in (heads.q, heads.k, heads.v))
    return replace(heads, q=q, k=k, v=v)


def run(
    chip: ChipConfig,
    groups: Sequence[Heads],
    *,
    start: int | None = None,
    mask: Mask = CAUSAL,
    intervals: Int | None = None,
) -> Result:
    """Outputs [heads, queries, dimension of v] and log-sum-exp [heads, queries], group after group, and events.

    start, intervals: as of `schedule.Job`.
    """
    check_groups(chip, groups)
    parts = [_run_group(chip, group, start, mask, intervals) for group in groups]
    out, lse = (np.concatenate([getattr(part, name) for part in parts]) for name in ("out", "lse"))
    return _together(out, lse, parts)


def run_batch(
    chip: ChipConfig,
    groups: Sequence[Heads],
    sequences: Sequence[descriptor.Sequence],
    *,
    intervals: Int | None = None,
    tokens: int = 1,
) -> Result:
    """Outputs [heads, rows, dimension of v] of a job of many sequences, log-sum-exp [heads, rows], and events.

    groups: q [heads, all rows, dimension], k and v [all keys, their dimension], as the tensors in memory. intervals:
    int64 [all rows, 2]. tokens: keys of a page. The rows that no sequence has, and those of one that is refused, are 0,
    and their log-sum-exp is that of no key.
    """
    check_groups(chip, groups)
    _, rows, _ = groups[0].q.shape
    if intervals is not None:
        check_intervals(intervals, rows)
    out = np.zeros((len(groups), *groups[0].q.shape[:-1], groups[0].v.shape[-1]), np.int64)
    lse = np.full(out.shape[:-1], NO_KEY)
    parts = []
    one = groups[0]
    step = TOKEN_SCALE_KEYS if tokens == 1 and one.token_scales is not None else tokens
    positions = POSITIONS if one.slopes is None else SLOPE_POSITIONS
    bounds = Bounds(queries=rows, keys=len(one.k), step=step, positions=positions)
    for each, status in zip(sequences, descriptor.statuses(sequences, bounds), strict=True):
        if status != Status.OK or not each.queries:
            continue
        row, key = (
            slice(first, first + n) for first, n in ((each.first_row, each.queries), (each.first_key, each.keys))
        )
        own = None if intervals is None else intervals[row]
        for n, group in enumerate(groups):
            parts.append(_run_group(chip, group.part(row, key), each.start, each.mask, own))
            out[n, :, row], lse[n, :, row] = parts[-1].out, parts[-1].lse
    return _together(np.concatenate(out), np.concatenate(lse), parts)


def _run_group(chip: ChipConfig, group: Heads, start: int | None, mask: Mask, intervals: Int | None) -> Result:
    """The query heads of a key and value head, of one sequence."""
    heads, queries, _ = group.q.shape
    job = Job(queries=queries, keys=len(group.k), heads=heads, mask=mask, start=start, intervals=intervals)
    result = engine.run(chip.engine, widened(group, chip.engine.columns), job, chip.engines)
    return replace(result, out=result.out[..., : group.v.shape[-1]])


def _together(out: Int, lse: Int, parts: Iterable[Result]) -> Result:
    """These outputs and the events of all parts."""
    result = Result(out, lse)
    for part in parts:
        result.events.add(part.events)
    return result


@dataclass
class Traffic:
    """What a job moves, by the names of the chip's counters.

    Each key and value of a pass is read once for all resident tiles. All bytes are those of whole beats. deliveries:
    blocks that the network brings to engines, of which those that engines share are read from the buffer once. The
    record of the job and its tables are not counted.
    """

    bytes_query: int = 0
    bytes_key: int = 0
    bytes_value: int = 0
    bytes_scale: int = 0
    bytes_output: int = 0
    buffer_writes: int = 0
    deliveries: int = 0


def traffic(chip: ChipConfig, job: Descriptor | Work) -> Traffic:
    """The traffic of a job that succeeds, and of those of its sequences that no rule refuses.

    Without its page list, all of its pages are page 0: the same if pages lie whole beats apart.
    """
    work = job if isinstance(job, Work) else Work(job=job)
    job = work.job
    query, key, value = job.query_bytes(chip), job.key_bytes(chip), job.value_bytes(chip)
    row, group = job.row_bytes(chip), job.heads // job.kv_heads
    places = [job.scales, *filter(None, (job.sinks, job.slopes))]
    tables = _beats(chip, np.array(places), job.heads * SCALE_BYTES)
    of_blocks, scales = 0, 0  # bytes of all scales of keys and values so far, of those of a block
    if job.token_scales:
        scales = max(TOKEN_SCALE_BYTES * chip.engine.update_rank, chip.bus_bytes)
    moved = Traffic()
    for each, status in zip(work.parts, work.statuses(), strict=True):
        if status != Status.OK or not each.queries:
            continue
        shape = Job(queries=each.queries, keys=each.keys, heads=group, mask=each.mask, start=each.start)
        reads, blocks, deliveries = _passing(chip, shape)
        rows = each.first_row + np.arange(each.queries)
        once = np.ones_like(rows)
        moved.bytes_query += _bytes(chip, job.q, job.heads, query, rows * job.q.pitch, once)
        moved.bytes_key += _bytes(chip, job.k, job.kv_heads, key, _places(work, each, "k"), reads)
        if not job.shared:
            moved.bytes_value += _bytes(chip, job.v, job.kv_heads, value, _places(work, each, "v"), reads)
        of_blocks += job.kv_heads * blocks * scales
        moved.bytes_scale = int(tables.sum()) * chip.bus_bytes + of_blocks
        moved.bytes_output += _bytes(chip, job.o, job.heads, row, rows * job.o.pitch, once)
        if job.lse:
            moved.bytes_output += _lse_bytes(chip, job.lse, job.kv_heads, each.first_row * group, each.queries * group)
        moved.buffer_writes += job.kv_heads * blocks
        moved.deliveries += job.kv_heads * deliveries
    return moved


def _passing(chip: ChipConfig, job: Job) -> tuple[Int, int, int]:
    """How often each key is read, blocks that are written to the buffer, and deliveries, of a key and value head."""
    rank = chip.engine.update_rank
    turns = np.zeros(max(job.keys, 1) + 1, np.int64)
    blocks = deliveries = 0
    for resident in passes(chip.engine, job, chip.engines):
        blocks += len(resident.blocks)
        turns[int(resident.blocks.min()) * rank] += 1
        turns[min((int(resident.blocks.max()) + 1) * rank, len(turns) - 1)] -= 1
        taken: dict[int, list[range]] = {}
        for tile in resident.tiles:
            taken.setdefault(tile.engine, []).append(tile.blocks(rank))
        deliveries += sum(max(x.stop for x in own) - min(x.start for x in own) for own in taken.values())
    return turns.cumsum()[:-1], blocks, deliveries


def _places(work: Work, each: descriptor.Sequence, name: str) -> Int:
    """Bytes from a tensor's address to each key that a sequence reads; without a key it reads the first of all."""
    pages, pitch = work.job.pages, getattr(work.job, name).pitch
    if not each.keys:
        return np.zeros(1, np.int64)
    key = each.first_key + np.arange(each.keys)
    if not pages:
        return np.asarray(key * pitch)
    page = np.array(work.page_list, np.int64)[key // pages.tokens] if work.page_list else 0
    return np.asarray(page * getattr(pages, f"{name}_pitch") + key % pages.tokens * pitch)


def _bytes(chip: ChipConfig, tensor: Tensor, heads: int, size: int, places: Int, times: Int) -> int:
    """Bytes of the beats that vectors of `size` bytes touch, each at its place in every head, moved so many times."""
    beats = 0
    for first, count in Counter(
        (tensor.address + h * tensor.head_pitch) % chip.bus_bytes for h in range(heads)
    ).items():
        beats += count * int(_beats(chip, first + places, size) @ times)
    return beats * chip.bus_bytes


def _lse_bytes(chip: ChipConfig, lse: descriptor.HeadTensor, kv_heads: int, first: int, rows: int) -> int:
    """Bytes of the beats that the log-sum-exp of tiles touches, whose rows are neighbours; first: row of a KV head."""
    row = np.arange(0, rows, chip.engine.rows)
    heads = lse.address + np.arange(kv_heads)[:, None] * lse.pitch + (first + row) * LSE_BYTES
    return int(_beats(chip, heads, np.minimum(rows - row, chip.engine.rows) * LSE_BYTES).sum()) * chip.bus_bytes


def _beats(chip: ChipConfig, address: Int, size: Int | int) -> Int:
    """Beats from the first to the last that `size` bytes at each address touch."""
    return (address % chip.bus_bytes + size - 1) // chip.bus_bytes + 1
