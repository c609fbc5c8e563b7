"""Job descriptor: what an inference runtime has, and the rules that a chip holds it to.

A job is attention of `heads` query heads over `kv_heads` key and value heads in memory. Vector `n` of head `h` of a
tensor lies at address + n * pitch + h * head_pitch and is `dimension` operands long, packed, first operand lowest; a
value and an output are `value_dimension` long. The scale table holds one 32-bit word of `scale_table` per query head,
and so do the tables of `sinks` and `slopes`, if there are any.

    shared      Where V lies where K lies, the first part of a key, or all of it, is its value. It is read once.
    batch       A table of sequences lets one job do many. Each has rows of its own in Q and O, keys of its own in K
                and V, and a mask; the job's `queries` and `keys` are those of the tensors.
    pages       K and V may lie in pages of a pool: key n is in page list[n div tokens], at
                address + page * page pitch + (n mod tokens) * pitch + h * head_pitch.
    intervals   A table of [low, high) per query, two 32-bit words, in the order of the rows of Q: a row sees those of
                the keys of its mask that lie in there.
    packed      With 4 bits in a chip of 8-bit operands, K and V are packed, two operands to a byte, the first one low.
                Such an operand counts as 16 times itself.
    tokens      Keys may have scales: 32 bits of `token_scale` per key, at address + h * pitch + n * 4, in pages at
                address + page * page pitch of K + h * pitch + (n mod tokens) * 4.
    lse         The log-sum-exp of every row, 32 bits, if it is asked for: of query n and query head j of the group of a
                KV head h at address + h * pitch + (n * group + j) * 4.

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
    LSE_BYTES,
    MAX_HEADS,
    MAX_PAGE_TOKENS,
    MAX_SEQUENCES,
    PACKED_BITS,
    PAGE_BYTES,
    POSITIONS,
    SCALE_BYTES,
    SEQUENCE_BYTES,
    SLOPE_POSITIONS,
    TOKEN_SCALE_ALIGNMENT,
    TOKEN_SCALE_KEYS,
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
class HeadTensor:
    """Place of a tensor with words of 32 bits side by side: byte address, bytes from a KV head to the next."""

    address: int
    pitch: int

    def end(self, words: int, heads: int) -> int:
        """First byte behind the tensor."""
        return self.address + (heads - 1) * self.pitch + 4 * words


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

    def status(self, bounds: "Bounds", row: int) -> Status:
        """The first rule that it breaks in a job, or OK; row: the one behind the sequences before."""
        queries, keys = bounds.queries, bounds.keys
        if not self.mask.legal:
            return Status.MASK
        if self.start + self.queries > bounds.positions:
            return Status.POSITION
        if not (self.queries >= 0 and row <= self.first_row and self.first_row + self.queries <= queries):
            return Status.SEQUENCE
        if not (0 <= self.keys <= bounds.positions and self.first_key >= 0 and self.first_key + self.keys <= keys):
            return Status.SEQUENCE
        return Status.SEQUENCE if self.first_key % bounds.step else Status.OK


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a job says of its sequences.

    Members:
        queries, keys: that it has.
        step: of which their first keys are multiples.
        positions: the largest position, and the most keys.
    """

    queries: int
    keys: int
    step: int = 1
    positions: int = POSITIONS


def legal_dimension(dimension: int, columns: int) -> bool:
    """A chip of so many columns takes heads of this dimension."""
    return dimension % DIMENSION_STEP == 0 and DIMENSION_STEP <= dimension <= columns


