"""A job descriptor as a bit layout: the fields of the golden `descriptor.Descriptor`, by the same names.

The fields are as wide as their largest legal value needs. What software writes is wider: `wide` says by rule where a
value does not fit, so that the descriptor is refused by the rule that the whole value breaks.
"""

from collections.abc import Mapping

from amaranth.hdl import Cat, Const, Value
from amaranth.lib import data

from fusioncim.chip.mask import MASK
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import POSITION_BITS
from fusioncim_golden.descriptor import DIMENSION_STEP, MAX_PAGE_TOKENS, MAX_SEQUENCES

PITCH_BITS = 32
"""Bits of the bytes from a vector, a head or a page to the next."""
HEAD_BITS = 9
DIMENSION_BITS = 11
STATUS_BITS = 5
SEQUENCE_BITS = (MAX_SEQUENCES - 1).bit_length()
"""Bits of the number of a sequence in its job."""


def tensor_layout(chip: ChipConfig) -> data.StructLayout:
    """Place of a tensor in memory, in bytes."""
    return data.StructLayout({"address": chip.address_bits, "pitch": PITCH_BITS, "head_pitch": PITCH_BITS})


RULES: Mapping[str, str] = {
    **dict.fromkeys(("queries", "keys", "heads", "kv_heads"), "size"),
    "dimension": "dimension",
    "output_bits": "format",
    **dict.fromkeys(MASK, "mask"),
    "start": "position",
}
"""The rule, by its `Status`, that a value with more bits than its field breaks."""


def staged_layout(chip: ChipConfig) -> data.StructLayout:
    """A job as software writes it."""
    places = {name: tensor_layout(chip) for name in ("q", "k", "v", "o")}
    words = dict.fromkeys(("scales", "queries", "keys", "start", *MASK), 32)
    halves = dict.fromkeys(("heads", "kv_heads", "dimension"), 16)
    return data.StructLayout({**places, **words, **halves, "output_bits": 8})


def wide_layout() -> data.StructLayout:
    """By rule, whether some value has more bits than its field."""
    return data.StructLayout(dict.fromkeys(RULES.values(), 1))


def descriptor_layout(chip: ChipConfig) -> data.StructLayout:
    """A job; wide: as of `wide_layout`."""
    return data.StructLayout(
        {
            "q": tensor_layout(chip),
            "k": tensor_layout(chip),
            "v": tensor_layout(chip),
            "o": tensor_layout(chip),
            "scales": chip.address_bits,
            "queries": POSITION_BITS,
            "keys": POSITION_BITS,
            "start": POSITION_BITS,
            "heads": HEAD_BITS,
            "kv_heads": HEAD_BITS,
            "dimension": DIMENSION_BITS,
            **dict.fromkeys(MASK, POSITION_BITS),
            "output_bits": 5,
            **dict.fromkeys(("table", "intervals", "list"), chip.address_bits),
            "sequences": SEQUENCE_BITS + 1,
            "page_tokens": MAX_PAGE_TOKENS.bit_length(),
            "pages": POSITION_BITS,
            **dict.fromkeys(("k_page_pitch", "v_page_pitch"), PITCH_BITS),
            "wide": wide_layout(),
        }
    )


def narrowed(chip: ChipConfig, staged: data.View) -> Value:
    """The `descriptor_layout` of a `staged_layout`."""
    parts: dict[str, Value] = {}
    wide: dict[str, list[Value]] = {}
    for name in staged_layout(chip).members:
        value = Value.cast(staged[name])
        parts[name] = value[: descriptor_layout(chip)[name].width]
        if name in RULES:
            wide.setdefault(RULES[name], []).append(value[len(parts[name]) :])
    parts["wide"] = Cat(Cat(wide[rule]).any() for rule in wide_layout().members)
    return Cat(
        parts.get(name, Const(0, descriptor_layout(chip)[name].width)) for name in descriptor_layout(chip).members
    )


def vector_bytes(chip: ChipConfig, dimension: Value) -> Value:
    """Bytes of a query, key or value of that many operands."""
    return _bytes(dimension, chip.engine.operand_bits)


def row_bytes(chip: ChipConfig, dimension: Value) -> Value:
    """Bytes of an output row of that many outputs."""
    return _bytes(dimension, chip.engine.output_bits)


def _bytes(dimension: Value, bits: int) -> Value:
    """Bytes of a multiple of DIMENSION_STEP = 8 numbers of 4, 8 or 16 bits; the low bits are constant."""
    return Cat(Const(0, bits.bit_length() - 1), dimension[DIMENSION_STEP.bit_length() - 1 :])


def result_layout() -> data.StructLayout:
    """The outcome of a job: a code of the golden `descriptor.Status`."""
    return data.StructLayout({"status": STATUS_BITS})


def next_query(tensor: data.View, group: Value) -> Value:
    """Bytes from the last head of a group to the first head of the next query; group: bytes of the group's heads."""
    return tensor.pitch + tensor.head_pitch - group
