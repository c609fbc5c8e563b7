"""Reads attention heads from an .npz file: arrays NAME_q, NAME_k, NAME_v of [tokens, dimension], float or integer.

Integer heads may bring NAME_scale, an array of the three scales of q, k and v. Without it an operand is its integer.
Float heads must not: they are quantized, and that gives their scales.
`fixture` is the file of captured heads that comes with the package.
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.quantize import Float, Heads, check_float, from_integers, quantize
from fusioncim_golden.reference import attention
from fusioncim_golden.schedule import Job

FIXTURE = "smollm2_heads.npz"


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
    arrays = _arrays(path)
    names = sorted({name[:-2] for name in arrays if name.endswith(("_q", "_k", "_v"))})
    if not names:
        raise InputError(
            f"the heads file must hold arrays NAME_q, NAME_k, NAME_v, not {', '.join(arrays) or 'nothing'}"
        )
    for name in arrays:
        if name.endswith("_scale") and name.removesuffix("_scale") not in names:
            raise InputError(f"NAME_scale must be of a head of the file ({', '.join(names)}), not {name}")
    return [_head(name, arrays, config) for name in names]


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of an .npz file."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            arrays = {name: loaded[name] for name in loaded.files}
    except OSError as error:
        raise InputError(f"the heads file cannot be read ({error.strerror or error}): {path}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"the heads file is no .npz of plain arrays ({error}): {path}") from error
    for name, x in arrays.items():
        if not isinstance(x, np.ndarray):
            raise InputError(f"the heads file is no .npz of plain arrays ({name} is none): {path}")
    return arrays


def _head(name: str, arrays: dict[str, NDArray[Any]], config: Config) -> Head:
    for part in "qkv":
        if f"{name}_{part}" not in arrays:
            raise InputError(f"head {name} must have arrays {name}_q, {name}_k, {name}_v; missing is {name}_{part}")
    q, k, v = (arrays[f"{name}_{part}"] for part in "qkv")
    low, high = -(1 << (config.operand_bits - 1)), (1 << (config.operand_bits - 1)) - 1
    for part, x in zip("qkv", (q, k, v), strict=True):
        label = f"{name}_{part}"
        if x.ndim != 2 or 0 in x.shape:
            raise InputError(f"{label} must be [tokens, dimension] with at least one of each, not of shape {x.shape}")
        if x.shape[1] != config.columns:
            raise InputError(
                f"the dimension of {label} must be the configuration's columns = {config.columns} "
                f"(try --set columns={x.shape[1]}), not {x.shape[1]}"
            )
        if x.dtype.kind == "f":
            check_float(label, x.astype(np.float64))
        elif x.dtype.kind in "iu":
            if x.min() < low or x.max() > high:
                worst = x.min() if x.min() < low else x.max()
                raise InputError(f"{label} must be integers from {low} to {high} (operand_bits), not {worst}")
        else:
            raise InputError(f"{label} must be float or integer, not of type {x.dtype}")
    kinds = {x.dtype.kind in "iu" for x in (q, k, v)}
    if len(kinds) > 1:
        raise InputError(
            f"{name}_q, {name}_k, {name}_v must be all float or all integer, not {q.dtype}, {k.dtype}, {v.dtype}"
        )
    if k.shape != v.shape:
        raise InputError(f"{name}_k and {name}_v must have the same shape, not {k.shape} and {v.shape}")
    if f"{name}_scale" in arrays and kinds == {False}:
        raise InputError(f"{name}_scale must stand beside integer heads (float heads are quantized), not {q.dtype}")
    scales = arrays.get(f"{name}_scale", np.ones(3))
    if scales.shape != (3,) or scales.dtype.kind not in "fiu" or not np.all(np.isfinite(scales) & (scales > 0)):
        raise InputError(f"{name}_scale must be three positive scales (q, k, v), not {scales.tolist()}")
    return Head(name, q, k, v, (float(scales[0]), float(scales[1]), float(scales[2])))
