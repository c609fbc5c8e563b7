"""Float heads to integers as `fusioncim_golden.quantize`, for a batch of sequences with any number of heads.

Every row of a batch and key head has scales of its own: those of `quantize` on its tokens without the padding. So a row
is a job of the chip, and the sequences that are packed in it are those of its table. The scales themselves are computed
in NumPy by the same functions. Sums over keys have no fixed order here, so that a mean key may differ in its last bit
of float64.

With learned sinks the mean key and the mean value stay. q times the mean key is a constant of a row, which softmax
cancels only where every weight of the row has it, and a sink has none. The weights of the values do not sum to 1 then.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fusioncim_golden.config import check_choice
from fusioncim_golden.equalize import factor_k, range_of
from fusioncim_golden.errors import InputError
from fusioncim_golden.pytorch.calls import check_shapes
from fusioncim_golden.pytorch.kv_cache import OPERAND_BITS, Factors, Format
from fusioncim_golden.pytorch.operands import Layout, Operands, Queries
from fusioncim_golden.pytorch.segments import Segment
from fusioncim_golden.quantize import GRANULARITIES, LOG2_E, operand_max, snap_scale


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
    subtract_mean_v: bool = True,
    equal: bool = False,
    sinks: Tensor | None = None,
    slopes: Tensor | None = None,
) -> Operands:
    """Quantize q [batch, heads, queries, columns], k and v [batch, key heads, keys, columns]; v may have others.

    segments: the sequences; what none of them holds is padding.
    granularity: one query scale per head, or one per token.
    equal: as `equalize`, before anything else.
    sinks, slopes: of ALiBi, one of each per head, as the model has them.
    """
    layout = Layout.of(segments, q, k)
    queries, keys = layout.real
    q, k, v = (torch.where(real, x.double(), 0.0) for real, x in ((queries, q), (keys, k), (keys, v)))
    if (subtract_mean_k or equal) and sinks is None:
        k = torch.where(keys, k - mean(k, keys), 0.0)
    centred = subtract_mean_v and sinks is None
    mean_v = mean(v, keys) * centred
    v = torch.where(keys, v - mean_v, 0.0)
    q = layout.grouped(q)
    g = torch.ones(len(k), k.shape[1], v.shape[-1], dtype=torch.float64, device=v.device)
    if equal:
        f, g = factor_k(q.abs().amax(dim=(2, 3)), k.abs().amax(dim=2)), range_of(v.abs().amax(dim=2))
        q, k, v = q * f[:, :, None, None], k / f[:, :, None], v / g[:, :, None]
    scale_k, scale_v = scale_of("k", k.abs().amax(dim=(2, 3)), bits), scale_of("v", v.abs().amax(dim=(2, 3)), bits)
    return layout.operands(
        quantize_queries(q, scale_k * softmax_scale, bits, granularity),
        k=integers(k, scale_k[..., None, None], bits),
        v=integers(v, scale_v[..., None, None], bits),
        scale_k=scale_k,
        scale_v=g.cpu().numpy() * scale_v[..., None],
        mean_v=mean_v[:, :, 0].cpu().numpy(),
        sinks=sinks,
        slopes=slopes,
        centred=centred,
    )


def mean(x: Tensor, keys: Tensor) -> Tensor:
    """Mean [batch, key heads, 1, columns] of x over keys, which are [batch, 1, keys, 1]."""
    return x.sum(dim=2, keepdim=True) / keys.sum(dim=2, keepdim=True).clamp(min=1)


def quantize_queries(q: Tensor, unit: np.ndarray, bits: int, granularity: str) -> Queries:
    """Queries [batch, key heads, group, queries, columns] and their score scales.

    unit: [batch, key heads], the scale of K times the softmax scale.
    """
    check_choice("granularity", granularity, GRANULARITIES)
    largest = q.abs().amax(dim=-1)
    if granularity == "head":
        largest = largest.amax(dim=-1, keepdim=True)
    log2_unit = (unit * LOG2_E)[..., None, None]
    mantissa, shift = snap_scale(scale_of("q", largest, bits) * log2_unit, up=True)
    scale = mantissa * 0.5**shift / log2_unit
    return Queries(integers(q, scale[..., None], bits), mantissa, shift, scale)


def integers(x: Tensor, scale: np.ndarray, bits: int) -> Tensor:
    """As `quantize.to_integer`, integers as float32."""
    limit = operand_max(bits)
    return (x / torch.from_numpy(scale).to(x.device)).round_().clamp_(-limit, limit).float()


def scale_of(name: str, largest: Tensor, bits: int) -> np.ndarray:
    """As `quantize.scale_for` of the largest magnitudes; NaN and infinity, which they carry, are refused."""
    x = largest.cpu().numpy()
    check_finite(name, x)
    return np.where(x > 0, x / operand_max(bits), 1.0)


def check_finite(name: str, x: np.ndarray) -> None:
    """Refuse NaN and infinity."""
    if not np.isfinite(x).all():
        raise InputError(f"{name} must be finite, but it holds {x[~np.isfinite(x)].flat[0]}")


def quantize_cached(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    segments: Sequence[Segment],
    *,
    form: Format,
    factors: Factors,
    softmax_scale: float,
    granularity: str = "head",
    sinks: Tensor | None = None,
    slopes: Tensor | None = None,
) -> Operands:
    """Quantize the queries over stored k and v, see `kv_cache`; the rest as of `quantize`."""
    for name, taken in (("key", factors.mean_k), ("value", factors.mean_v)):
        if sinks is not None and taken.any():
            raise InputError(
                f"a cache of a layer with learned sinks must keep its mean {name}: calibrate it with its sinks"
            )
    (k, of_k), (v, of_v) = form.read(k), form.read(v)
    factors.check(k, v)
    check_shapes(q, k, v)
    layout = Layout.of(segments, q, k)
    q = torch.where(layout.real[0], q.double(), 0.0)
    q = layout.grouped(q) * factors.factor_k[:, None, None]
    unit = factors.unit_k.cpu().numpy()[None].repeat(len(q), axis=0)
    of_outputs = factors.factor_v * factors.unit_v[:, None], factors.mean_v
    scale_v, mean_v = (x.cpu().numpy()[None].repeat(len(q), axis=0) for x in of_outputs)
    return layout.operands(
        quantize_queries(q, unit * softmax_scale, OPERAND_BITS, granularity),
        k=k,
        v=v,
        scale_k=unit,
        scale_v=scale_v,
        mean_v=mean_v,
        token_scales=torch.stack([of_k, of_v], dim=-1),
        sinks=sinks,
        slopes=slopes,
        centred=factors.centred,
    )
