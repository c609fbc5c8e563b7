"""Where a language model's cache and its jobs lie in the memory of a chip.

Every layer has a pool of pages for K, with the scales of their tokens behind the keys of each, and one for V. All
layers share one list of pages: a page holds the same tokens of a sequence in all of them. A sequence has a fixed part
of the list, so that a new page is one more word. Q, O, the tables and the record of a job are those of the layer that
is being computed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import check_range
from fusioncim_golden.descriptor import Descriptor, HeadTensor, Pages, legal_dimension
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import (
    DIMENSION_STEP,
    JOB_BYTES,
    MAX_HEADS,
    MAX_SEQUENCES,
    PAGE_BYTES,
    POSITIONS,
    SCALE_BYTES,
    SEQUENCE_BYTES,
    TOKEN_SCALE_ALIGNMENT,
    TOKEN_SCALE_KEYS,
)
from fusioncim_sim.rtl.job_places import Allocator

PAGE_TOKENS = 16
"""Tokens of a page, unless told."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What a layer's attention has.

    Members:
        heads: query heads.
        kv_heads: key and value heads.
        columns: elements of a query and of a key.
        value_columns: elements of a value.
    """

    heads: int
    kv_heads: int
    columns: int
    value_columns: int


@dataclass(frozen=True, kw_only=True)
class CacheShape:
    """What a cache must hold.

    Members:
        layers: by their index in the model.
        sequences: how many there are.
        tokens: of a sequence, at most.
        rows: most new tokens of all sequences together.
        bits: of a stored operand.
        page_tokens: tokens of a page.
    """

    layers: Mapping[int, Layer]
    sequences: int
    tokens: int
    rows: int
    bits: int
    page_tokens: int = PAGE_TOKENS

    @property
    def entries(self) -> int:
        """Pages of a sequence, at most."""
        return -(-self.tokens // self.page_tokens)

    @property
    def pages(self) -> int:
        """Pages of all sequences."""
        return self.sequences * self.entries

    @property
    def keys(self) -> int:
        """Places of keys in the list of pages."""
        return self.pages * self.page_tokens


@dataclass(frozen=True, kw_only=True)
class CachePlaces:
    """Places in the memory of a chip.

    Members:
        shape: of the cache.
        jobs: by layer, the job of as many rows as there may be, with a table of all sequences, a sink and a slope.
        record: address of a job's record.
        list: address of the list of pages.
        end: first byte behind everything.
    """

    shape: CacheShape
    jobs: Mapping[int, Descriptor]
    record: int
    list: int
    end: int


def cache_places(chip: ChipConfig, shape: CacheShape) -> CachePlaces:
    """Lay everything out from address 0 on, and refuse what a chip cannot hold or compute."""
    check_shape(chip, shape)
    free = Allocator(chip, 0, 0)
    record = free.table(JOB_BYTES, JOB_BYTES)
    table = free.table(shape.sequences * SEQUENCE_BYTES, SEQUENCE_BYTES)
    pages = free.gapped(shape.pages * PAGE_BYTES)
    widest = max(layer.heads for layer in shape.layers.values())
    scales, sinks, slopes = (free.gapped(widest * SCALE_BYTES) for _ in range(3))
    columns = max(layer.columns for layer in shape.layers.values())
    outputs = max(layer.value_columns for layer in shape.layers.values())
    bits, out = chip.engine.operand_bits, chip.engine.output_bits
    q, _ = free.tensor("token", shape.rows, widest, columns * bits // 8)
    o, _ = free.tensor("token", shape.rows, widest, outputs * out // 8)
    jobs = {}
    for index, layer in shape.layers.items():
        scales_pitch = -(-shape.page_tokens // TOKEN_SCALE_KEYS) * TOKEN_SCALE_ALIGNMENT
        tail = layer.kv_heads * scales_pitch
        k, k_pitch = free.tensor(
            "token", shape.page_tokens, layer.kv_heads, layer.columns * shape.bits // 8, shape.pages, tail
        )
        v, v_pitch = free.tensor(
            "token", shape.page_tokens, layer.kv_heads, layer.value_columns * shape.bits // 8, shape.pages
        )
        behind = (k.address + k_pitch - tail) // TOKEN_SCALE_ALIGNMENT * TOKEN_SCALE_ALIGNMENT
        jobs[index] = Descriptor(
            q=q,
            k=k,
            v=v,
            o=o,
            scales=scales,
            sinks=sinks,
            slopes=slopes if chip.engine.alibi else 0,
            queries=shape.rows,
            keys=shape.keys,
            heads=layer.heads,
            kv_heads=layer.kv_heads,
            dimension=layer.columns,
            value_dimension=layer.value_columns if layer.value_columns != layer.columns else 0,
            output_bits=out,
            table=table,
            sequences=shape.sequences,
            pages=Pages(list=pages, tokens=shape.page_tokens, count=shape.pages, k_pitch=k_pitch, v_pitch=v_pitch),
            kv_bits=shape.bits if shape.bits != bits else 0,
            token_scales=HeadTensor(address=behind, pitch=scales_pitch),
        )
        jobs[index].check(chip)
    end = -(-free.here // chip.bus_bytes) * chip.bus_bytes
    return CachePlaces(shape=shape, jobs=jobs, record=record, list=pages, end=end)


def check_shape(chip: ChipConfig, shape: CacheShape) -> None:
    """Refuse a model whose attention the chip has not, by the first layer that it has not, and too large a cache."""
    check_range("sequences", shape.sequences, 1, MAX_SEQUENCES)
    if shape.keys > POSITIONS:
        raise InputError(
            f"the cache must have at most {POSITIONS:,} places for tokens, not {shape.sequences:,} sequences of "
            f"{shape.entries * shape.page_tokens:,}"
        )
    columns = chip.engine.columns
    for index, layer in shape.layers.items():
        for name, value in (("a key", layer.columns), ("a value", layer.value_columns)):
            if not legal_dimension(value, columns):
                raise InputError(
                    f"{name} of layer {index} must have a multiple of {DIMENSION_STEP} elements up to the columns of "
                    f"the chip = {columns}, not {value}"
                )
        if layer.heads > MAX_HEADS:
            raise InputError(f"layer {index} must have at most {MAX_HEADS} query heads, not {layer.heads}")
