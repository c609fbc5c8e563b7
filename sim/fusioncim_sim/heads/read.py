"""Reads attention heads from an .npz file: arrays NAME_q, NAME_k, NAME_v of [tokens, dimension], float or integer.

Integer heads may bring NAME_scale, an array of the three scales of q, k and v. Without it an operand is its integer.
Float heads must not: they are equalized and quantized, as the PyTorch backend does by default, and that gives their
scales. They may bring NAME_range, float [tokens, dimension]: the largest magnitudes, up to each token, in the queries
of all heads that share k and v. Without it a head shares them with no other.

A head of a whole chip may have several sequences, one behind the other. NAME_sequences, integers [sequences, 2], has
the queries and the keys of each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusioncim_golden.config import POSITION_BITS, RANKS, Config, check_range
from fusioncim_golden.equalize import Equalized, equalize
from fusioncim_golden.errors import InputError
from fusioncim_golden.job import check_dimension
from fusioncim_golden.limits import MAX_SEQUENCES
from fusioncim_golden.quantize import Float, Heads, check_float, from_integers, quantize
from fusioncim_golden.reference import attention
from fusioncim_golden.schedule import Job
from fusioncim_sim.heads.npz import Arrays, Header, open_arrays

SMOLLM2, QWEN = "SmolLM2-135M", "Qwen2.5-Coder-1.5B"
FIXTURES = {SMOLLM2: "smollm2_heads.npz", QWEN: "qwen2.5_heads.npz"}
"""Files of captured heads that come with the package, by model."""
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
        range_q: [queries, dimension], up to each query the largest magnitudes of all heads that share k and v, or None.
        sequences: queries and keys of each; none: it is one.
    """

    name: str
    q: NDArray[Any]
    k: NDArray[Any]
    v: NDArray[Any]
    scales: tuple[float, float, float] = (1.0, 1.0, 1.0)
    range_q: NDArray[Any] | None = None
    sequences: tuple[tuple[int, int], ...] = ()

    @property
    def is_integer(self) -> bool:
        """The operands are quantized already."""
        return np.issubdtype(self.q.dtype, np.integer)

    def first(self, tokens: int) -> "Head":
        """The head's first tokens only."""
        if self.sequences:
            raise InputError(f"the first tokens must be those of one sequence, which {self.name} is not")
        return self.part(slice(tokens), slice(tokens))

    def part(self, rows: slice, keys: slice) -> "Head":
        """These queries with these keys and values alone."""
        range_q = None if self.range_q is None else self.range_q[rows]
        return replace(self, q=self.q[rows], k=self.k[keys], v=self.v[keys], range_q=range_q, sequences=())

    def parts(self) -> list[tuple[slice, slice]]:
        """The queries, and the keys and values, of each sequence."""
        ends = np.cumsum(self.sequences or [(len(self.q), len(self.k))], axis=0).tolist()
        return [
            (slice(row, end_row), slice(key, end_key)) for (row, key), (end_row, end_key) in pairwise([(0, 0), *ends])
        ]

    def equalized(self) -> Equalized:
        """Float operands rewritten with the factors of the heads that share k and v; q is [1, queries, dimension]."""
        q, k, v = (x.astype(np.float64) for x in (self.q, self.k, self.v))
        largest = None if self.range_q is None else self.range_q.max(axis=0).astype(np.float64)
        return equalize(q[None], k, v, largest)

    def quantized(self, config: Config) -> Heads:
        """Operands for the engine; floats are equalized first, so their values are centred."""
        if self.is_integer:
            integers = (x.astype(np.int64) for x in (self.q[None], self.k, self.v))
            scale_q, scale_k, scale_v = self.scales
            return from_integers(*integers, scale_q=scale_q, scale_k=scale_k, scale_v=scale_v)
        rewritten = self.equalized()
        return quantize(rewritten.q, rewritten.k, rewritten.v, bits=config.operand_bits, centred=True)

    def unquantized_attention(self, job: Job) -> Float:
        """Float attention on floats as read."""
        q, k, v = (x.astype(np.float64) for x in (self.q, self.k, self.v))
        return attention(q[None], k, v, job)


