"""Float heads to integers as `fusioncim_golden.quantize`, for a batch of sequences with any number of heads.

Every sequence and key head is a job with scales of its own: those of `quantize` on the sequence without its padding.
The scales themselves are computed in NumPy by the same functions. Sums over keys have no fixed order here, so that a
mean key may differ in its last bit of float64.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fusioncim_golden.config import check_choice
from fusioncim_golden.equalize import factor_k, range_of
from fusioncim_golden.errors import InputError
from fusioncim_golden.quantize import GRANULARITIES, LOG2_E, operand_max, snap_scale
from fusioncim_golden.schedule import Job


@dataclass(frozen=True)
class Padded:
    """A sequence in a batch of longer ones.

    Members:
        job: its queries and keys, and what the queries see. No queries: all is padding.
        first: queries of padding before its own; all behind them are padding, too. Its keys are the first ones.
    """

    job: Job
    first: int = 0


@dataclass(frozen=True)
class Operands:
    """Quantized jobs.

    Members:
        q: integers as float32 [jobs, rows, columns]; row r is head r mod group of query r div group.
        k, v: the same [jobs, keys, columns].
        mantissa, shift: int32 [jobs, rows]; log2 score = q.k * mantissa / 2^shift.
        low, high: int32 [jobs, rows], of `mask.interval`. Rows of padding see no key: [0, 0).
        sequences: of each job, with its query heads.
        group: query heads of a job.
        scale_q: float64 [jobs, rows]; scale_k: [jobs]; scale_v: [jobs, columns]; operand = integer * scale, of Q and K
            after they were equalized.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    mantissa: Tensor
    shift: Tensor
    low: Tensor
    high: Tensor
    sequences: tuple[Padded, ...]
    group: int
    scale_q: Tensor
    scale_k: Tensor
    scale_v: Tensor

    def rows(self, of: Callable[[Tensor], Tensor], used: Tensor) -> "Operands":
        """Other rows, `of` what is [jobs, rows, ..]; those that are not used see no key."""
        parts = {name: of(getattr(self, name)) for name in ("q", "mantissa", "shift", "scale_q")}
        return replace(self, **parts, low=of(self.low) * used, high=of(self.high) * used)


def intervals(sequences: Sequence[Padded], queries: int) -> tuple[Tensor, Tensor]:
    """Low and high, int32 [sequences, queries]; padding sees [0, 0)."""
    ends = np.zeros((2, len(sequences), queries), np.int32)
    for n, each in enumerate(sequences):
        ends[:, n, each.first : each.first + each.job.queries] = each.job.interval(np.arange(each.job.queries))
    low, high = torch.from_numpy(ends)
    return low, high


def quantize(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    sequences: Sequence[Padded],
    *,
    softmax_scale: float,
    bits: int = 8,
    granularity: str = "head",
    subtract_mean_k: bool = True,
    equal: bool = False,
) -> Operands:
    """Quantize q [batch, heads, queries, columns], k and v [batch, key heads, keys, columns].

    sequences: of the batch; what they do not hold is padding. granularity: one query scale per head, or one per token.
    equal: as `equalize`, before anything else.
    """
    check_choice("granularity", granularity, GRANULARITIES)
    batch, heads, queries, columns = q.shape
    kv_heads, keys = k.shape[1:3]
    group = heads // kv_heads
    first, real, length = (
        torch.tensor(each, device=q.device)[:, None]
        for each in zip(*((one.first, one.job.queries, one.job.keys) for one in sequences), strict=True)
    )
    place = torch.arange(max(queries, keys), device=q.device)
    real_q = ((first <= place) & (place < first + real))[:, None, :queries, None]
    real_k = (place < length)[:, None, :keys, None]
    q, k, v = (torch.where(real, x.double(), 0.0) for real, x in ((real_q, q), (real_k, k), (real_k, v)))
    if subtract_mean_k or equal:
        k = torch.where(real_k, k - k.sum(dim=2, keepdim=True) / real_k.sum(dim=2, keepdim=True), 0.0)
    q = q.reshape(batch, kv_heads, group, queries, columns)
    g = torch.ones(batch, kv_heads, columns, dtype=torch.float64, device=v.device)
    if equal:
        f, g = factor_k(q.abs().amax(dim=(2, 3)), k.abs().amax(dim=2)), range_of(v.abs().amax(dim=2))
        q, k, v = q * f[:, :, None, None], k / f[:, :, None], v / g[:, :, None]
    largest_q = q.abs().amax(dim=-1)
    if granularity == "head":
        largest_q = largest_q.amax(dim=-1, keepdim=True)
    scale_k, scale_v = scale_of("k", k.abs().amax(dim=(2, 3)), bits), scale_of("v", v.abs().amax(dim=(2, 3)), bits)
    unit = scale_k * softmax_scale * LOG2_E
    mantissa, shift = snap_scale(scale_of("q", largest_q, bits) * unit[..., None, None], up=True)
    scale_q = mantissa * 0.5**shift / unit[..., None, None]

    def rows(x: np.ndarray) -> Tensor:
        """[batch, key heads, group, 1 or queries] to [jobs, rows]."""
        every = np.broadcast_to(x, (batch, kv_heads, group, queries)).swapaxes(2, 3)
        return torch.from_numpy(every.reshape(-1, queries * group).copy()).to(k.device)

    def per_job(x: np.ndarray) -> Tensor:
        return torch.from_numpy(x).view(-1).to(k.device)

    def integers(x: Tensor, scale: np.ndarray) -> Tensor:
        limit = operand_max(bits)
        return (x / torch.from_numpy(scale).to(x.device)).round_().clamp_(-limit, limit).float()

    low, high = (
        end.to(k.device)[:, None, :, None].expand(-1, kv_heads, -1, group).reshape(-1, queries * group)
        for end in intervals(sequences, queries)
    )
    shared = [Padded(replace(each.job, heads=group), each.first) for each in sequences]
    return Operands(
        q=integers(q, scale_q[..., None]).transpose(2, 3).reshape(-1, queries * group, columns),
        k=integers(k, scale_k[..., None, None]).reshape(-1, keys, columns),
        v=integers(v, scale_v[..., None, None]).reshape(-1, keys, columns),
        mantissa=rows(mantissa).to(torch.int32),
        shift=rows(shift).to(torch.int32),
        low=low,
        high=high,
        sequences=tuple(each for each in shared for _ in range(kv_heads)),
        group=group,
        scale_q=rows(scale_q),
        scale_k=per_job(scale_k),
        scale_v=g.reshape(-1, columns) * per_job(scale_v)[:, None],
    )


def scale_of(name: str, largest: Tensor, bits: int) -> np.ndarray:
    """As `quantize.scale_for` of the largest magnitudes; NaN and infinity, which they carry, are refused."""
    x = largest.cpu().numpy()
    if not np.isfinite(x).all():
        raise InputError(f"{name} must be finite, but it holds {x[~np.isfinite(x)].flat[0]}")
    return np.where(x > 0, x / operand_max(bits), 1.0)
