"""Attention of language models as jobs of the chip.

A layer is one job: all its heads over all sequences. Layers follow each other, as every layer needs the results of the
one before, and all layers are alike. A chunked prefill is a job per chunk, over all keys up to it.

The chip contracts a whole vector in one array: scores of parts cannot be added, within an engine or across. So its
`columns` must be at least the length of a key. Where keys and values are one latent vector, this is read once.

A head dimension below `columns` is a job's dimension: vectors in memory are that long, and the array's further columns
do nothing. A batch is one job of many sequences; pages lie in a pool in no order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import check_choice, check_range
from fusioncim_golden.descriptor import Descriptor, HeadTensor, Pages, Sequence, Tensor, Work
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import (
    JOB_BYTES,
    MAX_PAGE_TOKENS,
    MAX_SEQUENCES,
    PACKED_BITS,
    PAGE_BYTES,
    POSITIONS,
    SCALE_BYTES,
    SEQUENCE_BYTES,
    TOKEN_SCALE_ALIGNMENT,
    TOKEN_SCALE_BYTES,
    TOKEN_SCALE_KEYS,
)
from fusioncim_golden.mask import CAUSAL
from fusioncim_sim.system.models import Model, dimension_of, value_dimension_of


@dataclass(frozen=True, kw_only=True)
class Phase:
    """What is computed of a sequence.

    tokens: of the whole sequence. Prefill: all of them, or in chunks of `chunk` of them. Decode: the last `new` tokens
    at once (parallel or speculative decoding), all others are in the cache. sequences: so many, all alike, are one job.
    """

    tokens: int
    chunk: int | None = None
    new: int | None = None
    sequences: int = 1

    def __post_init__(self) -> None:
        check_range("sequences", self.sequences, 1, MAX_SEQUENCES)
        check_range("tokens", self.tokens, 1, POSITIONS)
        if self.chunk is not None and self.new is not None:
            raise InputError(f"a decode has no chunks: only one of chunk and new tokens may be given, not {self.chunk}")
        if self.chunk is not None:
            check_range("chunk", self.chunk, 1, self.tokens)
        if self.new is not None:
            check_range("new tokens", self.new, 1, self.tokens)

    def pieces(self) -> list[tuple[int, int]]:
        """The position of the first query and the number of queries, job after job."""
        if self.new is not None:
            return [(self.tokens - self.new, self.new)]
        size = self.chunk or self.tokens
        return [(start, min(size, self.tokens - start)) for start in range(0, self.tokens, size)]


@dataclass(frozen=True, kw_only=True)
class Cache:
    """How keys and values lie in memory.

    Members:
        page_tokens: keys of a page, of a pool whose pages are in no order; None: contiguous.
        kv_bits: bits of an element; 0: those of the chip.
        token_scales: every key and value has a scale of its own.
    """

    page_tokens: int | None = None
    kv_bits: int = 0
    token_scales: bool = False

    @property
    def words(self) -> str:
        """What is said of it behind a number of tokens."""
        bits = f", {self.kv_bits}-bit cache" if self.kv_bits else ""
        scales = ", scales per token" if self.token_scales else ""
        pages = f", in pages of {self.page_tokens:,} tokens" if self.page_tokens else ""
        return bits + scales + pages

    def rests(self, chip: ChipConfig) -> bool:
        """Whether low bit-planes of its keys rest, which no energy is known of."""
        return 0 < self.kv_bits < chip.engine.operand_bits


BOUND = "Engines take at most this: with 4-bit keys and values their low bit-planes rest, which is not counted."
"""What is said of energies of such caches."""
CONTIGUOUS = Cache()
"""Keys and values in one piece, of the chip's own bits, with a scale per head."""
FORMATS: Mapping[str, Cache] = {
    "int8": CONTIGUOUS,
    "int8-per-token": Cache(token_scales=True),
    "int4": Cache(kv_bits=PACKED_BITS),
    "int4-per-token": Cache(kv_bits=PACKED_BITS, token_scales=True),
}
"""What caches of serving programs hold."""


def cache_of(name: str, page_tokens: int | None) -> Cache:
    """The cache of a name of FORMATS, in such pages."""
    check_choice("cache", name, tuple(FORMATS))
    return replace(FORMATS[name], page_tokens=page_tokens)


def check_fits(chip: ChipConfig, this: Model) -> None:
    """Refuse a model whose vectors the arrays cannot hold, or that has what the chip has not."""
    if this.slopes and not chip.engine.alibi:
        raise InputError(f"{this.name} has slopes (ALiBi): the chip must have alibi = true, not false")
    size, columns = max(this.key_size, this.value_size), chip.engine.columns
    if size > columns:
        raise InputError(
            f"the vectors of {this.name} have {size} elements and columns must be at least as many, as partial scores "
            f"cannot be added: choose a chip with more columns, not {columns}"
        )


def check_chunk(this: Model, chunk: int | None) -> None:
    """Refuse chunks that would divide a prefix whose tokens see each other."""
    if chunk is not None and chunk < this.mask.prefix:
        raise InputError(f"a chunk of {this.name} must hold its prefix of {this.mask.prefix} tokens, not {chunk}")


