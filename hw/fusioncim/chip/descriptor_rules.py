"""The rules of the golden `descriptor.Descriptor.status` and `Sequence.status` that need no product, as hardware."""

from collections.abc import Iterable, Sequence

from amaranth.hdl import Cat, Const, Mux, Value
from amaranth.lib import data

from fusioncim.chip import mask
from fusioncim.chip.descriptor import STATUS_BITS
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.limits import (
    DIMENSION_STEP,
    MAX_HEADS,
    MAX_PAGE_TOKENS,
    MAX_SEQUENCES,
    PACKED_BITS,
    POSITIONS,
    SEQUENCE_BYTES,
    SLOPE_POSITIONS,
    TOKEN_SCALE_ALIGNMENT,
    TOKEN_SCALE_KEYS,
)
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


def asked(this: data.View, own: data.View, name: str) -> Value:
    """Whether the job names a place for what it need not have."""
    return (this[name] != 0) | own.wide[name]


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
    alone = own.sequences == 0
    tables = wide.slopes | wide.token_scales | wide.lse | (wide.table & ~alone) | (wide.list & paged)
    return (
        (dimension, Status.DIMENSION),
        (wide.format | (own.output_bits != chip.engine.output_bits) | ~_fits(chip, this, own), Status.FORMAT),
        (wide.mask | ~mask.legal(this), Status.MASK),
        (wide.position | _beyond(chip, this, alone & asked(this, own, "slopes"), this.keys), Status.POSITION),
        (wide.batch | (own.sequences > MAX_SEQUENCES) | batch, Status.BATCH),
        (wide.paging | (paged & paging), Status.PAGING),
        (_unaligned(chip, this, own), Status.ALIGNMENT),
        (wide.address | tables, Status.ADDRESS),
    )


def _fits(chip: ChipConfig, this: data.View, own: data.View) -> Value:
    """Whether the chip has what the job asks for, and K and V have bits that it takes."""
    bits = chip.engine.operand_bits
    fits = any_of(own.kv_bits == each for each in sorted({0, bits, min(bits, PACKED_BITS)}))
    for name, there in (("slopes", chip.engine.alibi), ("token_scales", chip.engine.token_scale_bits)):
        if not there:
            fits &= ~asked(this, own, name)
    return fits


def _beyond(chip: ChipConfig, this: data.View, limited: Value, keys: Value | int = 0) -> Value:
    """Whether a query lies too far, or a key; limited: by slopes."""
    behind = this.start + this.queries
    if not chip.engine.alibi:
        return behind > POSITIONS
    return (behind > POSITIONS) | (limited & ((behind > SLOPE_POSITIONS) | (keys > SLOPE_POSITIONS)))


def _unaligned(chip: ChipConfig, this: data.View, own: data.View) -> Value:
    """Whether the job breaks the rule ALIGNMENT."""
    low = chip.alignment.bit_length() - 1
    places = [this[name][part][:low] for name in TENSORS for part in ("address", "pitch", "head_pitch")]
    pages = [place[:low] for place in (this.list, this.k_page_pitch, this.v_page_pitch)]
    own_places = [this[name][:low] for name in ("scales", "intervals", "sinks", "slopes", "lse")]
    wrong = any_of([*places, *own_places, own.table[: SEQUENCE_BYTES.bit_length() - 1]])
    wrong |= (asked(this, own, "lse") & this.lse_pitch[:low].any()) | ((this.page_tokens != 0) & any_of(pages))
    if chip.engine.token_scale_bits:
        low = TOKEN_SCALE_ALIGNMENT.bit_length() - 1
        far = (this.page_tokens != 0) & this.k_page_pitch[:low].any()
        wrong |= asked(this, own, "token_scales") & (
            far | any_of((this.token_scales[:low], this.token_scales_pitch[:low]))
        )
    return wrong


def sequence_rules(chip: ChipConfig, job: data.View, own: data.View) -> Rules:
    """All rules of a sequence; job: a `job_layout`."""
    this, wide = job.descriptor, own.wide
    rows = (job.first_row < own.row) | (job.first_row + this.queries > own.queries)
    keys = own.first_key + this.keys > own.keys
    if chip.engine.alibi:
        keys |= (this.slopes != 0) & (this.keys > SLOPE_POSITIONS)
    within = (this.page_tokens != 0) & (own.first_key & (this.page_tokens - 1)[: len(own.first_key)]).any()
    if chip.engine.token_scale_bits:
        low = TOKEN_SCALE_KEYS.bit_length() - 1
        within |= (this.page_tokens == 0) & (this.token_scales != 0) & own.first_key[:low].any()
    return (
        (wide.mask | ~mask.legal(this), Status.MASK),
        (wide.position | _beyond(chip, this, this.slopes != 0), Status.POSITION),
        (wide.sequence | rows | keys | within, Status.SEQUENCE),
    )
