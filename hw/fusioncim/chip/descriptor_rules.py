"""The rules of the golden `descriptor.Descriptor.status` and `Sequence.status` that need no product, as hardware."""

from collections.abc import Iterable, Sequence

from amaranth.hdl import Cat, Const, Mux, Value
from amaranth.lib import data

from fusioncim.chip import mask
from fusioncim.chip.descriptor import STATUS_BITS
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.limits import DIMENSION_STEP, MAX_HEADS, MAX_PAGE_TOKENS, MAX_SEQUENCES, POSITIONS, SEQUENCE_BYTES
from fusioncim_golden.mask import CAUSAL
from fusioncim_golden.record import TENSORS
from fusioncim_golden.status import Status

Rules = Sequence[tuple[Value, Status]]
"""Whether a rule is broken, and its status, in order."""


def first_broken(rules: Rules) -> Value:
    """The status of the first rule that is broken, or OK."""
    status: Value = Const(Status.OK, STATUS_BITS)
    for broken, code in reversed(rules):
        status = Mux(broken, code, status)
    return status


def any_of(conditions: Iterable[Value]) -> Value:
    """Whether one of the values is not 0."""
    return Cat(condition.any() for condition in conditions).any()


def size(this: data.View, own: data.View) -> Value:
    """Whether the job breaks the rule SIZE."""
    heads = (this.heads, this.kv_heads)
    return own.wide.size | any_of([x == 0 for x in (this.queries, this.keys, *heads)] + [x > MAX_HEADS for x in heads])


def shared(this: data.View) -> Value:
    """Whether V lies where K lies; this: a `descriptor_layout`."""
    apart = (this.page_tokens != 0) & (this.k_page_pitch != this.v_page_pitch)
    return (this.k.as_value() == this.v.as_value()) & ~apart & (this.value_dimension <= this.dimension)


def job_rules(chip: ChipConfig, this: data.View, own: data.View) -> Rules:
    """The rules after HEADS and before ADDRESS; this: a `descriptor_layout`, own: an `own_layout`."""
    wide, columns = own.wide, chip.engine.columns
    step = DIMENSION_STEP.bit_length() - 1
    sizes = (this.dimension, this.value_dimension)
    dimension = wide.dimension | any_of([x[:step].any() | (x == 0) | (x > columns) for x in sizes])
    batch = (own.sequences != 0) & ((this.start != 0) | any_of(this[n] != getattr(CAUSAL, n) for n in mask.MASK))
    tokens, paged = this.page_tokens, this.page_tokens != 0
    legal = [1 << bit for bit in range(MAX_PAGE_TOKENS.bit_length()) if 1 << bit >= chip.engine.update_rank]
    paging = ~any_of(tokens == n for n in legal) | wide.pool | (this.pages == 0)
    return (
        (dimension, Status.DIMENSION),
        (wide.format | (own.output_bits != chip.engine.output_bits), Status.FORMAT),
        (wide.mask | ~mask.legal(this), Status.MASK),
        (wide.position | (this.start + this.queries > POSITIONS), Status.POSITION),
        (wide.batch | (own.sequences > MAX_SEQUENCES) | batch, Status.BATCH),
        (wide.paging | (paged & paging), Status.PAGING),
        (_unaligned(chip, this, own), Status.ALIGNMENT),
        (wide.address | (wide.table & (own.sequences != 0)) | (wide.list & paged), Status.ADDRESS),
    )


def _unaligned(chip: ChipConfig, this: data.View, own: data.View) -> Value:
    """Whether the job breaks the rule ALIGNMENT."""
    low = chip.alignment.bit_length() - 1
    places = [this[name][part][:low] for name in TENSORS for part in ("address", "pitch", "head_pitch")]
    pages = [place[:low] for place in (this.list, this.k_page_pitch, this.v_page_pitch)]
    own_places = [this.scales[:low], this.intervals[:low], own.table[: SEQUENCE_BYTES.bit_length() - 1]]
    return any_of([*places, *own_places]) | ((this.page_tokens != 0) & any_of(pages))


def sequence_rules(job: data.View, own: data.View) -> Rules:
    """All rules of a sequence; job: a `job_layout`."""
    this, wide = job.descriptor, own.wide
    rows = (job.first_row < own.row) | (job.first_row + this.queries > own.queries)
    keys = own.first_key + this.keys > own.keys
    within_page = (this.page_tokens != 0) & (own.first_key & (this.page_tokens - 1)[: len(own.first_key)]).any()
    return (
        (wide.mask | ~mask.legal(this), Status.MASK),
        (wide.position | (this.start + this.queries > POSITIONS), Status.POSITION),
        (wide.sequence | rows | keys | within_page, Status.SEQUENCE),
    )