def job_of(
    chip: ChipConfig,
    this: Model,
    queries: int,
    start: int,
    keys: int,
    kv_heads: int | None = None,
    cache: Cache = CONTIGUOUS,
    sequences: int = 1,
) -> Work:
    """A layer's job; queries, start, keys: of each of the sequences; kv_heads, cache: as of `batch_of`."""
    return batch_of(chip, this, [(queries, start, keys)] * sequences, cache, kv_heads)


def batch_of(
    chip: ChipConfig,
    this: Model,
    parts: Iterable[tuple[int, int, int]],
    cache: Cache = CONTIGUOUS,
    kv_heads: int | None = None,
) -> Work:
    """A layer's job, its tensors one behind the other: head after head, as a cache keeps them.

    parts: queries, position of the first one and keys of every sequence. kv_heads: only so many of the key and value
    heads, with their query heads.
    """
    check_fits(chip, this)
    page_tokens, scaled = cache.page_tokens, cache.token_scales
    if scaled and not chip.engine.token_scale_bits:
        raise InputError("scales per token need a chip with token_scale_bits = 1 or 8, not 0")
    if page_tokens is not None:
        check_choice("keys of a page", page_tokens, page_sizes(chip))
    kv_heads = kv_heads or this.kv_heads
    heads = kv_heads * (this.heads // this.kv_heads)
    dimension, outputs = dimension_of(this), value_dimension_of(this)
    sequences, page = [], page_tokens or (TOKEN_SCALE_KEYS if scaled else 1)
    rows = room = 0  # of all sequences so far, with whole pages of keys
    for queries, start, keys in parts:
        sequences.append(
            Sequence(queries=queries, keys=keys, first_row=rows, first_key=room, start=start, mask=this.mask)
        )
        rows, room = rows + queries, room + -(-keys // page) * page
    many, pool, end = len(sequences), room // page, 0
    alone = many == 1
    keys = sequences[0].keys if alone else room
    check_range("keys of all sequences of a job", keys, 1, POSITIONS)

    def place(count: int) -> int:
        nonlocal end
        address = -(-end // JOB_BYTES) * JOB_BYTES
        end = address + count
        return address

    def tensor(size: int, vectors: int, count: int, operand_bits: int, copies: int = 1, tail: int = 0) -> Tensor:
        size = -(-size * operand_bits // 8 // chip.alignment) * chip.alignment
        pool = copies * (vectors * count * size + tail)
        return Tensor(address=place(pool), pitch=size, head_pitch=vectors * size)

    q = tensor(dimension, rows, heads, chip.engine.operand_bits)
    bits = cache.kv_bits or chip.engine.operand_bits
    shape = (page if page_tokens else room, kv_heads, bits, pool if page_tokens else 1)
    run = -(-page // TOKEN_SCALE_KEYS) * TOKEN_SCALE_ALIGNMENT  # bytes of the scales of a head's keys in a page
    tail = kv_heads * run if scaled and page_tokens else 0  # where pages are, each has those of its keys
    if tail and kv_heads * page * -(-dimension * bits // 8) % TOKEN_SCALE_ALIGNMENT:
        raise InputError(
            f"pages with scales per token must be multiples of {TOKEN_SCALE_ALIGNMENT} bytes, not of "
            f"{kv_heads * page * dimension * bits // 8}"
        )
    k = tensor(dimension, *shape, tail)
    v = k if this.latent else tensor(outputs, *shape)
    o = tensor(outputs, rows, heads, chip.engine.output_bits)
    pages = None
    if page_tokens:
        k_pitch, v_pitch = (kv_heads * each.head_pitch + (tail if each is k else 0) for each in (k, v))
        pages = Pages(list=place(pool * PAGE_BYTES), tokens=page, count=pool, k_pitch=k_pitch, v_pitch=v_pitch)
    token_scales = None
    if tail:
        token_scales = HeadTensor(address=k.address + kv_heads * k.head_pitch, pitch=run)
    elif scaled:
        words = room * TOKEN_SCALE_BYTES
        token_scales = HeadTensor(address=place(kv_heads * words), pitch=words)
    tables = [place(heads * SCALE_BYTES) if there else 0 for there in (True, this.sinks, this.slopes)]
    table = 0 if alone else place(many * SEQUENCE_BYTES)
    if end > 1 << chip.address_bits:
        raise InputError(
            f"a layer of {this.name} with {rows:,} queries and {keys:,} keys must fit into the "
            f"{1 << chip.address_bits:,} bytes that the chip addresses (chunks hold fewer queries and outputs), "
            f"not take {end:,}"
        )
    return Work(
        job=Descriptor(
            q=q, k=k, v=v, o=o, scales=tables[0], queries=rows, keys=keys, heads=heads, kv_heads=kv_heads,
            dimension=dimension, value_dimension=0 if outputs == dimension else outputs,
            start=sequences[0].start if alone else 0, mask=this.mask if alone else CAUSAL,
            output_bits=chip.engine.output_bits, table=table, sequences=0 if alone else many, pages=pages,
            sinks=tables[1], slopes=tables[2], kv_bits=cache.kv_bits, token_scales=token_scales,
        ),
        sequences=() if alone else tuple(sequences),
        page_list=tuple(np.random.default_rng(1).permutation(pool).tolist()) if pages else (),
    )  # fmt: skip


def page_sizes(chip: ChipConfig) -> tuple[int, ...]:
    """Keys that a page may have."""
    sizes = (1 << bits for bits in range(MAX_PAGE_TOKENS.bit_length()))
    return tuple(size for size in sizes if size >= chip.engine.update_rank)
