"""Traces of the signals of a chip: FST files, which GTKWave and Surfer show."""

from pathlib import Path

from fusioncim_golden.errors import InputError
from fusioncim_sim.files import check_file

BEGINNING = bytes([0]) + (329).to_bytes(8, "big")
"""Of an FST: its first block is the header, of so many bytes."""


def check_trace(path: Path) -> None:
    """Refuse a place where no trace can be written, or where something else is that would be lost."""
    if path.suffix != ".fst":
        raise InputError(f"the trace must end in .fst, not {path}")
    check_file(path, BEGINNING)
