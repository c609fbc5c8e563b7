"""The products of a job's check, which one serial multiplier works off, and what becomes of each.

The end of a tensor is its address with the products of heads, vectors and pages on top; it is judged in the moment in
which it is there, so that no other than that of the output is kept.
"""

from dataclasses import dataclass

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data

from fusioncim.chip.descriptor import PITCH_BITS, row_bytes, vector_bytes
from fusioncim.chip.descriptor_rules import Rules
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import POSITION_BITS
from fusioncim_golden.limits import INTERVAL_BYTES, PAGE_BYTES, SCALE_BYTES, SEQUENCE_BYTES
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
        end: of the output.
        beyond, overlap: some region ends beyond the addresses, meets the output.
        heads_inside, vectors_inside: the heads of an output vector end before the next one, the vectors of a head.
        moved: places of a sequence in the tensors.
    """
    moved = data.StructLayout(dict.fromkeys(TENSORS, chip.address_bits))
    flags = dict.fromkeys(("beyond", "overlap", "heads_inside", "vectors_inside"), 1)
    return data.StructLayout({"end": end_bits(chip), **flags, "moved": moved})


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
    sizes = {"q": vector, "k": vector, "v": vector_bytes(chip, this.value_dimension), "o": row}
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
    for count, size, start, exists in (
        (this.heads, SCALE_BYTES, this.scales, always),
        (own.sequences, SEQUENCE_BYTES, own.table, own.sequences != 0),
        (this.queries, INTERVAL_BYTES, this.intervals, this.intervals != 0),
        (page, PAGE_BYTES, this.list, paged),
    ):
        found.append(Product(count, Const(size), start, region=(start, exists)))
    o = this.o
    found += [
        Product(this.heads - 1, o.head_pitch, row, register=spans.heads_inside, value=o.pitch >= total),
        Product(this.queries - 1, o.pitch, row, register=spans.vectors_inside, value=o.head_pitch >= total),
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
    low, exists, operand = Signal(chip.address_bits), Signal(), Signal()
    with m.Switch(step):
        for n, each in enumerate(work):
            with m.Case(n):
                if each.region:
                    m.d.comb += [low.eq(each.region[0]), exists.eq(each.region[1]), operand.eq(each.register is None)]
                if each.register is not None:
                    with m.If(done):
                        m.d.sync += each.register.eq(total if each.value is None else each.value)
    with m.If(done & exists):
        m.d.sync += [
            spans.beyond.eq(spans.beyond | (total > 1 << chip.address_bits)),
            spans.overlap.eq(spans.overlap | (operand & (low < spans.end) & (this.o.address < total))),
        ]


def product_rules(chip: ChipConfig, this: data.View, spans: data.View) -> Rules:
    """The rules that products break. No two output rows share a byte: heads inside vectors, or vectors inside heads."""
    one, alone, row = this.queries == 1, this.heads == 1, row_bytes(chip, this.value_dimension)
    heads_first = (alone | (this.o.head_pitch >= row)) & (one | spans.heads_inside)
    vectors_first = (one | (this.o.pitch >= row)) & (alone | spans.vectors_inside)
    return (
        (spans.beyond, Status.ADDRESS),
        (spans.overlap | ~(heads_first | vectors_first), Status.OVERLAP),
    )
