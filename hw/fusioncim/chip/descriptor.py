"""A job as a bit layout: the fields of the golden `descriptor.Descriptor`, by the same names, and what is made of them.

The fields are as wide as their largest legal value needs. Those of the records in memory are wider: see `record`.
"""

from amaranth.hdl import Cat, Const, Mux, Value
from amaranth.lib import data

from fusioncim.chip.mask import MASK
from fusioncim.lib.arith import fits
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import POSITION_BITS
from fusioncim_golden.limits import DIMENSION_STEP, MAX_PAGE_TOKENS, MAX_SEQUENCES, PACKED_BITS

PITCH_BITS = 32
"""Bits of the bytes from a vector, a head or a page to the next."""
HEAD_BITS = 9
DIMENSION_BITS = 11
STATUS_BITS = 5
SEQUENCE_BITS = (MAX_SEQUENCES - 1).bit_length()
"""Bits of the number of a sequence in its job."""
ROW_BITS = POSITION_BITS + HEAD_BITS
"""Bits of the number of rows of a sequence, queries * heads."""


def tensor_layout(chip: ChipConfig) -> data.StructLayout:
    """Place of a tensor in memory, in bytes."""
    return data.StructLayout({"address": chip.address_bits, "pitch": PITCH_BITS, "head_pitch": PITCH_BITS})


def descriptor_layout(chip: ChipConfig) -> data.StructLayout:
    """What of a job the units behind its check use.

    page_tokens: 0 if K and V are contiguous; packed: their operands are, two to a byte.
    """
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
            **dict.fromkeys(("dimension", "value_dimension"), DIMENSION_BITS),
            **dict.fromkeys(MASK, POSITION_BITS),
            **dict.fromkeys(("intervals", "list", "sinks", "slopes", "token_scales", "lse"), chip.address_bits),
            "page_tokens": MAX_PAGE_TOKENS.bit_length(),
            "pages": POSITION_BITS,
            **dict.fromkeys(("k_page_pitch", "v_page_pitch", "token_scales_pitch", "lse_pitch"), PITCH_BITS),
            "packed": 1,
        }
    )


def job_layout(chip: ChipConfig) -> data.StructLayout:
    """A checked sequence of a job.

    Members:
        descriptor: the job, with the queries, keys, start and mask of the sequence and its places in the tensors.
        status: outcome if it is refused.
        last: of its job.
        opens: the first of its job that is planned.
        shared: V lies where K lies.
        group: query heads per key and value head.
        tile_queries, tile_heads: rows of a tile divided by group, quotient and remainder.
        rows: queries * heads.
        group_rows: queries * group.
        q_group, o_group: bytes from the first query head of a group to that of the next.
        first_row, first_page: where the sequence begins in the table of intervals, in the page list.
    """
    return data.StructLayout(
        {
            "descriptor": descriptor_layout(chip),
            "status": STATUS_BITS,
            "last": 1,
            "opens": 1,
            "shared": 1,
            "group": HEAD_BITS,
            "tile_queries": fits(chip.engine.rows),
            "tile_heads": HEAD_BITS,
            "rows": ROW_BITS,
            "group_rows": ROW_BITS,
            "q_group": chip.address_bits,
            "o_group": chip.address_bits,
            "first_row": POSITION_BITS,
            "first_page": POSITION_BITS,
        }
    )


def record_layout(chip: ChipConfig) -> data.StructLayout:
    """Byte address of a job's record in memory; wide: software wrote one with more bits."""
    return data.StructLayout({"address": chip.address_bits, "wide": 1})


def vector_bytes(chip: ChipConfig, dimension: Value) -> Value:
    """Bytes of a query, key or value of that many operands."""
    return _bytes(dimension, chip.engine.operand_bits)


def key_bytes(chip: ChipConfig, dimension: Value, packed: Value) -> Value:
    """Bytes of a key or value of that many operands, which may be packed."""
    whole = vector_bytes(chip, dimension)
    return Mux(packed, _bytes(dimension, PACKED_BITS), whole) if chip.engine.operand_bits > PACKED_BITS else whole


def row_bytes(chip: ChipConfig, dimension: Value) -> Value:
    """Bytes of an output row of that many outputs."""
    return _bytes(dimension, chip.engine.output_bits)


def _bytes(dimension: Value, bits: int) -> Value:
    """Bytes of a multiple of DIMENSION_STEP = 8 numbers of 4, 8 or 16 bits; the low bits are constant."""
    return Cat(Const(0, bits.bit_length() - 1), dimension[DIMENSION_STEP.bit_length() - 1 :])


def result_layout() -> data.StructLayout:
    """The outcome of a job: a code of the golden `status.Status`, and the first sequence that it is of."""
    return data.StructLayout({"status": STATUS_BITS, "sequence": SEQUENCE_BITS})


def next_query(tensor: data.View, group: Value) -> Value:
    """Bytes from the last head of a group to the first head of the next query; group: bytes of the group's heads."""
    return tensor.pitch + tensor.head_pitch - group
