"""The numeric contract: one frozen dataclass from which the golden model, the RTL and the reports take every width.

A configuration is validated when it is made, and never changes. `presets` and files are where one begins.
Widths that follow from the parameters are properties, with the bound that makes them wide enough.
"""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

import numpy as np

from fusioncim_golden.errors import InputError, unknown_key
from fusioncim_golden.key_order import ORDERS, KeyOrder

SCALE_BITS = 8
"""Mantissa bits of the score scale c = mantissa / 2^shift; quantization snaps c onto this grid, so it costs nothing."""
SCALE_SHIFT_BITS = 5
"""Bits of the right shift of the score scale."""
REFERENCE_BITS = 20
"""Signed bits of the integer part of a log2 score and of the row reference; a scale that could exceed it is refused."""
RANKS = (1, 2, 4, 8, 16)
"""Values of update_rank."""
DRAIN_ROWS = (1, 2, 4)
"""Values of drain_rows."""
TOKEN_SCALE_BITS = (0, 1, 8)
"""Values of token_scale_bits."""
POSITION_BITS = 20
"""Bits of a key position: up to 2^20 - 1 keys."""
SLOPE_POSITION_BITS = 17
"""Bits of a position in a job with slopes."""
MAX_BITS = 63
"""Bits of the largest whole number that a file or an option may hold."""
SEED_LIMIT = 4
"""A seeded reference starts at most this many powers of two above the first block's own."""
RECIPROCAL_BITS = 14
"""Bits of the row sum's mantissa and of its reciprocal in the normalizer."""
OUTPUT_FRACTION_BITS = 8
"""Fraction bits of a 16-bit output; an 8-bit output has none."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """One hybrid engine.

    Members:
        rows: queries of a tile, one per array row.
        columns: head dimension, one per array column.
        words: tiles resident at once, one per word of every bank.
        operand_bits: bits of Q, K and V (8 or 4), two's complement; one bit-plane of K takes one cycle.
        probability_bits: bits of the mantissa of a probability (6..12).
        accumulator_bits: bits of an element of O in the OP-CIM bank (16..32).
        fraction_bits: fraction bits of the log2 score (4..10).
        lut_size: entries of the table of 2^fraction, a power of two up to 2^fraction_bits.
        softmax_lanes: pipelined softmax lanes; each serves rows / softmax_lanes <= operand_bits rows.
        update_rank: key vectors of a block, summed before one write to O.
        slack: powers of two by which a probability may exceed 1 before the reference moves (0: the integer reference).
        seed: start a tile's references from those that its word ended with.
        flush: a row's block below 2^-flush of its reference is skipped; see `centred_flush`.
        schedule: order of the key blocks, a name of `key_order.ORDERS`.
        output_bits: 16 (8 of them fraction bits) or 8, in units of V's least significant bit.
        drain_rows: rows of a finished tile that leave at the same time (1, 2 or 4).
        token_scale_bits: mantissa bits of the scales per token of K and V (8, or 1: powers of two); 0: there are none.
        alibi: a query head may have a slope, by which scores fall with the distance of the key.
    """

    rows: int = 32
    columns: int = 64
    words: int = 4
    operand_bits: int = 8
    probability_bits: int = 9
    accumulator_bits: int = 24
    fraction_bits: int = 6
    lut_size: int = 64
    softmax_lanes: int = 4
    update_rank: int = 4
    slack: int = 4
    seed: bool = False
    flush: int = 14
    schedule: str = "diagonal_first"
    output_bits: int = 16
    drain_rows: int = 1
    token_scale_bits: int = 0
    alibi: bool = False

    def __post_init__(self) -> None:
        self._check_types()
        self._check_array()
        self._check_numbers()

    def _check_types(self) -> None:
        for field in fields(self):
            check_type(field.name, getattr(self, field.name), field.type)

    def _check_array(self) -> None:
        check_range("rows", self.rows, 1, 1024)
        check_range("columns", self.columns, 4, 1024)
        check_range("words", self.words, 1, 16)
        check_choice("operand_bits", self.operand_bits, (4, 8))
        check_choice("update_rank", self.update_rank, RANKS)
        if self.columns % self.block_cycles:
            raise InputError(
                "columns must be a multiple of update_rank * operand_bits = "
                f"{self.block_cycles} (the columns that one OP-CIM unit serves), not {self.columns}"
            )
        check_range("softmax_lanes", self.softmax_lanes, 1, self.rows)
        if self.rows % self.softmax_lanes:
            raise InputError(f"softmax_lanes must divide rows = {self.rows}, not {self.softmax_lanes}")
        if self.rows_per_lane > self.operand_bits:
            raise InputError(
                f"softmax_lanes must be at least rows / operand_bits = {-(-self.rows // self.operand_bits)} "
                f"(a lane serves one row per cycle of a vector), not {self.softmax_lanes}"
            )
        check_choice("drain_rows", self.drain_rows, DRAIN_ROWS)
        if self.rows % self.drain_rows:
            raise InputError(f"drain_rows must divide rows = {self.rows}, not {self.drain_rows}")

    def _check_numbers(self) -> None:
        check_range("probability_bits", self.probability_bits, 6, 12)
        check_range("accumulator_bits", self.accumulator_bits, 16, 32)
        check_range("fraction_bits", self.fraction_bits, 4, 10)
        if self.lut_size not in [1 << n for n in range(3, self.fraction_bits + 1)]:
            raise InputError(
                f"lut_size must be a power of two from 8 to 2^fraction_bits = {1 << self.fraction_bits}, "
                f"not {self.lut_size}"
            )
        check_range("slack", self.slack, 0, 6)
        check_choice("schedule", self.schedule, tuple(ORDERS))
        check_choice("output_bits", self.output_bits, (8, 16))
        check_choice("token_scale_bits", self.token_scale_bits, TOKEN_SCALE_BITS)
        # |O| < 2^(accumulator_bits - 1) holds if the rounding of all additions together stays within a quarter of it:
        # because there are too few keys for more, or because each addition is large against its rounding.
        few = self.accumulator_bits >= POSITION_BITS + 3 - self.rank_bits
        most = 20 if few else self.probability_bits + self.operand_bits - 3 - self.dropped_bits
        if not few and self.flush > most:
            raise InputError(
                f"flush must be from 1 to {most} with accumulator_bits = {self.accumulator_bits} "
                f"(a narrow accumulator: widen it, or lower slack or update_rank), not {self.flush}"
            )
        check_range("flush", self.flush, 1, most)

    # Array.

    @property
    def block_cycles(self) -> int:
        """Cycles in which a block of update_rank vectors passes one resident word; also the columns of a PV unit."""
        return self.update_rank * self.operand_bits

    @property
    def units(self) -> int:
        """OP-CIM units of a row: each multiplies update_rank pairs per cycle and serves block_cycles columns."""
        return self.columns // self.block_cycles

    @property
    def drain_keys(self) -> int:
        """Keys that pass a tile while another one drains row by row, as where all engines drain at the same time."""
        return self.rows * self.update_rank

    @property
    def rows_per_lane(self) -> int:
        """Rows that share a softmax lane; row j of a lane runs j cycles behind its row 0."""
        return self.rows // self.softmax_lanes

    @property
    def macs_per_cycle(self) -> float:
        """Multiply-accumulates per cycle of one macro (QK^T, or PV)."""
        return self.rows * self.columns / self.operand_bits

    # Widths.

    @property
    def score_bits(self) -> int:
        """Signed bits of a score: |sum of q*k| <= columns * 2^(2*operand_bits - 2)."""
        return 2 * self.operand_bits + (self.columns - 1).bit_length()

    @property
    def log2_bits(self) -> int:
        """Signed bits of a fixed-point log2 score."""
        return REFERENCE_BITS + self.fraction_bits

    @property
    def rank_bits(self) -> int:
        """log2(update_rank)."""
        return self.update_rank.bit_length() - 1

    @property
    def dot_bits(self) -> int:
        """Signed bits of the sum of update_rank products p * v."""
        return self.probability_bits + self.operand_bits + self.rank_bits

    @property
    def dropped_bits(self) -> int:
        """Low bits of a block's contribution that a narrow accumulator does not keep.

        The accumulator must hold at least four blocks of the largest contribution, which also bounds the row sum.
        """
        return max(0, self.dot_bits + self.slack + 2 - self.accumulator_bits)

    @property
    def row_sum_integer_bits(self) -> int:
        """Integer bits of the row sum: |O| * 2^dropped_bits <= 2^(operand_bits - 1) * row sum."""
        return self.accumulator_bits - self.operand_bits + self.dropped_bits

    @property
    def row_sum_bits(self) -> int:
        """Bits of the row sum, unsigned."""
        return self.row_sum_integer_bits + self.row_sum_fraction

    @property
    def row_sum_fraction(self) -> int:
        """Fraction bits of the row sum: two more than those of O for the largest operand, or all there can be."""
        return min(max(self.operand_bits + 1 - self.dropped_bits, 0), self.flush)

    @property
    def seed_limit(self) -> int:
        """Powers of two by which a seeded reference may start above the first block; its bits are all kept in l."""
        return min(SEED_LIMIT, self.flush)

    @property
    def shift_max(self) -> int:
        """Largest shift field of an O update: an aligned block or a rescaled accumulator."""
        return max(self.slack + self.flush, self.accumulator_bits - 1)

    @property
    def centred_flush(self) -> int:
        """`flush` where values are centred: with two powers of two less the error is the same (docs/decisions.md)."""
        return max(self.flush - 2, 1)

    @property
    def sum_flush(self) -> int:
        """The row sum counts no block below 2^-sum_flush of the reference: what a shift field reaches."""
        return self.shift_max - self.slack

    @property
    def lut(self) -> tuple[int, ...]:
        """round(2^(probability_bits - 1) * 2^f), f the middle of the fractions that share the entry: 2^f in [1, 2)."""
        shared = (1 << self.fraction_bits) // self.lut_size
        fraction = (np.arange(self.lut_size) * shared + (shared - 1) / 2) / (1 << self.fraction_bits)
        table = np.floor(2.0 ** (self.probability_bits - 1 + fraction) + 0.5)
        return tuple(int(p) for p in np.minimum(table, (1 << self.probability_bits) - 1))

    # Making one, and what its names stand for.

    def override(self, /, **changes: Any) -> Self:
        """The same configuration with some values changed; an unknown name is refused."""
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise unknown_key(name, known)
        return replace(self, **changes)

    def key_order(self) -> KeyOrder:
        """The order of the key blocks."""
        return ORDERS[self.schedule]

    def as_dict(self) -> dict[str, Any]:
        """The parameters by name."""
        return asdict(self)


def check_type(name: str, value: object, kind: object) -> None:
    """Refuse a value of another type, and a whole number beyond 64 bits."""
    if type(value) is not kind:
        raise InputError(f"{name} must be of type {getattr(kind, '__name__', kind)}, not {value!r}")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise InputError(f"{name} must be a number of at most {MAX_BITS} bits, not of {value.bit_length()}")


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Refuse a value outside low..high."""
    if not low <= value <= high:
        raise InputError(f"{name} must be from {low} to {high}, not {value}")


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Refuse a value that is none of the choices."""
    if value not in choices:
        raise InputError(f"{name} must be one of {', '.join(map(str, choices))}, not {value}")
