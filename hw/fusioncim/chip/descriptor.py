"""A job descriptor as a bit layout: the fields of the golden `descriptor.Descriptor`, by the same names."""

from amaranth.hdl import Value
from amaranth.lib import data

from fusioncim.chip.mask import mask_layout
from fusioncim_golden.config import POSITION_BITS

ADDRESS_BITS = 32
"""Bits of a byte address in memory."""
HEAD_BITS = 9
DIMENSION_BITS = 11
STATUS_BITS = 4


def tensor_layout() -> data.StructLayout:
    """Place of a tensor in memory, in bytes."""
    return data.StructLayout({"address": ADDRESS_BITS, "pitch": ADDRESS_BITS, "head_pitch": ADDRESS_BITS})


def descriptor_layout() -> data.StructLayout:
    """A job."""
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
            "mask": mask_layout(),
            "output_bits": 5,
        }
    )


def result_layout() -> data.StructLayout:
    """The outcome of a job: a code of the golden `descriptor.Status`."""
    return data.StructLayout({"status": STATUS_BITS})


def next_query(tensor: data.View, group: Value) -> Value:
    """Bytes from the last head of a group to the first head of the next query; group: bytes of the group's heads."""
    return tensor.pitch + tensor.head_pitch - group
