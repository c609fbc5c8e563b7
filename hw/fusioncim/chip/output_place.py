"""Where the outputs of a tile go, as the query loader finds it and the output writer takes it."""

from amaranth.lib import data

from fusioncim.chip.descriptor import HEAD_BITS
from fusioncim.chip.job_table import slot_shape
from fusioncim.lib.arith import fits
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.limits import LSE_BYTES

LSE_OFFSET_BITS = LSE_BYTES.bit_length() - 1
"""Bits of an address inside of a word of log-sum-exp, always 0."""


def output_place_layout(chip: ChipConfig) -> data.StructLayout:
    """Where the outputs of a tile go.

    Members:
        address, head: of its first row.
        rows: how many it has.
        slot: of its sequence.
        lse: where the log-sum-exp of its first row goes, in units of LSE_BYTES; 0: nowhere.
    """
    return data.StructLayout(
        {
            "address": chip.address_bits,
            "head": HEAD_BITS,
            "rows": fits(chip.engine.rows),
            "slot": slot_shape(),
            "lse": chip.address_bits - LSE_OFFSET_BITS,
        }
    )


def tiles_placed(chip: ChipConfig) -> int:
    """Tiles of an engine whose places are known ahead: those of all words, one that leaves, one that loads."""
    return chip.engine.words + 2
