"""Attention of language models as jobs of the chip.

A layer is one job: all its heads over all sequences. Layers follow each other, as every layer needs the results of the
one before, and all layers are alike. A chunked prefill is a job per chunk, over all keys up to it.

Latent attention is mapped in its absorbed form (DeepSeek-V2, arXiv:2405.04434, section 2.1.2): the projections that
lead up from the latent vector are multiplied into the queries and out of the outputs, and all query heads share one
"key", the latent vector with its rotary part, whose first part is the value. The chip contracts a whole vector in one
array: scores of parts cannot be added, within an engine or across. So its `columns` must be at least the length of the
key. The value is the first part of the same vector in memory, which is read once.

A head dimension below `columns` is a job's dimension: vectors in memory are that long, and the array's further columns
do nothing. A batch is one job of many sequences; pages lie in a pool in no order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import check_choice, check_range
from fusioncim_golden.descriptor import Descriptor, Pages, Sequence, Tensor, Work
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import (
    DIMENSION_STEP,
    JOB_BYTES,
    MAX_HEADS,
    MAX_PAGE_TOKENS,
    MAX_SEQUENCES,
    PAGE_BYTES,
    POSITIONS,
    SCALE_BYTES,
    SEQUENCE_BYTES,
)
from fusioncim_golden.mask import CAUSAL, FULL, Mask

MAX_LAYERS = 10_000


@dataclass(frozen=True, kw_only=True)
class Model:
    """The attention of a language model.

    Members:
        name, source: of the model.
        layers: so many, all alike.
        heads, kv_heads: query heads; key and value heads.
        key_size, value_size: elements of a key and of a value of a head.
        mask: which keys a token sees.
        latent: keys and values are one latent vector.
    """

    name: str
    layers: int
    heads: int
    kv_heads: int
    key_size: int
    value_size: int
    mask: Mask = CAUSAL
    latent: bool = False
    source: str

    def __post_init__(self) -> None:
        check_range("layers", self.layers, 1, MAX_LAYERS)
        check_range("heads", self.heads, 1, MAX_HEADS)
        check_range("kv_heads", self.kv_heads, 1, MAX_HEADS)
        if self.heads % self.kv_heads:
            raise InputError(f"kv_heads must divide heads = {self.heads}, not {self.kv_heads}")
        for name in ("key_size", "value_size"):
            check_range(name, getattr(self, name), 1, 1 << 16)

    def times(self, layers: int) -> "Model":
        """So many of these layers."""
        return replace(self, layers=layers)

    @property
    def looks_back(self) -> bool:
        """No token sees one behind it, so that a chunk of a prefill needs the keys up to its own alone."""
        return self.mask.ahead == 0


def _plain(name: str, layers: int, heads: int, kv_heads: int, size: int, source: str, *, mask: Mask = CAUSAL) -> Model:
    return Model(
        name=name, layers=layers, heads=heads, kv_heads=kv_heads, key_size=size, value_size=size, mask=mask,
        source=source,
    )  # fmt: skip


MODELS: Mapping[str, Model] = {
    model.name: model
    for model in (
        _plain("llama3-8b", 32, 32, 8, 128, "The Llama 3 herd of models, arXiv:2407.21783, table 3"),
        _plain("llama3-70b", 80, 64, 8, 128, "The Llama 3 herd of models, arXiv:2407.21783, table 3"),
        _plain("llama2-7b", 32, 32, 32, 128, "Llama 2, arXiv:2307.09288; meta-llama/Llama-2-7b-hf, config.json"),
        _plain("gpt3-175b", 96, 96, 96, 128, "Language models are few-shot learners, arXiv:2005.14165, table 2.1"),
        _plain("bert-base", 12, 12, 12, 64, "BERT, arXiv:1810.04805, section 3", mask=FULL),
        Model(
            name="deepseek-v3",
            layers=61,
            heads=128,
            kv_heads=1,
            key_size=512 + 64,
            value_size=512,
            latent=True,
            source="DeepSeek-V3, arXiv:2412.19437, section 4.2: latent dimension 512, rotary dimension 64",
        ),
    )
}


def model(name: str) -> Model:
    """The model of that name."""
    check_choice("model", name, (*MODELS, "a path of a config.json"))
    return MODELS[name]


def changed(this: Model, values: Mapping[str, Any]) -> Model:
    """The model with some numbers changed; None leaves one as it is."""
    given = {name: value for name, value in values.items() if value is not None}
    return replace(this, **given, name=f"{this.name}, changed") if given else this


@dataclass(frozen=True, kw_only=True)
class Phase:
    """What is computed of a sequence.

    tokens: of the whole sequence. Prefill: all of them, or in chunks of `chunk` of them. Decode: the last `new` tokens
    at once (parallel or speculative decoding), all others are in the cache.
    """

    tokens: int
    chunk: int | None = None
    new: int | None = None

    def __post_init__(self) -> None:
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
    """How many sequences a job has, all alike, and how their keys and values lie in memory.

    page_tokens: keys of a page, of a pool whose pages are in no order; None: contiguous.
    """

    sequences: int = 1
    page_tokens: int | None = None

    def __post_init__(self) -> None:
        check_range("sequences", self.sequences, 1, MAX_SEQUENCES)


CONTIGUOUS = Cache()
"""One sequence, and its keys and values in one piece."""


def check_fits(chip: ChipConfig, this: Model) -> None:
    """Refuse a model whose vectors the arrays cannot hold."""
    size, columns = max(this.key_size, this.value_size), chip.engine.columns
    if size > columns:
        raise InputError(
            f"the vectors of {this.name} have {size} elements and columns must be at least as many, as partial scores "
            f"cannot be added: choose a chip with more columns, not {columns}"
        )


def job_of(
    chip: ChipConfig,
    this: Model,
    queries: int,
    start: int,
    keys: int,
    kv_heads: int | None = None,
    cache: Cache = CONTIGUOUS,
) -> Work:
    """A layer's job; queries, start, keys: of each sequence of `cache`; kv_heads, layout: as of `batch_of`."""
    return batch_of(chip, this, [(queries, start, keys)] * cache.sequences, cache.page_tokens, kv_heads)