def statuses(sequences: Iterable[Sequence], bounds: Bounds) -> list[Status]:
    """How each sequence of a good job is judged. The rows of one that is refused are free for the next."""
    row = 0
    found = []
    for each in sequences:
        found.append(each.status(bounds, row))
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
        intervals, sinks, slopes: addresses of these tables, or 0 if there is none.
        kv_bits: of an operand of K and V; 0: those of the chip.
        token_scales, lse: places of these, or None.
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
    sinks: int = 0
    slopes: int = 0
    kv_bits: int = 0
    token_scales: HeadTensor | None = None
    lse: HeadTensor | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Descriptor":
        """The inverse of `dataclasses.asdict`."""
        tensors = {name: Tensor(**values[name]) for name in ("q", "k", "v", "o")}
        pages = Pages(**values["pages"]) if values.get("pages") else None
        heads = {name: HeadTensor(**values[name]) for name in ("token_scales", "lse") if values.get(name)}
        return cls(**{**values, **tensors, **heads, "mask": Mask(**values["mask"]), "pages": pages})

    def query_bytes(self, chip: ChipConfig) -> int:
        """Bytes of a query."""
        return self.dimension * chip.engine.operand_bits // 8

    def key_bytes(self, chip: ChipConfig) -> int:
        """Bytes of a key."""
        return self.dimension * (self.kv_bits or chip.engine.operand_bits) // 8

    def value_bytes(self, chip: ChipConfig) -> int:
        """Bytes of a value."""
        return self.outputs * (self.kv_bits or chip.engine.operand_bits) // 8

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
    def bounds(self) -> Bounds:
        """What it says of its sequences."""
        step = self.pages.tokens if self.pages else TOKEN_SCALE_KEYS if self.token_scales else 1
        positions = SLOPE_POSITIONS if self.slopes else POSITIONS
        return Bounds(queries=self.queries, keys=self.keys, step=step, positions=positions)

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
            if not legal_dimension(dimension, chip.engine.columns):
                return Status.DIMENSION
        if self.output_bits != chip.engine.output_bits or not self._fits(chip):
            return Status.FORMAT
        if not self.mask.legal:
            return Status.MASK
        positions = POSITIONS if self.sequences else self.bounds.positions
        if self.start + self.queries > positions or self.keys > positions:
            return Status.POSITION
        if self.sequences > MAX_SEQUENCES or (self.sequences and (self.start or self.mask != CAUSAL)):
            return Status.BATCH
        if self.pages:
            tokens = self.pages.tokens
            if tokens & (tokens - 1) or not chip.engine.update_rank <= tokens <= MAX_PAGE_TOKENS:
                return Status.PAGING
            if not 1 <= self.pages.count <= POSITIONS:
                return Status.PAGING
        if self._unaligned(chip):
            return Status.ALIGNMENT
        operands, outputs = self.operands(chip), self.results(chip)
        if any(end > 1 << chip.address_bits for _, end in operands + outputs):
            return Status.ADDRESS
        meet = any(start < other_end and other < end for start, end in outputs for other, other_end in operands)
        if meet or not self._apart(chip, outputs):
            return Status.OVERLAP
        return Status.OK

    def _fits(self, chip: ChipConfig) -> bool:
        """Whether the chip has what the job asks for, and K and V have bits that it takes."""
        bits = chip.engine.operand_bits
        lacks = (self.slopes and not chip.engine.alibi) or (self.token_scales and not chip.engine.token_scale_bits)
        return self.kv_bits in (0, bits, min(bits, PACKED_BITS)) and not lacks

    def _unaligned(self, chip: ChipConfig) -> bool:
        """Whether an address or a pitch is no multiple of what it must be."""
        tensors = (self.q, self.k, self.v, self.o)
        places = [x for tensor in tensors for x in (tensor.address, tensor.pitch, tensor.head_pitch)]
        places += [self.scales, self.table, self.intervals, self.sinks, self.slopes]
        places += [self.pages.list, self.pages.k_pitch, self.pages.v_pitch] if self.pages else []
        places += [self.lse.address, self.lse.pitch] if self.lse else []
        tokens = [self.token_scales.address, self.token_scales.pitch] if self.token_scales else []
        tokens += [self.pages.k_pitch] if self.pages and tokens else []
        return (
            any(place % chip.alignment for place in places)
            or any(place % TOKEN_SCALE_ALIGNMENT for place in tokens)
            or self.table % SEQUENCE_BYTES != 0
        )

    def _apart(self, chip: ChipConfig, outputs: list[tuple[int, int]]) -> bool:
        """Whether no byte is that of two outputs."""
        alone = self.o.disjoint(self.queries, self.heads, self.row_bytes(chip))
        if not self.lse:
            return alone
        (start, end), (other, other_end) = outputs
        inside = self.kv_heads == 1 or self.lse.pitch >= LSE_BYTES * self.queries * (self.heads // self.kv_heads)
        return alone and inside and (end <= other or other_end <= start)

    def results(self, chip: ChipConfig) -> list[tuple[int, int]]:
        """First byte and first byte behind of o, and of the log-sum-exp if that is asked for."""
        rows = self.queries * (self.heads // self.kv_heads)
        lse = [(self.lse.address, self.lse.end(rows, self.kv_heads))] if self.lse else []
        return [(self.o.address, self.o.end(self.queries, self.heads, self.row_bytes(chip))), *lse]

    def operands(self, chip: ChipConfig) -> list[tuple[int, int]]:
        """First byte and first byte behind of q, k, v, the scales, and what there is besides."""
        keys, beyond = self.keys, {"k": 0, "v": 0}
        tables = []
        if self.sequences:
            tables.append((self.table, self.table + self.sequences * SEQUENCE_BYTES))
        if self.intervals:
            tables.append((self.intervals, self.intervals + self.queries * INTERVAL_BYTES))
        words = (self.scales, *filter(None, (self.sinks, self.slopes)))
        tables.extend((place, place + self.heads * SCALE_BYTES) for place in words)
        if self.pages:
            pages = self.pages
            entries = -(-keys // pages.tokens)
            tables.append((pages.list, pages.list + entries * PAGE_BYTES))
            keys = pages.tokens
            beyond = {"k": (pages.count - 1) * pages.k_pitch, "v": (pages.count - 1) * pages.v_pitch}
        if self.token_scales:
            whole = -(-keys // TOKEN_SCALE_KEYS) * TOKEN_SCALE_KEYS
            tables.append((self.token_scales.address, self.token_scales.end(whole, self.kv_heads) + beyond["k"]))
        return [
            (self.q.address, self.q.end(self.queries, self.heads, self.query_bytes(chip))),
            (self.k.address, self.k.end(keys, self.kv_heads, self.key_bytes(chip)) + beyond["k"]),
            (self.v.address, self.v.end(keys, self.kv_heads, self.value_bytes(chip)) + beyond["v"]),
            *tables,
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
        return statuses(self.parts, self.job.bounds)
