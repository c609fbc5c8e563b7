"""Where a job's tensors, tables and record lie in memory, one behind the other, as a runtime would choose."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusioncim_golden import descriptor
from fusioncim_golden.arith import Int
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import check_choice
from fusioncim_golden.descriptor import Descriptor, HeadTensor, Pages, Tensor, Work
from fusioncim_golden.limits import (
    INTERVAL_BYTES,
    JOB_BYTES,
    PAGE_BYTES,
    SCALE_BYTES,
    SEQUENCE_BYTES,
    TOKEN_SCALE_ALIGNMENT,
    TOKEN_SCALE_KEYS,
)
from fusioncim_golden.mask import CAUSAL, Mask
from fusioncim_golden.quantize import Heads

LAYOUTS = ("token", "head")
"""[tokens][heads][dimension], as a projection leaves it, or [heads][tokens][dimension], as a cache keeps it."""
LINE_BYTES = 64
"""Every tensor and table begins at a multiple of it, or of a beat if that is more."""


@dataclass(frozen=True, kw_only=True)
class Paging:
    """How the keys and values of a job lie in the pages of a pool.

    Members:
        tokens: keys of a page.
        layout: of the vectors in a page, of LAYOUTS.
        seed: of the order of the pages.
        spare: pages of the pool that the job does not have.
    """

    tokens: int
    layout: str = "token"
    seed: int = 0
    spare: int = 3


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """What a job is beside its operands, and how it lies in memory.

    Members:
        start: position of the first query; None: the queries are the last tokens, or those of sequences say.
        mask: which keys a query sees.
        layout: of the tensors, of LAYOUTS.
        paging: of K and V, else contiguous.
        shared: V lies where K lies.
        kv_bits: of an operand of K and V; 0: those of the chip.
        lse: the log-sum-exp of every row is written.
        sequences: of a batch; rows and keys of the operands are then those of all.
        intervals: [queries, 2], the keys that a query sees at most; None: no table.
        gap: bytes by which every place is behind a line, and by which vectors, heads and pages lie farther apart.
        base: the address from which it lies in memory.
    """

    start: int | None = None
    mask: Mask = CAUSAL
    layout: str = "head"
    paging: Paging | None = None
    shared: bool = False
    kv_bits: int = 0
    lse: bool = False
    sequences: Sequence[descriptor.Sequence] = ()
    intervals: Int | None = None
    gap: int = 0
    base: int = 0


class Allocator:
    """Hands out places from `base` on.

    gap: bytes by which every place lies behind its line, and by which vectors, heads and pages lie farther apart than
    they must.
    """

    def __init__(self, chip: ChipConfig, base: int, gap: int) -> None:
        self.chip, self.here, self.gap = chip, base, gap

    def table(self, size: int, multiple: int) -> int:
        """A place for so many bytes, at a multiple."""
        place = -(-self.here // multiple) * multiple
        self.here = place + size
        return place

    def gapped(self, size: int) -> int:
        """A place for so many bytes behind the next line."""
        return self.table(self.gap + size, max(self.chip.bus_bytes, LINE_BYTES)) + self.gap

    def tensor(
        self, layout: str, vectors: int, heads: int, size: int, pages: int = 1, tail: int = 0
    ) -> tuple[Tensor, int]:
        """A place for vectors of so many bytes, of each of the pages, and bytes from a page to the next.

        tail: bytes behind the vectors of each page.
        """
        check_choice("layout", layout, LAYOUTS)
        step = -(-size // self.chip.alignment) * self.chip.alignment + self.gap
        inner, outer = (heads, vectors) if layout == "token" else (vectors, heads)
        far = inner * step + self.gap
        page = outer * far + self.gap
        if tail:
            page = -(-page // TOKEN_SCALE_ALIGNMENT) * TOKEN_SCALE_ALIGNMENT + TOKEN_SCALE_ALIGNMENT + tail
        pitches = (far, step) if layout == "token" else (step, far)
        return Tensor(address=self.gapped(pages * page), pitch=pitches[0], head_pitch=pitches[1]), page

    def words(self, count: int, heads: int, multiple: int) -> HeadTensor:
        """A place for so many words of each KV head, at multiples of so many bytes."""
        pitch = -(-(4 * count + self.gap) // multiple) * multiple
        return HeadTensor(address=self.table(heads * pitch, max(LINE_BYTES, multiple)), pitch=pitch)


def place(chip: ChipConfig, groups: Sequence[Heads], options: JobOptions) -> tuple[Work, int]:
    """The job of these operands, and the address of its record; groups: as of `memory_image.place_job`."""
    (members, queries, dimension), keys, kv_heads = groups[0].q.shape, len(groups[0].k), len(groups)
    heads, one = members * kv_heads, groups[0]
    outputs, shared = one.v.shape[1], options.shared
    bits = options.kv_bits or chip.engine.operand_bits
    vector, value = (size * bits // 8 for size in (dimension, outputs))
    row = outputs * chip.engine.output_bits // 8
    free = Allocator(chip, options.base, options.gap)
    q, _ = free.tensor(options.layout, queries, heads, dimension * chip.engine.operand_bits // 8)
    paging, sequences, start = options.paging, options.sequences, options.start
    pages, page_list = None, ()
    token_scales = None
    if paging:
        count = -(-keys // paging.tokens) + paging.spare
        scales_pitch = -(-paging.tokens // TOKEN_SCALE_KEYS) * TOKEN_SCALE_ALIGNMENT
        tail = kv_heads * scales_pitch if one.token_scales is not None else 0
        k, k_pitch = free.tensor(paging.layout, paging.tokens, kv_heads, vector, count, tail)
        if tail:
            behind = (k.address + k_pitch - tail) // TOKEN_SCALE_ALIGNMENT * TOKEN_SCALE_ALIGNMENT
            token_scales = HeadTensor(address=behind, pitch=scales_pitch)
        v, v_pitch = (k, k_pitch) if shared else free.tensor(paging.layout, paging.tokens, kv_heads, value, count)
        order = np.random.default_rng(paging.seed).permutation(count)
        page_list = tuple(order[: count - paging.spare].tolist())
    else:
        k, _ = free.tensor(options.layout, keys, kv_heads, vector)
        v, _ = (k, 0) if shared else free.tensor(options.layout, keys, kv_heads, value)
        if one.token_scales is not None:
            whole = -(-keys // TOKEN_SCALE_KEYS) * TOKEN_SCALE_KEYS
            token_scales = free.words(whole, kv_heads, TOKEN_SCALE_ALIGNMENT)
    o, _ = free.tensor(options.layout, queries, heads, row)
    scales = free.gapped(heads * SCALE_BYTES)
    if paging:
        place_of_list = free.gapped(len(page_list) * PAGE_BYTES)
        pages = Pages(list=place_of_list, tokens=paging.tokens, count=count, k_pitch=k_pitch, v_pitch=v_pitch)
    job = Descriptor(
        q=q,
        k=k,
        v=v,
        o=o,
        scales=scales,
        queries=queries,
        keys=keys,
        heads=heads,
        kv_heads=kv_heads,
        dimension=dimension,
        value_dimension=outputs if outputs != dimension else 0,
        start=(0 if sequences else max(keys - queries, 0)) if start is None else start,
        mask=options.mask,
        output_bits=chip.engine.output_bits,
        table=free.table(len(sequences) * SEQUENCE_BYTES, SEQUENCE_BYTES) if sequences else 0,
        sequences=len(sequences),
        pages=pages,
        intervals=free.gapped(queries * INTERVAL_BYTES) if options.intervals is not None else 0,
        sinks=free.gapped(heads * SCALE_BYTES) if one.sinks is not None else 0,
        slopes=free.gapped(heads * SCALE_BYTES) if one.slopes is not None else 0,
        kv_bits=options.kv_bits,
        token_scales=token_scales,
        lse=free.words(queries * members, kv_heads, chip.alignment) if options.lse else None,
    )
    return Work(job=job, sequences=tuple(sequences), page_list=page_list), free.table(JOB_BYTES, JOB_BYTES)
