"""Job descriptor: what an inference runtime has, and the rules that a chip holds it to.

A job is attention of `heads` query heads over `kv_heads` key and value heads in memory. Vector `n` of head `h` of a
tensor lies at address + n * pitch + h * head_pitch and is `dimension` operands long, packed, first operand lowest. The
scale table holds one 32-bit word of `scale_table` per query head.

A chip and its driver refuse a descriptor for the same reasons, in the same order, with the same words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from fusioncim_golden import mask
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import POSITION_BITS
from fusioncim_golden.errors import InputError
from fusioncim_golden.mask import CAUSAL, Mask

POSITIONS = (1 << POSITION_BITS) - 1
"""Largest number of queries, of keys, and of a position."""
MAX_HEADS = 256
"""Largest number of query heads and of key and value heads."""
ADDRESS_SPACE = 1 << 32
"""Bytes that the chip can address."""
SCALE_BYTES = 4
"""Bytes of an entry of the scale table."""


class Status(IntEnum):
    """Outcome of a job. `words` says it in a sentence."""

    OK = 0
    SIZE = 1
    HEADS = 2
    DIMENSION = 3
    FORMAT = 4
    POSITION = 5
    ALIGNMENT = 6
    ADDRESS = 7
    OVERLAP = 8
    READ_ERROR = 9
    WRITE_ERROR = 10
    ABORTED = 11
    SCALE = 12
    PROTOCOL = 13
    STALLED = 14
    MASK = 15

    @property
    def words(self) -> str:
        """What it means."""
        return WORDS[self]


WORDS = {
    Status.OK: "done",
    Status.SIZE: f"queries and keys must be from 1 to {POSITIONS}, heads and kv_heads from 1 to {MAX_HEADS}",
    Status.HEADS: "heads must be a multiple of kv_heads",
    Status.DIMENSION: "dimension must be the columns of the chip",
    Status.FORMAT: "output_bits must be those of the chip",
    Status.POSITION: f"start + queries must be at most {POSITIONS}",
    Status.ALIGNMENT: "addresses and pitches must be multiples of the bus width",
    Status.ADDRESS: "every tensor must end at or below 2^32",
    Status.OVERLAP: "the output must overlap neither an operand nor itself",
    Status.READ_ERROR: "a read from memory failed",
    Status.WRITE_ERROR: "a write to memory failed",
    Status.ABORTED: "the job was aborted",
    Status.SCALE: "a scale must have a mantissa from 128 to 255, a shift with which its scores fit, and 0 above",
    Status.PROTOCOL: "the bus answered what was not asked",
    Status.STALLED: "the bus stood still for the cycles of STALL_LIMIT: only a reset of chip and bus helps",
    Status.MASK: mask.RULE,
}
"""The words of every outcome, the same in the register map."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """Place of a tensor: byte address of its first vector, bytes from a vector to the next, from a head to the next."""

    address: int
    pitch: int
    head_pitch: int

    def end(self, vectors: int, heads: int, vector_bytes: int) -> int:
        """First byte behind the tensor."""
        return self.address + (vectors - 1) * self.pitch + (heads - 1) * self.head_pitch + vector_bytes

    def disjoint(self, vectors: int, heads: int, vector_bytes: int) -> bool:
        """No two vectors share a byte, heads inside vectors or vectors inside heads."""
        inner = (vectors == 1 or self.pitch >= vector_bytes, heads == 1 or self.head_pitch >= vector_bytes)
        heads_span = (heads - 1) * self.head_pitch + vector_bytes
        vectors_span = (vectors - 1) * self.pitch + vector_bytes
        return (inner[1] and (vectors == 1 or self.pitch >= heads_span)) or (
            inner[0] and (heads == 1 or self.head_pitch >= vectors_span)
        )


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """A job. start: position of query 0 among the keys; mask: which keys a query sees."""

    q: Tensor
    k: Tensor
    v: Tensor
    o: Tensor
    scales: int
    queries: int
    keys: int
    heads: int
    kv_heads: int
    dimension: int
    start: int = 0
    mask: Mask = CAUSAL
    output_bits: int = 16

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Descriptor":
        """The inverse of `dataclasses.asdict`."""
        tensors = {name: Tensor(**values[name]) for name in ("q", "k", "v", "o")}
        return cls(**{**values, **tensors, "mask": Mask(**values["mask"])})

    def status(self, chip: ChipConfig) -> Status:
        """The first rule that the descriptor breaks, or OK."""
        if not (1 <= self.queries <= POSITIONS and 1 <= self.keys <= POSITIONS):
            return Status.SIZE
        if not (1 <= self.heads <= MAX_HEADS and 1 <= self.kv_heads <= MAX_HEADS):
            return Status.SIZE
        if self.heads % self.kv_heads:
            return Status.HEADS
        if self.dimension != chip.engine.columns:
            return Status.DIMENSION
        if self.output_bits != chip.engine.output_bits:
            return Status.FORMAT
        if not self.mask.legal:
            return Status.MASK
        if self.start + self.queries > POSITIONS:
            return Status.POSITION
        tensors = (self.q, self.k, self.v, self.o)
        places = [x for tensor in tensors for x in (tensor.address, tensor.pitch, tensor.head_pitch)]
        if any(x % chip.bus_bytes for x in [*places, self.scales]):
            return Status.ALIGNMENT
        regions = self.regions(chip)
        if any(end > ADDRESS_SPACE for _, end in regions):
            return Status.ADDRESS
        *operands, (start, end) = regions
        if any(start < other_end and other < end for other, other_end in operands) or not self.o.disjoint(
            self.queries, self.heads, chip.output_bytes
        ):
            return Status.OVERLAP
        return Status.OK

    def regions(self, chip: ChipConfig) -> list[tuple[int, int]]:
        """First byte and first byte behind of q, k, v, the scale table and o."""
        return [
            (self.q.address, self.q.end(self.queries, self.heads, chip.vector_bytes)),
            (self.k.address, self.k.end(self.keys, self.kv_heads, chip.vector_bytes)),
            (self.v.address, self.v.end(self.keys, self.kv_heads, chip.vector_bytes)),
            (self.scales, self.scales + self.heads * SCALE_BYTES),
            (self.o.address, self.o.end(self.queries, self.heads, chip.output_bytes)),
        ]

    def check(self, chip: ChipConfig) -> None:
        """Refuse a descriptor that the chip would refuse."""
        status = self.status(chip)
        if status != Status.OK:
            raise InputError(f"{status.words}, in {self}")
