"""The limits of a job, and the bytes of what lies in memory beside its tensors."""

from fusioncim_golden.config import POSITION_BITS

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
"""Bytes of an entry of the scale table."""
PAGE_BYTES = 4
"""Bytes of an entry of the page list."""
INTERVAL_BYTES = 8
"""Bytes of an entry of the table of intervals."""
SEQUENCE_BYTES = 64
"""Bytes of an entry of the table of sequences, of which its address is a multiple."""
JOB_BYTES = 256
"""Bytes of a job's record in memory, of which its address is a multiple."""
