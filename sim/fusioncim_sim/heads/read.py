"""Reads attention heads from an .npz file: arrays NAME_q, NAME_k, NAME_v of [tokens, dimension], float or integer.

Integer heads may bring NAME_scale, an array of the three scales of q, k and v. Without it an operand is its integer.
Float heads must not: they are quantized, and that gives their scales.
`fixture` is the file of captured heads that comes with the package.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusioncim_golden.config import POSITION_BITS, RANKS, Config, check_range
from fusioncim_golden.errors import InputError
from fusioncim_golden.quantize import Float, Heads, check_float, from_integers, quantize
from fusioncim_golden.reference import attention
from fusioncim_golden.schedule import Job
from fusioncim_sim.heads.npz import Arrays, Header, open_arrays

FIXTURE = "smollm2_heads.npz"
MAX_TOKENS = (1 << POSITION_BITS) - 1


@dataclass(frozen=True)
class Head:
    """One head as read.

    Members:
        name: what stands before _q, _k and _v.
        q: [queries, dimension], float or integer.
        k: [keys, dimension].
        v: [keys, dimension].
        scales: of q, k and v, for integer operands.
    """

    name: str
    q: NDArray[Any]
    k: NDArray[Any]
    v: NDArray[Any]
    scales: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def is_integer(self) -> bool:
        """The operands are quantized already."""
        return np.issubdtype(self.q.dtype, np.integer)

    def first(self, tokens: int) -> "Head":
        """The head's first tokens only."""
        return Head(self.name, self.q[:tokens], self.k[:tokens], self.v[:tokens], self.scales)

    def quantized(self, config: Config) -> Heads:
        """Operands for the engine; float keys have their mean taken off first, which softmax does not see."""
        if self.is_integer:
            integers = (x.astype(np.int64) for x in (self.q[None], self.k, self.v))
            scale_q, scale_k, scale_v = self.scales
            return from_integers(*integers, scale_q=scale_q, scale_k=scale_k, scale_v=scale_v)
        q, k, v = (x.astype(np.float64) for x in (self.q, self.k, self.v))
        return quantize(q[None], k, v, bits=config.operand_bits, subtract_mean_k=True)

    def unquantized_attention(self, job: Job) -> Float | None:
        """Float attention on the operands as read, None for integers."""
        if self.is_integer:
            return None
        q, k, v = (x.astype(np.float64) for x in (self.q, self.k, self.v))
        return attention(q[None], k, v, job)


def fixture() -> Path:
    """The heads of SmolLM2-135M that come with the package."""
    return Path(__file__).parent / "data" / FIXTURE


def load_heads(path: Path, config: Config) -> list[Head]:
    """All heads of a file in the order of their names, checked against the configuration."""
    with open_arrays(path) as arrays:
        names = sorted({name[:-2] for name in arrays.headers if name.endswith(("_q", "_k", "_v"))})
        if not names:
            there = ", ".join(arrays.headers) or "nothing"
            raise InputError(f"the heads file must hold arrays NAME_q, NAME_k, NAME_v, not {there}")
        for name in arrays.headers:
            if name.endswith("_scale") and name.removesuffix("_scale") not in names:
                raise InputError(f"NAME_scale must be of a head of the file ({', '.join(names)}), not {name}")
        for name in names:
            if not name.isprintable() or not name.strip():
                raise InputError(f"the name of a head must be of printable signs, not {name!r}")
            _check_headers(name, arrays.headers, config)
        return [_head(name, arrays, config) for name in names]


def _check_headers(name: str, headers: Mapping[str, Header], config: Config) -> None:
    """Refuse arrays by their shapes and types, before anything is read."""
    for part in "qkv":
        if f"{name}_{part}" not in headers:
            raise InputError(f"head {name} must have arrays {name}_q, {name}_k, {name}_v; missing is {name}_{part}")
    q, k, v = (headers[f"{name}_{part}"] for part in "qkv")
    for part, x in zip("qkv", (q, k, v), strict=True):
        label = f"{name}_{part}"
        if len(x.shape) != 2 or 0 in x.shape:
            raise InputError(f"{label} must be [tokens, dimension] with at least one of each, not of shape {x.shape}")
        check_range(f"the tokens of {label}", x.shape[0], 1, MAX_TOKENS)
        if x.dtype.kind not in "fiu":
            raise InputError(f"{label} must be float or integer, not of type {x.dtype}")
    dimensions = [x.shape[1] for x in (q, k, v)]
    if len(set(dimensions)) > 1:
        raise InputError(
            f"{name}_q, {name}_k, {name}_v must have the same dimension, not {', '.join(map(str, dimensions))}"
        )
    if q.shape[1] != config.columns:
        raise InputError(
            f"the dimension of {name}_q must be the configuration's columns = {config.columns}"
            f"{_hint(config, q.shape[1])}, not {q.shape[1]}"
        )
    if len({x.dtype.kind in "iu" for x in (q, k, v)}) > 1:
        raise InputError(
            f"{name}_q, {name}_k, {name}_v must be all float or all integer, not {q.dtype}, {k.dtype}, {v.dtype}"
        )
    if k.shape != v.shape:
        raise InputError(f"{name}_k and {name}_v must have the same shape, not {k.shape} and {v.shape}")
    if f"{name}_scale" in headers and q.dtype.kind == "f":
        raise InputError(f"{name}_scale must stand beside integer heads (float heads are quantized), not {q.dtype}")


def _hint(config: Config, columns: int) -> str:
    """Options that make an engine of so many columns, if there are any."""
    for rank in sorted(RANKS, key=lambda rank: (rank != config.update_rank, -rank)):
        try:
            config.override(columns=columns, update_rank=rank)
        except InputError:
            continue
        more = "" if rank == config.update_rank else f" --set update_rank={rank}"
        return f" (try --set columns={columns}{more})"
    return " (no engine of these operand_bits has as many as this head)"


def _head(name: str, arrays: Arrays, config: Config) -> Head:
    low, high = -(1 << (config.operand_bits - 1)), (1 << (config.operand_bits - 1)) - 1
    read = {part: arrays.read(f"{name}_{part}") for part in "qkv"}
    for part, x in read.items():
        label = f"{name}_{part}"
        if x.dtype.kind == "f":
            check_float(label, x)
        elif x.min() < low or x.max() > high:
            worst = x.min() if x.min() < low else x.max()
            raise InputError(f"{label} must be integers from {low} to {high} (operand_bits), not {worst}")
    header = arrays.headers.get(f"{name}_scale", Header((3,), np.dtype(float)))
    if header.shape != (3,) or header.dtype.kind not in "fiu":
        raise InputError(
            f"{name}_scale must be three positive scales (q, k, v), not of shape {header.shape} and type {header.dtype}"
        )
    scales = arrays.read(f"{name}_scale") if f"{name}_scale" in arrays.headers else np.ones(3)
    if not np.all(np.isfinite(scales) & (scales > 0)):
        raise InputError(f"{name}_scale must be three positive scales (q, k, v), not {scales.tolist()}")
    return Head(name, **read, scales=(float(scales[0]), float(scales[1]), float(scales[2])))
