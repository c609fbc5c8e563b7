"""The products of a job's check, which one serial multiplier works off, and what becomes of each.

The end of a tensor is its address with the products of heads, vectors and pages on top; it is judged in the moment in
which it is there, so that no other than that of the output is kept.
"""

from dataclasses import dataclass

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data

from fusioncim.chip.descriptor import PITCH_BITS, key_bytes, row_bytes, vector_bytes
from fusioncim.chip.descriptor_rules import Rules
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import POSITION_BITS
from fusioncim_golden.limits import (
    INTERVAL_BYTES,
    LSE_BYTES,
    PAGE_BYTES,
    SCALE_BYTES,
    SEQUENCE_BYTES,
    TOKEN_SCALE_ALIGNMENT,
    TOKEN_SCALE_KEYS,
)
from fusioncim_golden.record import TENSORS
from fusioncim_golden.status import Status


@dataclass(frozen=True)
class Product:
    """count * step on top of `start`, or of the product before it.

    Members:
        register, value: takes the value when the product is there, by default the product.
        region: it is the end of a region in memory that begins there, if the second one is set.
    """

    count: Value
    step: Value
    start: Value | None
    register: Value | None = None
    value: Value | None = None
    region: tuple[Value, Value] | None = None


def end_bits(chip: ChipConfig) -> int:
    """Bits of three products on top of an address."""
    return max(POSITION_BITS + PITCH_BITS, chip.address_bits) + 2


def spans_layout(chip: ChipConfig) -> data.StructLayout:
    """What is kept of products.

    Members:
        end, lse_end: of the output, of the log-sum-exp.
        beyond, overlap: some region ends beyond the addresses, meets one of these.
        heads_inside, vectors_inside: the heads of an output vector end before the next one, the vectors of a head.
        lse_inside: the log-sum-exp of a KV head ends before that of the next one.
        moved: places of a sequence in the tensors, and of its log-sum-exp.
    """
    moved = data.StructLayout(dict.fromkeys((*TENSORS, "lse"), chip.address_bits))
    flags = dict.fromkeys(("beyond", "overlap", "heads_inside", "vectors_inside", "lse_inside"), 1)
    return data.StructLayout({**dict.fromkeys(("end", "lse_end"), end_bits(chip)), **flags, "moved": moved})


