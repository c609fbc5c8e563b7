"""What goes into the softmax and comes out of it: layouts of its ports.

The sequencer drives the control, the tile loader writes the queries, the normalizer reads the row states.
"""

from amaranth.hdl import Cat, Signal, signed
from amaranth.lib import data

from fusioncim.engine.token_scale import scale_members
from fusioncim.lib.arith import fits
from fusioncim.lib.bank import address_shape
from fusioncim_golden.config import (
    POSITION_BITS,
    REFERENCE_BITS,
    SCALE_BITS,
    SCALE_SHIFT_BITS,
    SLOPE_POSITION_BITS,
    Config,
)


def row_address(config: Config, word: Signal, row: Signal) -> Cat:
    """Address of a row's entry in a lane's bank."""
    return Cat(row[: (config.rows_per_lane - 1).bit_length()], word)


def row_depth(config: Config) -> int:
    """Entries of a bank with one entry per word and row of a lane."""
    return config.words << (config.rows_per_lane - 1).bit_length()


def control_layout(config: Config) -> data.StructLayout:
    """What row `row` of every lane does in stage 0: it takes the score of a key.

    Members:
        enable, row, word: which row, of which resident word.
        index, last: which key of the block; it is the block's last.
        first: the tile's first block.
        fresh: no earlier tile may seed the reference.
        position: of the key.
        scales, scaled: of the key, on a chip with scales per token, see `token_scale`. Codes without `scaled` are 0.
    """
    return data.StructLayout(
        {
            "enable": 1,
            "row": address_shape(config.rows_per_lane),
            "index": address_shape(config.update_rank),
            "last": 1,
            "first": 1,
            "fresh": 1,
            "word": address_shape(config.words),
            "position": POSITION_BITS,
            **scale_members(config),
        }
    )


def query_layout(config: Config) -> data.StructLayout:
    """What a query brings besides its operands.

    Members:
        mantissa, shift: score scale mantissa / 2^shift.
        low, high: it sees the keys from low to high - 1.
        centred: the values are.
        slope, slope_shift: slope / 2^slope_shift is what a score loses per key of distance, on a chip with alibi.
        position: of the query, there.
    """
    slope = {"slope": SCALE_BITS, "slope_shift": SCALE_SHIFT_BITS, "position": SLOPE_POSITION_BITS}
    return data.StructLayout(
        {
            "mantissa": SCALE_BITS,
            "shift": SCALE_SHIFT_BITS,
            "low": POSITION_BITS,
            "high": POSITION_BITS,
            "centred": 1,
            **(slope if config.alibi else {}),
        }
    )


def row_state_layout(config: Config) -> data.StructLayout:
    """A row between blocks.

    Members:
        filled: a block was added.
        seeded: an earlier tile of this row was filled, and left its reference.
        reference: r, the exponent in which O and l are kept.
        row_sum: l, the sum of the probabilities.
    """
    return data.StructLayout(
        {"filled": 1, "seeded": 1, "reference": signed(REFERENCE_BITS), "row_sum": config.row_sum_bits}
    )


def lane_events_layout() -> data.StructLayout:
    """What an update of a row does: rescale (O is shifted as the reference moves), halve, zero (it adds nothing)."""
    return data.StructLayout({"update": 1, "rescale": 1, "halve": 1, "zero": 1})


def softmax_events_layout(config: Config) -> data.StructLayout:
    """Events of a cycle: row updates of all lanes by what they do, slots that end, and those that add nothing."""
    lanes = fits(config.softmax_lanes)
    return data.StructLayout(
        {
            "row_updates": lanes,
            "rescales": lanes,
            "halvings": lanes,
            "zero_row_updates": lanes,
            "slots": 1,
            "zero_slots": 1,
        }
    )
