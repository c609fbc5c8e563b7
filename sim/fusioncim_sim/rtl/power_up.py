"""What registers without a reset and words of memories hold when a simulation begins.

Icarus shows an unknown value as X, in the Verilog as it is generated or in one that watches where unknowns get
(`watched_verilog`). Verilator has no X: what is unknown there is random.
"""

import os
import re

from fusioncim_golden.errors import InputError

POWER_UP = "FUSIONCIM_POWER_UP"
"""Environment variable: watched, or the seed of Verilator's random values, from 1 on."""

WATCHED = "watched"
LARGEST_SEED = (1 << 31) - 1


def power_up() -> str:
    """$FUSIONCIM_POWER_UP, or nothing. Errors: it is neither watched nor a seed."""
    value = os.environ.get(POWER_UP, "")
    number = int(value) if re.fullmatch(r"[0-9]{1,10}", value) else 0
    if value not in ("", WATCHED) and not 1 <= number <= LARGEST_SEED:
        raise InputError(f"{POWER_UP} must be {WATCHED} or a number from 1 to {LARGEST_SEED}, not {value}")
    return value


def seed() -> int:
    """Of Verilator's random values."""
    value = power_up()
    return int(value) if value not in ("", WATCHED) else 1
