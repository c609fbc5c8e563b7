"""Heads as a chip takes them: query heads that share keys and values are a group, groups of one shape are a job."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from fusioncim_golden.config import Config
from fusioncim_golden.job import widened
from fusioncim_golden.limits import MAX_HEADS
from fusioncim_golden.mask import Mask
from fusioncim_golden.quantize import Heads
from fusioncim_golden.schedule import Job
from fusioncim_sim.heads.read import Head
from fusioncim_sim.heads.widths import job_dimension

Item = TypeVar("Item")


@dataclass(frozen=True)
class Group:
    """Query heads that share keys and values.

    Members:
        heads: whose ranges are those of all.
        each: the operands of each, of a dimension that a job may have.
        operands: the same of all together.
    """

    heads: Sequence[Head]
    each: Sequence[Heads]
    operands: Heads


def jobs_of(config: Config, heads: Iterable[Head]) -> list[Sequence[Group]]:
    """The groups of every job: those with the same numbers of heads, queries and keys, as many as a job may have.

    Heads are in a group if their keys and values are the same, with the same scales, for as many queries. The order is
    that of the first heads.
    """
    groups = [_group(config, members) for alike in _alike(heads, _shared) for members in _pieces(alike, MAX_HEADS)]
    return [job for alike in _alike(groups, _shape) for job in _pieces(alike, MAX_HEADS // len(alike[0].heads))]


def sequence_jobs(head: Head, mask: Mask) -> list[Job]:
    """What each sequence of a head computes."""
    sizes = head.sequences or [(len(head.q), len(head.k))]
    return [Job(queries=queries, keys=keys, mask=mask) for queries, keys in sizes]


def _group(config: Config, heads: Sequence[Head]) -> Group:
    """The group of these heads: floats are equalized by the ranges of all."""
    if len(heads) > 1 and not heads[0].is_integer:
        ranges = [np.maximum.accumulate(np.abs(head.q)) if head.range_q is None else head.range_q for head in heads]
        heads = [replace(head, range_q=np.max(ranges, axis=0)) for head in heads]
    dimension = job_dimension(heads[0].dimension)
    each = [widened(head.quantized(config), dimension) for head in heads]
    together = replace(
        each[0],
        q=np.concatenate([one.q for one in each]),
        mantissa=np.concatenate([one.mantissa for one in each]),
        shift=np.concatenate([one.shift for one in each]),
        scale_q=np.concatenate([one.scale_q for one in each]),
    )
    return Group(heads, each, together)


def _shared(head: Head) -> Hashable:
    """What the heads of a group have in common."""
    arrays = [(x.shape, x.dtype.str, x.tobytes()) for x in (head.k, head.v)]
    return (head.q.shape, head.is_integer, head.scales[1:], head.sequences, *arrays)


def _shape(group: Group) -> Hashable:
    """What the groups of a job have in common."""
    operands, (head, *_) = group.operands, group.heads
    return (operands.q.shape, operands.k.shape, operands.softmax_scale, head.sequences, operands.centred)


def _alike(items: Iterable[Item], key: Callable[[Item], Hashable]) -> list[list[Item]]:
    """The items with equal keys together, in the order of the first ones."""
    found = defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return list(found.values())


def _pieces(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """So many items at a time."""
    return [items[n : n + size] for n in range(0, len(items), size)]
