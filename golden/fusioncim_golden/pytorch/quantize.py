"""Float heads to integers as `fusioncim_golden.quantize`, for a batch of sequences with any number of heads.

Every row of a batch and key head has scales of its own: those of `quantize` on its tokens without the padding. So a row
is a job of the chip, and the sequences that are packed in it are those of its table. The scales themselves are computed
in NumPy by the same functions. Sums over keys have no fixed order here, so that a mean key may differ in its last bit
of float64.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fusioncim_golden.config import check_choice
from fusioncim_golden.equalize import factor_k, range_of
from fusioncim_golden.errors import InputError
from fusioncim_golden.pytorch.segments import Segment, intervals, key_places, query_places
from fusioncim_golden.quantize import GRANULARITIES, LOG2_E, operand_max, snap_scale


@dataclass(frozen=True)
class Operands:
    """Quantized jobs: every sequence with every key head.

    Members:
        q: integers as float32 [jobs, rows, columns]; row r is head r mod group of query r div group. A job that is
            shorter than the longest has rows and keys behind its last, which take no part.
        k, v: the same [jobs, keys, columns]; v may have others than q and k.
        mantissa, shift: int32 [jobs, rows]; log2 score = q.k * mantissa / 2^shift.
        low, high: int32 [jobs, rows], the keys that a row sees. Rows behind a job's last see none: [0, 0).
        segments: the sequence of each job, with its query heads.
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
    segments: tuple[Segment, ...]
    group: int
    scale_q: Tensor
    scale_k: Tensor
    scale_v: Tensor

    def rows(self, of: Callable[[Tensor], Tensor], used: Tensor) -> "Operands":
        """Other rows, `of` what is [jobs, rows, ..]; those that are not used see no key."""
        parts = {name: of(getattr(self, name)) for name in ("q", "mantissa", "shift", "scale_q")}
        return replace(self, **parts, low=of(self.low) * used, high=of(self.high) * used)


def quantize(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    segments: Sequence[Segment],
    *,
    softmax_scale: float,
    bits: int = 8,
    granularity: str = "head",
    subtract_mean_k: bool = True,
    equal: bool = False,
) -> Operands:
    """Quantize q [batch, heads, queries, columns], k and v [batch, key heads, keys, columns]; v may have others.

    segments: the sequences; what none of them holds is padding.
    granularity: one query scale per head, or one per token.
    equal: as `equalize`, before anything else.
    """
    check_choice("granularity", granularity, GRANULARITIES)
    batch, heads, queries, columns = q.shape
    kv_heads, keys = k.shape[1:3]
    group = heads // kv_heads
    of_queries, of_keys = query_places(segments, q.device), key_places(segments, k.device)
    real_q = of_queries.mask(batch, queries)[:, None, :, None]
    real_k = of_keys.mask(batch, keys)[:, None, :, None]
    q, k, v = (torch.where(real, x.double(), 0.0) for real, x in ((real_q, q), (real_k, k), (real_k, v)))
    if subtract_mean_k or equal:
        k = torch.where(real_k, k - k.sum(dim=2, keepdim=True) / real_k.sum(dim=2, keepdim=True), 0.0)
    q = q.reshape(batch, kv_heads, group, queries, columns)
    g = torch.ones(batch, kv_heads, v.shape[-1], dtype=torch.float64, device=v.device)
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
        every = torch.from_numpy(np.broadcast_to(x, (batch, kv_heads, group, queries)).swapaxes(2, 3).copy())
        return of_queries.gather(every.to(q.device)).flatten(1, 2)

    def per_job(x: np.ndarray) -> Tensor:
        return torch.from_numpy(x).to(k.device)[of_keys.row[:, 0]].flatten(0, 1)

    def integers(x: Tensor, scale: np.ndarray) -> Tensor:
        limit = operand_max(bits)
        return (x / torch.from_numpy(scale).to(x.device)).round_().clamp_(-limit, limit).float()

    low, high = (
        end.to(k.device)[:, None, :, None].expand(-1, kv_heads, -1, group).flatten(2, 3).flatten(0, 1)
        for end in intervals(segments)
    )
    shared = [replace(each, job=replace(each.job, heads=group)) for each in segments]
    return Operands(
        q=of_queries.gather(integers(q, scale_q[..., None]).transpose(2, 3)).flatten(1, 2),
        k=of_keys.gather(integers(k, scale_k[..., None, None])),
        v=of_keys.gather(integers(v, scale_v[..., None, None])),
        mantissa=rows(mantissa).to(torch.int32),
        shift=rows(shift).to(torch.int32),
        low=low,
        high=high,
        segments=tuple(each for each in shared for _ in range(kv_heads)),
        group=group,
        scale_q=rows(scale_q),
        scale_k=per_job(scale_k),
        scale_v=per_job(g.cpu().numpy() * scale_v[..., None]),
    )


def scale_of(name: str, largest: Tensor, bits: int) -> np.ndarray:
    """As `quantize.scale_for` of the largest magnitudes; NaN and infinity, which they carry, are refused."""
    x = largest.cpu().numpy()
    if not np.isfinite(x).all():
        raise InputError(f"{name} must be finite, but it holds {x[~np.isfinite(x)].flat[0]}")
    return np.where(x > 0, x / operand_max(bits), 1.0)