def batch_of(
    chip: ChipConfig,
    this: Model,
    parts: Iterable[tuple[int, int, int]],
    page_tokens: int | None = None,
    kv_heads: int | None = None,
) -> Work:
    """A layer's job, its tensors one behind the other: head after head, as a cache keeps them.

    parts: queries, position of the first one and keys of every sequence. page_tokens: as of `Cache`. kv_heads: only so
    many of the key and value heads, with their query heads.
    """
    check_fits(chip, this)
    if page_tokens is not None:
        check_choice("keys of a page", page_tokens, page_sizes(chip))
    kv_heads = kv_heads or this.kv_heads
    heads = kv_heads * (this.heads // this.kv_heads)
    dimension, outputs = dimension_of(this), value_dimension_of(this)
    sequences, page = [], page_tokens or 1
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

    def tensor(size: int, vectors: int, count: int, operand_bits: int, copies: int = 1) -> Tensor:
        size = -(-size * operand_bits // 8 // chip.alignment) * chip.alignment
        return Tensor(address=place(copies * vectors * count * size), pitch=size, head_pitch=vectors * size)

    bits = chip.engine.operand_bits
    q = tensor(dimension, rows, heads, bits)
    shape = (page, kv_heads, bits, pool) if page_tokens else (room, kv_heads, bits)
    k = tensor(dimension, *shape)
    v = k if this.latent else tensor(outputs, *shape)
    o = tensor(outputs, rows, heads, chip.engine.output_bits)
    pages = None
    if page_tokens:
        k_pitch, v_pitch = (kv_heads * each.head_pitch for each in (k, v))
        pages = Pages(list=place(pool * PAGE_BYTES), tokens=page, count=pool, k_pitch=k_pitch, v_pitch=v_pitch)
    scales = place(heads * SCALE_BYTES)
    table = 0 if alone else place(many * SEQUENCE_BYTES)
    if end > 1 << chip.address_bits:
        raise InputError(
            f"a layer of {this.name} with {rows:,} queries and {keys:,} keys must fit into the "
            f"{1 << chip.address_bits:,} bytes that the chip addresses (chunks hold fewer queries and outputs), "
            f"not take {end:,}"
        )
    return Work(
        job=Descriptor(
            q=q, k=k, v=v, o=o, scales=scales, queries=rows, keys=keys, heads=heads, kv_heads=kv_heads,
            dimension=dimension, value_dimension=0 if outputs == dimension else outputs,
            start=sequences[0].start if alone else 0, mask=this.mask if alone else CAUSAL,
            output_bits=chip.engine.output_bits, table=table, sequences=0 if alone else many, pages=pages,
        ),
        sequences=() if alone else tuple(sequences),
        page_list=tuple(np.random.default_rng(1).permutation(pool).tolist()) if pages else (),
    )  # fmt: skip


def dimension_of(this: Model) -> int:
    """Elements of the queries and keys of a model's job, rounded up."""
    return -(-this.key_size // DIMENSION_STEP) * DIMENSION_STEP


def value_dimension_of(this: Model) -> int:
    """Elements of the values and outputs of a model's job, rounded up."""
    return -(-this.value_size // DIMENSION_STEP) * DIMENSION_STEP


def page_sizes(chip: ChipConfig) -> tuple[int, ...]:
    """Keys that a page may have."""
    sizes = (1 << bits for bits in range(MAX_PAGE_TOKENS.bit_length()))
    return tuple(size for size in sizes if size >= chip.engine.update_rank)


def scores(this: Model, queries: int, start: int, keys: int) -> int:
    """Unmasked scores of a layer's job."""
    return this.heads * this.mask.pairs(start, queries, keys)


def most_keys(this: Model, queries: int, start: int, keys: int) -> int:
    """Most keys that a row of a layer's job sees."""
    low, high = this.mask.interval(np.arange(start, start + queries), keys)
    return int((high - low).max())