def products(
    chip: ChipConfig, job: data.View, own: data.View, spans: data.View, total: Value, page: Value
) -> tuple[list[Product], int]:
    """All products in their order, and how many of them are the job's; those behind are a sequence's.

    job: a `job_layout`, own: an `own_layout`, spans: a `spans_layout`, total: of the multiplier; page: pages of all
    keys, rounded up.
    """
    this, paged = job.descriptor, job.descriptor.page_tokens != 0
    always, one, nothing = Const(1, 1), Const(1, 1), Const(0, 1)
    vector, row = vector_bytes(chip, this.dimension), row_bytes(chip, this.value_dimension)
    key, value = (key_bytes(chip, size, this.packed) for size in (this.dimension, this.value_dimension))
    sizes = {"q": vector, "k": key, "v": value, "o": row}
    keys = Mux(paged, this.page_tokens, this.keys)
    vectors = {"q": this.queries, "k": keys, "v": keys, "o": this.queries}
    heads = {"q": this.heads, "k": this.kv_heads, "v": this.kv_heads, "o": this.heads}
    found: list[Product] = []
    for name in ("o", "q", "k", "v"):
        tensor = this[name]
        found.append(Product(heads[name] - 1, tensor.head_pitch, tensor.address))
        found.append(Product(vectors[name] - 1, tensor.pitch, None))
        if name in ("k", "v"):
            found.append(Product(Mux(paged, this.pages - 1, 0), this[f"{name}_page_pitch"], None))
        register = spans.end if name == "o" else None
        found.append(Product(one, sizes[name], None, register=register, region=(tensor.address, always)))
        if name == "o":
            exists = this.lse != 0
            rows, region = Mux(exists, this.queries, 0), (this.lse, exists)
            found += [
                Product(Mux(exists, this.kv_heads - 1, 0), this.lse_pitch, this.lse),
                Product(rows, job.group * LSE_BYTES, None, register=spans.lse_end, region=region),
            ]
    if chip.engine.token_scale_bits:
        chunks = (keys + (TOKEN_SCALE_KEYS - 1)) >> (TOKEN_SCALE_KEYS.bit_length() - 1)
        exists = this.token_scales != 0
        found += [
            Product(Mux(exists, this.kv_heads - 1, 0), this.token_scales_pitch, this.token_scales),
            Product(Mux(exists & paged, this.pages - 1, 0), this.k_page_pitch, None),
            Product(Mux(exists, chunks, 0), Const(TOKEN_SCALE_ALIGNMENT), None, region=(this.token_scales, exists)),
        ]
    for count, size, start, exists in (
        (this.heads, SCALE_BYTES, this.scales, always),
        (Mux(this.sinks != 0, this.heads, 0), SCALE_BYTES, this.sinks, this.sinks != 0),
        (Mux(this.slopes != 0, this.heads, 0), SCALE_BYTES, this.slopes, this.slopes != 0),
        (own.sequences, SEQUENCE_BYTES, own.table, own.sequences != 0),
        (this.queries, INTERVAL_BYTES, this.intervals, this.intervals != 0),
        (page, PAGE_BYTES, this.list, paged),
    ):
        found.append(Product(count, Const(size), start, region=(start, exists)))
    o = this.o
    found += [
        Product(this.heads - 1, o.head_pitch, row, register=spans.heads_inside, value=o.pitch >= total),
        Product(this.queries - 1, o.pitch, row, register=spans.vectors_inside, value=o.head_pitch >= total),
        Product(this.queries, job.group * LSE_BYTES, nothing, register=spans.lse_inside, value=this.lse_pitch >= total),
        *(Product(job.group, this[n].head_pitch, nothing, register=job[f"{n}_group"]) for n in ("q", "o")),
    ]
    of_job = len(found)
    # A sequence without a key reads the first one of all, which it does not see.
    first_key = Mux(paged | (this.keys == 0), 0, own.first_key)
    firsts = {"q": job.first_row, "k": first_key, "v": first_key, "o": job.first_row}
    found += [
        Product(this.heads, this.queries, nothing, register=job.rows),
        Product(job.group, this.queries, nothing, register=job.group_rows),
        *(Product(firsts[n], this[n].pitch, this[n].address, register=spans.moved[n]) for n in TENSORS),
        Product(Mux(this.lse != 0, job.first_row, 0), job.group * LSE_BYTES, this.lse, register=spans.moved.lse),
    ]
    return found, of_job


def follow(
    m: Module,
    chip: ChipConfig,
    work: list[Product],
    step: Value,
    done: Value,
    this: data.View,
    spans: data.View,
    total: Value,
) -> None:
    """In the cycle `done` of a product: its register, and what is found of its region."""
    low, exists = Signal(chip.address_bits), Signal()
    meets_o, meets_lse = Signal(), Signal()  # if the region does, it is wrong
    with m.Switch(step):
        for n, each in enumerate(work):
            with m.Case(n):
                if each.region:
                    # The first region is the output, the second the log-sum-exp.
                    before = sum(other.region is not None for other in work[:n])
                    m.d.comb += [low.eq(each.region[0]), exists.eq(each.region[1])]
                    m.d.comb += [meets_o.eq(before > 0), meets_lse.eq(before > 1)]
                if each.register is not None:
                    with m.If(done):
                        m.d.sync += each.register.eq(total if each.value is None else each.value)
    with m.If(done & exists):
        m.d.sync += [
            spans.beyond.eq(spans.beyond | (total > 1 << chip.address_bits)),
            spans.overlap.eq(
                spans.overlap
                | (meets_o & (low < spans.end) & (this.o.address < total))
                | (meets_lse & (this.lse != 0) & (low < spans.lse_end) & (this.lse < total))
            ),
        ]


def product_rules(chip: ChipConfig, this: data.View, spans: data.View) -> Rules:
    """The rules that products break. No two output rows share a byte: heads inside vectors, or vectors inside heads."""
    one, alone, row = this.queries == 1, this.heads == 1, row_bytes(chip, this.value_dimension)
    heads_first = (alone | (this.o.head_pitch >= row)) & (one | spans.heads_inside)
    vectors_first = (one | (this.o.pitch >= row)) & (alone | spans.vectors_inside)
    lse_meets_itself = (this.lse != 0) & (this.kv_heads != 1) & ~spans.lse_inside
    return (
        (spans.beyond, Status.ADDRESS),
        (spans.overlap | lse_meets_itself | ~(heads_first | vectors_first), Status.OVERLAP),
    )
