"""Capture of a job's record, or of a sequence's, from the beats in which memory brings it: the golden `record` layout.

The fields in memory are wider than the registers. Where a value does not fit, the flag of the rule that the whole value
breaks is set.
"""

from collections.abc import Mapping

from amaranth.hdl import Cat, Const, Module, Value
from amaranth.lib import data

from fusioncim.chip.descriptor import SEQUENCE_BITS
from fusioncim.chip.mask import MASK
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import POSITION_BITS
from fusioncim_golden.record import TENSORS

JOB_RULES: Mapping[str, str] = {
    **dict.fromkeys(("queries", "keys", "heads", "kv_heads"), "size"),
    **dict.fromkeys(("dimension", "value_dimension"), "dimension"),
    **dict.fromkeys(("output_bits", "kv_bits", "reserved"), "format"),
    **dict.fromkeys(MASK, "mask"),
    "start": "position",
    "sequences": "batch",
    "page_tokens": "paging",
    "pages": "pool",
    **dict.fromkeys((*(f"{name}_address" for name in TENSORS), "scales", "intervals"), "address"),
    "sinks": "address",
    **{name: name for name in ("table", "list", "slopes", "token_scales", "lse")},
}
"""What a value of a job breaks that has more bits than its register; reserved: has none."""
SEQUENCE_RULES: Mapping[str, str] = {
    **dict.fromkeys(MASK, "mask"),
    **dict.fromkeys(("queries", "start"), "position"),
    **dict.fromkeys(("keys", "first_row", "first_key", "reserved"), "sequence"),
}
"""The same of a sequence."""
FLAGS = tuple(dict.fromkeys((*JOB_RULES.values(), *SEQUENCE_RULES.values())))


def own_layout(chip: ChipConfig) -> data.StructLayout:
    """What the check of a job keeps for itself.

    Members:
        table, sequences: the place of the next sequence's record, and how many are left with it.
        output_bits, kv_bits: of the record.
        first_key: of the sequence.
        queries, keys: of the job.
        row: behind the rows of the sequences before.
        wide: by rule, whether some value had more bits than its register.
    """
    return data.StructLayout(
        {
            "table": chip.address_bits,
            "sequences": SEQUENCE_BITS + 1,
            **dict.fromkeys(("output_bits", "kv_bits"), 5),
            **dict.fromkeys(("first_key", "queries", "keys", "row"), POSITION_BITS),
            "wide": data.StructLayout(dict.fromkeys(FLAGS, 1)),
        }
    )


def job_registers(job: data.View, own: data.View) -> dict[str, Value]:
    """The registers of a job's record by the names of its fields: of a `job_layout`, an `own_layout`."""
    this = job.descriptor
    parts = {f"{name}_{part}": this[name][part] for name in TENSORS for part in ("address", "pitch", "head_pitch")}
    whole = {name: this[name] for name in this.shape().members if name not in (*TENSORS, "packed")}
    return {**parts, **whole, **{name: own[name] for name in ("table", "sequences", "output_bits", "kv_bits")}}


def sequence_registers(job: data.View, own: data.View) -> dict[str, Value]:
    """The same of a sequence's record."""
    this = {name: job.descriptor[name] for name in ("queries", "keys", "start", *MASK)}
    return {**this, "first_row": job.first_row, "first_key": own.first_key}


def capture(
    m: Module,
    number: Value,
    beat: Value,
    size: int,
    fields: Mapping[str, int],
    registers: Mapping[str, Value],
    rules: Mapping[str, str],
    wide: data.View,
) -> None:
    """Take over the beat of that number: fields from bit 0 on in a record of `size` bytes."""
    low, width = 0, len(beat)
    places: list[tuple[str, int, int]] = []
    for name, bits in fields.items():
        places.append((name, low, low + bits))
        low += bits
    places.append(("reserved", low, 8 * size))
    for n in range(8 * size // width):
        beyond: dict[str, list[Value]] = {}
        with m.If(number == n):
            for name, first, last in places:
                value = beat[max(first - n * width, 0) : max(last - n * width, 0)]
                register = registers.get(name, Const(0, 0))
                if len(value) and len(register):
                    m.d.sync += register.eq(value)
                if len(value) > len(register):
                    beyond.setdefault(rules[name], []).append(value[len(register) :])
            for rule, values in beyond.items():
                with m.If(Cat(values).any()):
                    m.d.sync += wide[rule].eq(1)
