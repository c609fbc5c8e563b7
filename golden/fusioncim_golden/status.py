"""How a job ends, as a code and in a sentence: the same from the chip, its driver and the golden rules."""

from enum import IntEnum

from fusioncim_golden import mask
from fusioncim_golden.limits import (
    DIMENSION_STEP,
    JOB_BYTES,
    MAX_HEADS,
    MAX_PAGE_TOKENS,
    MAX_SEQUENCES,
    POSITIONS,
    SEQUENCE_BYTES,
    SLOPE_POSITIONS,
    TOKEN_SCALE_ALIGNMENT,
    TOKEN_SCALE_KEYS,
)


class Status(IntEnum):
    """Outcome of a job. `words` says it in a sentence."""

    OK = 0
    SIZE = 1
    HEADS = 2
    DIMENSION = 3
    FORMAT = 4
    POSITION = 5
    ALIGNMENT = 6
    ADDRESS = 7
    OVERLAP = 8
    READ_ERROR = 9
    WRITE_ERROR = 10
    ABORTED = 11
    SCALE = 12
    PROTOCOL = 13
    STALLED = 14
    MASK = 15
    BATCH = 16
    PAGING = 17
    SEQUENCE = 18
    PAGE = 19
    INTERVAL = 20
    GUARD = 21

    @property
    def words(self) -> str:
        """What it means."""
        return WORDS[self]


WORDS = {
    Status.OK: "done",
    Status.SIZE: f"queries and keys must be from 1 to {POSITIONS}, heads and kv_heads from 1 to {MAX_HEADS}",
    Status.HEADS: "heads must be a multiple of kv_heads",
    Status.DIMENSION: f"dimension must be a multiple of {DIMENSION_STEP}, from that to the columns of the chip, "
    "and value_dimension such a one or 0",
    Status.FORMAT: "output_bits must be those of the chip, kv_bits 0, those of its operands, or 4 where these have 8, "
    "and what is reserved, or what the chip has not, must be 0",
    Status.POSITION: f"start + queries must be at most {POSITIONS}, and with slopes, like keys, {SLOPE_POSITIONS}",
    Status.ALIGNMENT: "addresses and pitches must be multiples of 16 bytes, or of the bus if that is narrower, "
    f"token scales, and pages of keys that have them, of {TOKEN_SCALE_ALIGNMENT}, "
    f"the table of sequences of {SEQUENCE_BYTES}, a job of {JOB_BYTES}",
    Status.ADDRESS: "every tensor and table must end inside of the chip's address space",
    Status.OVERLAP: "the output and the log-sum-exp must overlap neither an operand nor a table nor each other nor "
    "themselves",
    Status.READ_ERROR: "a read from memory failed",
    Status.WRITE_ERROR: "a write to memory failed",
    Status.ABORTED: "the job was aborted",
    Status.SCALE: "a scale must have a mantissa from 128 to 255, a shift with which its scores fit and 0 above bit 13; "
    "so must a slope, with a shift from 7 to 31 and 0 above it, or be 0; a sink must have 17 bits, and bit 13 of its "
    "head's scale be 0",
    Status.PROTOCOL: "the bus answered what was not asked",
    Status.STALLED: "the bus stood still for STALL_LIMIT cycles: the chip goes on once the bus gives all that it owes, "
    "else reset both",
    Status.MASK: mask.RULE,
    Status.BATCH: f"a job has at most {MAX_SEQUENCES} sequences, and beside these start 0 and the causal mask",
    Status.PAGING: "a page must have a power of two of keys, from those of a block to "
    f"{MAX_PAGE_TOKENS}, and a pool from 1 to {POSITIONS} pages",
    Status.SEQUENCE: "a sequence's rows must follow those before it and end inside of the job's queries, its keys "
    f"begin at a page, or with token scales at a multiple of {TOKEN_SCALE_KEYS}, end inside of the job's keys, and be "
    f"with slopes at most {SLOPE_POSITIONS}, and what is reserved must be 0",
    Status.PAGE: "a page's number must be below the pages of the pool",
    Status.INTERVAL: f"the low of an interval must be at most its high, and that at most {POSITIONS}",
    Status.GUARD: "a write outside of the job's outputs was stopped: the chip is faulty",
}
"""The words of every outcome, the same in the register map."""
