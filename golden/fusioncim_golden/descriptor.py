"""Job descriptor: what an inference runtime has, and the rules that a chip holds it to.

A job is attention of `heads` query heads over `kv_heads` key and value heads in memory. Vector `n` of head `h` of a
tensor lies at address + n * pitch + h * head_pitch and is `dimension` operands long, packed, first operand lowest; a
value and an output are `value_dimension` long. The scale table holds one 32-bit word of `scale_table` per query head.

    shared      Where V lies where K lies, the first part of a key, or all of it, is its value. It is read once.
    batch       A table of sequences lets one job do many. Each has rows of its own in Q and O, keys of its own in K
                and V, and a mask; the job's `queries` and `keys` are those of the tensors.
    pages       K and V may lie in pages of a pool: key n is in page list[n div tokens], at
                address + page * page pitch + (n mod tokens) * pitch + h * head_pitch.
    intervals   A table of [low, high) per query, two 32-bit words, in the order of the rows of Q: a row sees those of
                the keys of its mask that lie in there.

A chip and its driver refuse a job for the same reasons, in the same order, with the same words. A sequence that breaks
a rule ends with its status before anything of it is written; the others finish.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import (
    DIMENSION_STEP,
    INTERVAL_BYTES,
    MAX_HEADS,
    MAX_PAGE_TOKENS,
    MAX_SEQUENCES,
    PAGE_BYTES,
    POSITIONS,
    SCALE_BYTES,
    SEQUENCE_BYTES,
)
from fusioncim_golden.mask import CAUSAL, Mask
from fusioncim_golden.status import Status


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
class Pages:
    """K and V in pages; the tensors' addresses are those of page 0.

    Members:
        list: address of the page list: the number of the page of every `tokens` keys of the job, 32 bits each.
        tokens: keys of a page, a power of two from the chip's update_rank on.
        count: pages of the pool.
        k_pitch, v_pitch: bytes from a page to the next.
    """

    list: int
    tokens: int
    count: int
    k_pitch: int
    v_pitch: int


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """A sequence of a job.

    Members:
        queries, keys: how many it has; no query: nothing to do; no key: rows of zeros.
        first_row: its first row of Q and O.
        first_key: its first key of K and V; in pages, a multiple of their tokens.
        start: position of its first query among its keys.
        mask: which of its keys a query sees.
    """

    queries: int
    keys: int
    first_row: int = 0
    first_key: int = 0
    start: int = 0
    mask: Mask = CAUSAL

    def status(self, queries: int, keys: int, tokens: int, row: int) -> Status:
        """The first rule that it breaks in a job, or OK.

        queries, keys: of the job. tokens: keys of a page, 1 without. row: the one behind the sequences before.
        """
        if not self.mask.legal:
            return Status.MASK
        if self.start + self.queries > POSITIONS:
            return Status.POSITION
        if not (self.queries >= 0 and row <= self.first_row and self.first_row + self.queries <= queries):
            return Status.SEQUENCE
        if not (self.keys >= 0 and self.first_key >= 0 and self.first_key + self.keys <= keys):
            return Status.SEQUENCE
        return Status.SEQUENCE if self.first_key % tokens else Status.OK


def statuses(sequences: Iterable[Sequence], queries: int, keys: int, tokens: int = 1) -> list[Status]:
    """How each sequence of a good job is judged. The rows of one that is refused are free for the next."""
    row = 0
    found = []
    for each in sequences:
        found.append(each.status(queries, keys, tokens, row))
        if found[-1] == Status.OK:
            row = each.first_row + each.queries
    return found


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """A job.

    Members:
        q, k, v, o, scales: places of the tensors and of the scale table.
        queries, keys: of the tensors Q and O, and of K and V or the page list.
        dimension, value_dimension: of a query and key, of a value and output; 0: the same.
        start: position of query 0 among the keys.
        mask: which keys a query sees.
        table, sequences: address of the table of sequences and how many it has; 0: the job is one sequence.
        pages: of K and V, or None where these are contiguous.
        intervals: address of the table of intervals, or 0 if there is none.
    """

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
    value_dimension: int = 0
    start: int = 0
    mask: Mask = CAUSAL
    output_bits: int = 16
    table: int = 0
    sequences: int = 0
    pages: Pages | None = None
    intervals: int = 0

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Descriptor":
        """The inverse of `dataclasses.asdict`."""
        tensors = {name: Tensor(**values[name]) for name in ("q", "k", "v", "o")}
        pages = Pages(**values["pages"]) if values.get("pages") else None
        return cls(**{**values, **tensors, "mask": Mask(**values["mask"]), "pages": pages})

    def vector_bytes(self, chip: ChipConfig) -> int:
        """Bytes of a query or key."""
        return self.dimension * chip.engine.operand_bits // 8

    def value_bytes(self, chip: ChipConfig) -> int:
        """Bytes of a value."""
        return self.outputs * chip.engine.operand_bits // 8

    def row_bytes(self, chip: ChipConfig) -> int:
        """Bytes of an output row."""
        return self.outputs * chip.engine.output_bits // 8

    @property
    def outputs(self) -> int:
        """Elements of a value and of an output row."""
        return self.value_dimension or self.dimension

    @property
    def shared(self) -> bool:
        """V lies where K lies."""
        alike = not self.pages or self.pages.k_pitch == self.pages.v_pitch
        return self.k == self.v and alike and self.outputs <= self.dimension

    @property
    def alone(self) -> Sequence:
        """The one sequence of a job without a table."""
        return Sequence(queries=self.queries, keys=self.keys, start=self.start, mask=self.mask)

    def status(self, chip: ChipConfig) -> Status:
        """The first rule that the descriptor breaks, or OK."""
        if not (1 <= self.queries <= POSITIONS and 1 <= self.keys <= POSITIONS):
            return Status.SIZE
        if not (1 <= self.heads <= MAX_HEADS and 1 <= self.kv_heads <= MAX_HEADS):
            return Status.SIZE
        if self.heads % self.kv_heads:
            return Status.HEADS
        for dimension in (self.dimension, self.outputs):
            if dimension % DIMENSION_STEP or not DIMENSION_STEP <= dimension <= chip.engine.columns:
                return Status.DIMENSION
        if self.output_bits != chip.engine.output_bits:
            return Status.FORMAT
        if not self.mask.legal:
            return Status.MASK
        if self.start + self.queries > POSITIONS:
            return Status.POSITION
        if self.sequences > MAX_SEQUENCES or (self.sequences and (self.start or self.mask != CAUSAL)):
            return Status.BATCH
        if self.pages:
            tokens = self.pages.tokens
            if tokens & (tokens - 1) or not chip.engine.update_rank <= tokens <= MAX_PAGE_TOKENS:
                return Status.PAGING
            if not 1 <= self.pages.count <= POSITIONS:
                return Status.PAGING
        if any(place % chip.alignment for place in self._places()) or self.table % SEQUENCE_BYTES:
            return Status.ALIGNMENT
        regions = self.regions(chip)
        if any(end > 1 << chip.address_bits for _, end in regions):
            return Status.ADDRESS
        *operands, (start, end) = regions
        if any(start < other_end and other < end for other, other_end in operands) or not self.o.disjoint(
            self.queries, self.heads, self.row_bytes(chip)
        ):
            return Status.OVERLAP
        return Status.OK

    def _places(self) -> list[int]:
        """All addresses and pitches."""
        tensors = (self.q, self.k, self.v, self.o)
        places = [x for tensor in tensors for x in (tensor.address, tensor.pitch, tensor.head_pitch)]
        places += [self.scales, self.table, self.intervals]
        return places + ([self.pages.list, self.pages.k_pitch, self.pages.v_pitch] if self.pages else [])

    def regions(self, chip: ChipConfig) -> list[tuple[int, int]]:
        """First byte and first byte behind of q, k, v, the scales, the tables that there are, and o, the last one."""
        vector = self.vector_bytes(chip)
        keys, beyond = self.keys, {"k": 0, "v": 0}
        tables = []
        if self.sequences:
            tables.append((self.table, self.table + self.sequences * SEQUENCE_BYTES))
        if self.intervals:
            tables.append((self.intervals, self.intervals + self.queries * INTERVAL_BYTES))
        if self.pages:
            pages = self.pages
            entries = -(-keys // pages.tokens)
            tables.append((pages.list, pages.list + entries * PAGE_BYTES))
            keys = pages.tokens
            beyond = {"k": (pages.count - 1) * pages.k_pitch, "v": (pages.count - 1) * pages.v_pitch}
        return [
            (self.q.address, self.q.end(self.queries, self.heads, vector)),
            (self.k.address, self.k.end(keys, self.kv_heads, vector) + beyond["k"]),
            (self.v.address, self.v.end(keys, self.kv_heads, self.value_bytes(chip)) + beyond["v"]),
            (self.scales, self.scales + self.heads * SCALE_BYTES),
            *tables,
            (self.o.address, self.o.end(self.queries, self.heads, self.row_bytes(chip))),
        ]

    def check(self, chip: ChipConfig) -> None:
        """Refuse a descriptor that the chip would refuse."""
        status = self.status(chip)
        if status != Status.OK:
            raise InputError(f"{status.words}, in {self}")


@dataclass(frozen=True, kw_only=True)
class Work:
    """A job and what its tables hold.

    Members:
        job: the descriptor.
        sequences: the table of sequences, or none where the job is one sequence.
        page_list: page of every `tokens` keys, or none where K and V are contiguous.
    """

    job: Descriptor
    sequences: tuple[Sequence, ...] = ()
    page_list: tuple[int, ...] = ()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Work":
        """The inverse of `dataclasses.asdict`."""
        sequences = tuple(Sequence(**{**each, "mask": Mask(**each["mask"])}) for each in values["sequences"])
        return cls(job=Descriptor.from_dict(values["job"]), sequences=sequences, page_list=tuple(values["page_list"]))

    @property
    def parts(self) -> tuple[Sequence, ...]:
        """The sequences, also that of a job without a table."""
        return self.sequences if self.job.sequences else (self.job.alone,)

    def statuses(self) -> list[Status]:
        """How each part of a good job is judged."""
        return statuses(self.parts, self.job.queries, self.job.keys, self.job.pages.tokens if self.job.pages else 1)
