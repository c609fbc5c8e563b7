"""Float heads to the integers that the engine takes: symmetric scales, and a score scale that costs no accuracy.

    x_integer = round(x / scale), clipped to +-(2^(bits-1) - 1)

The hardware multiplies a score by c = mantissa / 2^shift with 8 mantissa bits. The query scale is enlarged by less than
1 % so that c = scale_q * scale_k * softmax_scale * log2(e) falls on that grid exactly: the multiplier is short and the
score scale has no error.

K and V have a scale per head, or one per token on the grid of `token_scale`: operands are divided by the very scale
that the engine has.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusioncim_golden.arith import Int
from fusioncim_golden.config import SCALE_BITS, SCALE_SHIFT_BITS, check_choice
from fusioncim_golden.errors import InputError
from fusioncim_golden.scale_table import on_grid
from fusioncim_golden.token_scale import code_values, to_codes, unit_for

Float = NDArray[np.float64]
GRANULARITIES = ("head", "token")
FLOAT32_MAX = float(np.finfo(np.float32).max)
LOG2_E = float(np.log2(np.e))


@dataclass(frozen=True)
class Heads:
    """Quantized heads that share one K and V, as an engine takes them.

    Members:
        q: int64 [heads, queries, columns].
        k, v: int64 [keys, columns].
        mantissa, shift: int64 [heads, queries]; log2 score = q.k * mantissa / 2^shift.
        scale_q: float64 [heads, queries]; scale_k, scale_v: float. operand = integer * scale.
        softmax_scale: the factor of q.k before the exponential, 1/sqrt(columns) unless given.
        token_scales: int64 [keys, 2] or None: codes of the scales of each key and value, see `token_scale`, whose units
            scale_k and scale_v are then.
        sinks: int64 [heads] or None: words of the weights of learned sinks, see `sinks`.
        slopes: int64 [heads] or None: words of the slopes, see `slopes`.
        centred: the values have a mean of 0 over the keys: what a row leaves out counts as a value of 0, see `softmax`.
            Not with a sink.
    """

    q: Int
    k: Int
    v: Int
    mantissa: Int
    shift: Int
    scale_q: Float
    scale_k: float
    scale_v: float
    softmax_scale: float
    token_scales: Int | None = None
    sinks: Int | None = None
    slopes: Int | None = None
    centred: bool = False

    def part(self, rows: slice, keys: slice) -> "Heads":
        """These queries with these keys and values alone."""
        scales = {name: getattr(self, name)[:, rows] for name in ("mantissa", "shift", "scale_q")}
        codes = None if self.token_scales is None else self.token_scales[keys]
        return replace(self, q=self.q[:, rows], k=self.k[keys], v=self.v[keys], token_scales=codes, **scales)


def operand_max(bits: int) -> int:
    """Largest magnitude of a symmetric quantized operand; -2^(bits-1) is legal for the engine but never produced."""
    return (1 << (bits - 1)) - 1


def scale_for(x: Float, bits: int, axis: int | None = None) -> Float:
    """max|x| / (2^(bits-1) - 1) over everything, or per token along `axis`; 1 where x is all zero."""
    largest = np.max(np.abs(x), axis=axis)
    return np.where(largest > 0, largest / operand_max(bits), 1.0)


def to_integer(x: Float, scale: Float | float, bits: int) -> Int:
    """round(x / scale), half to even, clipped to the symmetric range."""
    limit = operand_max(bits)
    return np.clip(np.rint(x / scale), -limit, limit).astype(np.int64)


def snap_scale(c: Float, *, up: bool) -> tuple[Int, Int]:
    """Mantissa and shift of the grid value next to c: the next above (`up`), or the nearest.

    mantissa is in [2^7, 2^8), shift in [0, 31]; a c that has no such form is refused, unless it is below all of them
    and may go up: scores are so small there that all weights are nearly equal, and stay so.
    """
    c = np.asarray(c, dtype=np.float64)
    bad_scales = c[~(np.isfinite(c) & (c > 0))]
    if bad_scales.size:
        raise InputError(f"the score scale must be positive and finite, not {bad_scales.flat[0]}")
    if up:
        c = np.maximum(c, 0.5 ** ((1 << SCALE_SHIFT_BITS) - SCALE_BITS))
    mantissa, shift = on_grid(c, up=up)
    limit = (1 << SCALE_SHIFT_BITS) - 1
    for low, worst in ((True, shift.min()), (False, shift.max())):
        if (worst < 0) if low else (worst > limit):
            bad = float(np.max(c) if low else np.min(c))
            raise InputError(
                f"the score scale q_scale * k_scale * softmax_scale * log2(e) must be from "
                f"2^{SCALE_BITS - 1 - limit} to {(1 << SCALE_BITS) - 1}, not {bad:g}"
            )
    return mantissa, shift


def check_float(name: str, x: NDArray[np.floating[Any]]) -> None:
    """Refuse NaN, infinity, and what float32 has no room for: products of such values have none in float64."""
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        place = tuple(int(i) for i in bad[0])
        raise InputError(f"{name} must be finite, but {len(bad)} values are not; the first is {x[place]} at {place}")
    largest = float(np.max(np.abs(x), initial=0))
    if largest > FLOAT32_MAX:
        raise InputError(f"{name} must be at most {FLOAT32_MAX:.3g} in magnitude, as float32 is, not {largest:.3g}")


def quantize(
    q: Float,
    k: Float,
    v: Float,
    *,
    bits: int = 8,
    granularity: str = "head",
    subtract_mean_k: bool = False,
    centred: bool = False,
    softmax_scale: float | None = None,
    token_scale_bits: int = 0,
) -> Heads:
    """Quantize float heads [heads, queries, columns] with their shared K, V [keys, columns].

    granularity: one query scale per head, or one per token. K and V have one scale each, or with the token_scale_bits
    of an engine one per token, rounded up so that nothing is clipped.
    subtract_mean_k: take the mean key off every key; softmax does not change, a common offset no longer eats bits.
    centred: the values are, as after `equalize`.
    """
    check_choice("granularity", granularity, GRANULARITIES)
    for name, x in (("q", q), ("k", k), ("v", v)):
        if x.size == 0:
            raise InputError(f"{name} must not be empty, but its shape is {x.shape}")
        check_float(name, x)
    if softmax_scale is None:
        softmax_scale = 1 / float(np.sqrt(q.shape[-1]))
    if subtract_mean_k:
        k = k - k.mean(axis=0)
    heads, queries, _ = q.shape
    scale_k, scale_v = float(scale_for(k, bits)), float(scale_for(v, bits))
    each_k, each_v = np.asarray(scale_k), np.asarray(scale_v)
    codes = None
    if token_scale_bits:
        (scale_k, each_k, of_k), (scale_v, each_v, of_v) = (_token_scales(x, bits, token_scale_bits) for x in (k, v))
        codes = np.stack([of_k, of_v], axis=-1)
    scale_q = scale_for(q, bits, axis=2) if granularity == "token" else scale_for(q.reshape(heads, -1), bits, axis=1)
    scale_q = np.broadcast_to(scale_q if scale_q.ndim == 2 else scale_q[:, None], (heads, queries))
    unit = scale_k * softmax_scale * LOG2_E
    mantissa, shift = snap_scale(scale_q * unit, up=True)
    scale_q = mantissa * 0.5**shift / unit
    return Heads(
        q=to_integer(q, scale_q[..., None], bits),
        k=to_integer(k, each_k, bits),
        v=to_integer(v, each_v, bits),
        mantissa=mantissa,
        shift=shift,
        scale_q=scale_q,
        scale_k=scale_k,
        scale_v=scale_v,
        softmax_scale=softmax_scale,
        token_scales=codes,
        centred=centred,
    )


def _token_scales(x: Float, bits: int, token_scale_bits: int) -> tuple[float, Float, Int]:
    """Unit, scales [keys, 1] and codes [keys] of vectors [keys, columns]; those of all 0 have the smallest scale."""
    scales = np.where(np.any(x, axis=1), scale_for(x, bits, axis=1), 0.0)
    unit = unit_for(scales if np.any(scales) else np.ones_like(scales), token_scale_bits)
    codes = to_codes(np.maximum(scales, unit * 2.0**-16), unit, token_scale_bits, up=True)
    return unit, unit * code_values(codes, token_scale_bits)[:, None], codes


def from_integers(
    q: Int,
    k: Int,
    v: Int,
    *,
    scale_q: float = 1.0,
    scale_k: float = 1.0,
    scale_v: float = 1.0,
    softmax_scale: float | None = None,
) -> Heads:
    """Heads whose operands are integers already; the score scale is rounded to the nearest grid value (0.4 %)."""
    if softmax_scale is None:
        softmax_scale = 1 / float(np.sqrt(q.shape[-1]))
    scales = np.full(q.shape[:2], scale_q)
    with np.errstate(over="ignore"):  # what is infinite is refused
        mantissa, shift = snap_scale(scales * scale_k * softmax_scale * LOG2_E, up=False)
    return Heads(
        q=q.astype(np.int64),
        k=k.astype(np.int64),
        v=v.astype(np.int64),
        mantissa=mantissa,
        shift=shift,
        scale_q=scales,
        scale_k=scale_k,
        scale_v=scale_v,
        softmax_scale=softmax_scale,
    )


def from_tokens(
    q: Int,
    k: Int,
    v: Int,
    *,
    scale_q: float,
    scales_k: Float,
    scales_v: Float,
    token_scale_bits: int,
    softmax_scale: float | None = None,
) -> Heads:
    """Heads of a cache that was quantized token by token: scales_k, scales_v [keys] are those of its integers.

    Each is rounded to the nearest code (0.2 %, with token_scale_bits = 1 41 %); the largest sets the unit.
    """
    codes, units = [], []
    for scales in (scales_k, scales_v):
        units.append(unit_for(scales, token_scale_bits))
        codes.append(to_codes(scales, units[-1], token_scale_bits))
    scale_k, scale_v = units
    heads = from_integers(q, k, v, scale_q=scale_q, scale_k=scale_k, scale_v=scale_v, softmax_scale=softmax_scale)
    return replace(heads, token_scales=np.stack(codes, axis=-1))
