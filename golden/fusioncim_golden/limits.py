"""The limits of a job, and the bytes of what lies in memory beside its tensors."""

from fusioncim_golden.config import POSITION_BITS, SLOPE_POSITION_BITS

POSITIONS = (1 << POSITION_BITS) - 1
"""Largest number of queries, of keys, of pages, and of a position."""
MAX_HEADS = 256
"""Largest number of query heads and of key and value heads."""
MAX_SEQUENCES = 1024
"""Most sequences of a job."""
MAX_PAGE_TOKENS = 256
"""Most keys of a page."""
DIMENSION_STEP = 8
"""A job's dimension is a multiple of it."""
SCALE_BYTES = 4
"""Bytes of an entry of the tables of scales, sinks and slopes."""
TOKEN_SCALE_BYTES = 4
"""Bytes of a token's scales."""
TOKEN_SCALE_ALIGNMENT = 32
"""Bytes of which the places of token scales are multiples, and pages of keys that have them."""
TOKEN_SCALE_KEYS = TOKEN_SCALE_ALIGNMENT // TOKEN_SCALE_BYTES
"""Keys whose scales lie in so many bytes."""
PACKED_BITS = 4
"""Bits of keys and values that are packed, two to a byte."""
LSE_BYTES = 4
"""Bytes of the log-sum-exp of a row."""
SLOPE_POSITIONS = (1 << SLOPE_POSITION_BITS) - 1
"""Largest number of keys, and largest start + queries, of a job with slopes."""
PAGE_BYTES = 4
"""Bytes of an entry of the page list."""
INTERVAL_BYTES = 8
"""Bytes of an entry of the table of intervals."""
SEQUENCE_BYTES = 64
"""Bytes of an entry of the table of sequences, of which its address is a multiple."""
JOB_BYTES = 256
"""Bytes of a job's record in memory, of which its address is a multiple."""