def fixture(model: str = SMOLLM2) -> Path:
    """The captured heads of a model of `FIXTURES`."""
    return Path(__file__).parent / "data" / FIXTURES[model]


def load_heads(path: Path, config: Config | None = None, *, chip: bool = False) -> list[Head]:
    """All heads of a file in the order of their names, checked against the configuration; None: of any dimension.

    chip: for jobs of a whole chip, which may be narrower than its columns, and have several sequences.
    """
    with open_arrays(path) as arrays:
        names = sorted({name[:-2] for name in arrays.headers if name.endswith(("_q", "_k", "_v"))})
        if not names:
            there = ", ".join(arrays.headers) or "nothing"
            raise InputError(f"the heads file must hold arrays NAME_q, NAME_k, NAME_v, not {there}")
        for name in arrays.headers:
            for end in ("_scale", "_range", "_sequences"):
                if name.endswith(end) and name.removesuffix(end) not in names:
                    raise InputError(f"NAME{end} must be of a head of the file ({', '.join(names)}), not {name}")
        for name in names:
            if not name.isprintable() or not name.strip():
                raise InputError(f"the name of a head must be of printable signs, not {name!r}")
            _check_headers(name, arrays.headers, config, chip)
        return [_head(name, arrays, (config or Config()).operand_bits) for name in names]


def _check_headers(name: str, headers: Mapping[str, Header], config: Config | None, chip: bool) -> None:
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
    if config and chip:
        check_dimension(f"{name}_q", q.shape[1], config.columns)
    elif config and q.shape[1] != config.columns:
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
    if f"{name}_range" in headers:
        _check_range_header(name, headers[f"{name}_range"], q)
    if f"{name}_sequences" in headers:
        if config and not chip:
            raise InputError(f"the head must be one sequence without --chip, not those of {name}_sequences")
        _check_sequences_header(name, headers[f"{name}_sequences"])


def _check_range_header(name: str, header: Header, q: Header) -> None:
    if q.dtype.kind != "f":
        raise InputError(f"{name}_range must stand beside float heads (integers are as they are), not {q.dtype}")
    if header.shape != q.shape or header.dtype.kind != "f":
        raise InputError(
            f"{name}_range must be float of the shape of {name}_q = {q.shape}, not {header.shape} of {header.dtype}"
        )


def _check_sequences_header(name: str, header: Header) -> None:
    if len(header.shape) != 2 or header.shape[1] != 2 or header.dtype.kind not in "iu":
        raise InputError(
            f"{name}_sequences must be integers [sequences, 2], not of shape {header.shape} and type {header.dtype}"
        )
    check_range(f"the sequences of {name}_sequences", header.shape[0], 1, MAX_SEQUENCES)


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


def _head(name: str, arrays: Arrays, operand_bits: int) -> Head:
    low, high = -(1 << (operand_bits - 1)), (1 << (operand_bits - 1)) - 1
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
    range_q = arrays.read(f"{name}_range") if f"{name}_range" in arrays.headers else None
    if range_q is not None:
        check_float(f"{name}_range", range_q)
        largest = np.maximum.accumulate(np.abs(read["q"]), axis=0)
        if not np.all(below := range_q >= largest):
            place = tuple(int(i) for i in np.argwhere(~below)[0])
            raise InputError(
                f"{name}_range must be at least the largest magnitudes of {name}_q so far, "
                f"{largest[place]:g} at {place}, not {range_q[place]:g}"
            )
    sequences = arrays.read(f"{name}_sequences").tolist() if f"{name}_sequences" in arrays.headers else []
    if sequences:
        least = min(map(min, sequences))
        if least < 1:
            raise InputError(f"{name}_sequences must be at least 1, not {least}")
        for n, part in enumerate(("q", "k")):
            there, said = len(read[part]), sum(each[n] for each in sequences)
            if said != there:
                raise InputError(f"{name}_sequences must have the {there} tokens of {name}_{part} together, not {said}")
    return Head(
        name,
        **read,
        scales=(float(scales[0]), float(scales[1]), float(scales[2])),
        range_q=range_q,
        sequences=tuple((queries, keys) for queries, keys in sequences),
    )
