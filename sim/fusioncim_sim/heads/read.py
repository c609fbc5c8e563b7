"""Reads attention heads from files: arrays q, k and v, float or integer, alone or as NAME_q or NAME.q.

`files` says what the files are, `names` which arrays are a head's, `axes` which shapes they have.

Integer heads may bring a `scale`, an array of the three scales of q, k and v. Without it an operand is its integer.
Float heads must not: they are equalized and quantized, as the PyTorch backend does by default, and that gives their
scales. They may bring a `range` of the shape of q: the largest magnitudes, up to each token, in the queries of all
heads that share k and v. Without it these are the heads of the array with the same key and value head.

A head [tokens, dimension] of a whole chip may have several sequences, one behind the other. `sequences`, integers
[sequences, 2], has the queries and the keys of each.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.equalize import Equalized, equalize
from fusioncim_golden.errors import InputError
from fusioncim_golden.quantize import Float, Heads, from_integers, quantize
from fusioncim_golden.reference import attention
from fusioncim_golden.schedule import Job
from fusioncim_sim.heads import checks
from fusioncim_sim.heads.arrays import Arrays
from fusioncim_sim.heads.axes import Axes, Layout
from fusioncim_sim.heads.files import open_arrays
from fusioncim_sim.heads.names import PARTS, Named, check_different, named_arrays
from fusioncim_sim.heads.widths import engine_of

SMOLLM2, QWEN = "SmolLM2-135M", "Qwen2.5-Coder-1.5B"
FIXTURES = {SMOLLM2: "smollm2_heads.npz", QWEN: "qwen2.5_heads.npz"}
"""Files of captured heads that come with the package, by model."""


@dataclass(frozen=True)
class Head:
    """One head as read.

    Members:
        name: of its arrays, and its place in them.
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

    @property
    def dimension(self) -> int:
        """Of a query, a key and a value."""
        return self.q.shape[1]

    def first(self, tokens: int, *, causal: bool = True) -> "Head":
        """The head's first keys, and the queries among them.

        causal: the queries are at the last keys; else they are just as many of the first ones.
        """
        if self.sequences:
            raise InputError(f"the first tokens must be those of one sequence, which {self.name} is not")
        start = max(len(self.k) - len(self.q), 0) if causal else 0
        if tokens <= start:
            raise InputError(
                f"the first tokens must hold a query of {self.name}, from token {start + 1} on, not {tokens}"
            )
        return self.part(slice(tokens - start), slice(tokens))

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


def load_heads(
    paths: Path | Sequence[Path], config: Config | ChipConfig | None = None, *, axes: Axes | None = None
) -> list[Head]:
    """All heads of files in the order of their names, checked against the configuration.

    config: of an engine that works alone, or of a whole chip, which takes several sequences; None: of any dimension.
    axes: the order of heads and tokens; None: heads first, where it cannot be meant otherwise.
    """
    bits = engine_of(config or Config()).operand_bits
    with open_arrays(*([paths] if isinstance(paths, Path) else paths)) as arrays:
        found = named_arrays(arrays.headers)
        layouts = [checks.check_headers(named, arrays.headers, config, axes) for named in found]
        check_different(
            place.name for named, layout in zip(found, layouts, strict=True) for place in layout.places(named)
        )
        checks.check_bytes(found, arrays.headers)
        return [head for pair in zip(found, layouts, strict=True) for head in _heads(*pair, arrays, bits)]


def _heads(named: Named, layout: Layout, arrays: Arrays, bits: int) -> Iterator[Head]:
    """The heads of these arrays."""
    read = {part: arrays.read(named.array(part)) for part in (*PARTS, *sorted(named.there - set(PARTS)))}
    for part in PARTS:
        checks.check_operands(named.array(part), read[part], bits)
    q, k, v = (layout.whole(read[part]) for part in PARTS)
    scales = read.get("scale", np.ones(3))
    checks.check_scales(named.array("scale"), scales)
    sequences = read["sequences"].tolist() if "sequences" in read else []
    if sequences:
        sizes = ((named.array(part), len(read[part])) for part in "qk")
        checks.check_sequences(named.array("sequences"), sequences, *sizes)
    ranges = _ranges(named, layout, read)
    for place in layout.places(named):
        yield Head(
            place.name,
            q[place.batch, place.head],
            k[place.batch, place.kv_head],
            v[place.batch, place.kv_head],
            scales=(float(scales[0]), float(scales[1]), float(scales[2])),
            range_q=None if ranges is None else ranges[place.batch, place.head],
            sequences=tuple((queries, keys) for queries, keys in sequences),
        )


def _ranges(named: Named, layout: Layout, read: Mapping[str, NDArray[Any]]) -> NDArray[Any] | None:
    """Ranges [batch, heads, queries, dimension]: of the file, or of the heads that share keys and values."""
    q = layout.whole(read["q"])
    if q.dtype.kind != "f" or ("range" not in read and layout.group == 1):
        return None
    largest = np.maximum.accumulate(np.abs(q), axis=2)
    if "range" not in read:
        batch, _, *rest = q.shape
        shared = largest.reshape(batch, layout.kv_heads, layout.group, *rest).max(axis=2)
        return np.repeat(shared, layout.group, axis=1)
    ranges = layout.whole(read["range"])
    name, of = named.array("range"), named.array("q")
    if layout.axes == 2:
        checks.check_ranges(name, ranges[0, 0], of, largest[0, 0])
    else:
        checks.check_ranges(name, ranges, of, largest)
    return ranges
