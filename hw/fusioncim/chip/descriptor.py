"""A job descriptor as a bit layout: the fields of the golden `descriptor.Descriptor`, by the same names.

The fields are as wide as their largest legal value needs. What software writes is wider: `wide` says by rule where a
value does not fit, so that the descriptor is refused by the rule that the whole value breaks.
"""

from collections.abc import Mapping

from amaranth.hdl import Cat, Value
from amaranth.lib import data

from fusioncim.chip.mask import MASK
from fusioncim_golden.config import POSITION_BITS

ADDRESS_BITS = 32
"""Bits of a byte address in memory."""
HEAD_BITS = 9
DIMENSION_BITS = 11
STATUS_BITS = 4


def tensor_layout() -> data.StructLayout:
    """Place of a tensor in memory, in bytes."""
    return data.StructLayout({"address": ADDRESS_BITS, "pitch": ADDRESS_BITS, "head_pitch": ADDRESS_BITS})


RULES: Mapping[str, str] = {
    **dict.fromkeys(("queries", "keys", "heads", "kv_heads"), "size"),
    "dimension": "dimension",
    "output_bits": "format",
    **dict.fromkeys(MASK, "mask"),
    "start": "position",
}
"""The rule, by its `Status`, that a value with more bits than its field breaks."""


def staged_layout() -> data.StructLayout:
    """A job as software writes it."""
    places = {name: tensor_layout() for name in ("q", "k", "v", "o")}
    words = dict.fromkeys(("scales", "queries", "keys", "start", *MASK), 32)
    halves = dict.fromkeys(("heads", "kv_heads", "dimension"), 16)
    return data.StructLayout({**places, **words, **halves, "output_bits": 8})


def wide_layout() -> data.StructLayout:
    """By rule, whether some value has more bits than its field."""
    return data.StructLayout(dict.fromkeys(RULES.values(), 1))


def descriptor_layout() -> data.StructLayout:
    """A job; wide: as of `wide_layout`."""
    return data.StructLayout(
        {
            "q": tensor_layout(),
            "k": tensor_layout(),
            "v": tensor_layout(),
            "o": tensor_layout(),
            "scales": ADDRESS_BITS,
            "queries": POSITION_BITS,
            "keys": POSITION_BITS,
            "start": POSITION_BITS,
            "heads": HEAD_BITS,
            "kv_heads": HEAD_BITS,
            "dimension": DIMENSION_BITS,
            **dict.fromkeys(MASK, POSITION_BITS),
            "output_bits": 5,
            "wide": wide_layout(),
        }
    )


def narrowed(staged: data.View) -> Value:
    """The `descriptor_layout` of a `staged_layout`."""
    parts: dict[str, Value] = {}
    wide: dict[str, list[Value]] = {}
    for name in staged_layout().members:
        value = Value.cast(staged[name])
        parts[name] = value[: descriptor_layout()[name].width]
        if name in RULES:
            wide.setdefault(RULES[name], []).append(value[len(parts[name]) :])
    parts["wide"] = Cat(Cat(wide[rule]).any() for rule in wide_layout().members)
    return Cat(parts[name] for name in descriptor_layout().members)


def result_layout() -> data.StructLayout:
    """The outcome of a job: a code of the golden `descriptor.Status`."""
    return data.StructLayout({"status": STATUS_BITS})


def next_query(tensor: data.View, group: Value) -> Value:
    """Bytes from the last head of a group to the first head of the next query; group: bytes of the group's heads."""
    return tensor.pitch + tensor.head_pitch - group
