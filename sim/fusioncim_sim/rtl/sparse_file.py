"""Files with holes: memories of which jobs touch little, however far apart it lies."""

import hashlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fusioncim_sim.rtl.tensor_bytes import Bytes

STEP = 1 << 16
"""Bytes that are compared at once."""


def mapped(file: Path) -> mmap.mmap:
    """The contents of a file; what is written there is written to the file."""
    with file.open("r+b") as opened:
        return mmap.mmap(opened.fileno(), 0)


def contents(file: Path) -> Bytes:
    """The same as an array."""
    return np.frombuffer(mapped(file) if file.stat().st_size else b"", np.uint8)


def create(file: Path, size: int) -> Bytes:
    """A new file of zeros."""
    with file.open("wb") as opened:
        opened.truncate(size)
    return contents(file)


def extents(file: Path) -> Iterator[slice]:
    """Where a file has data; zeros are all around."""
    with file.open("rb") as opened:
        stop, size = 0, file.stat().st_size
        while stop < size:
            try:
                start = os.lseek(opened.fileno(), stop, os.SEEK_DATA)
            except OSError:  # only a hole is left
                return
            stop = os.lseek(opened.fileno(), start, os.SEEK_HOLE)
            yield slice(start, stop)


def copy(source: str | Path, target: str | Path) -> None:
    """Copy a file with its holes."""
    source = Path(source)
    there, here = contents(source), create(Path(target), source.stat().st_size)
    for piece in extents(source):
        here[piece] = there[piece]


def digest(file: Path) -> str:
    """Hash of the size, and of the data and where it is."""
    found, data = hashlib.sha256(str(file.stat().st_size).encode()), contents(file)
    for piece in extents(file):
        found.update(f"{piece.start} ".encode())
        found.update(data[piece].data)
    return found.hexdigest()


def differences(first: Path, second: Path) -> int:
    """Bytes in which files of one size differ."""
    here, there = contents(first), contents(second)
    steps = {
        start - start % STEP
        for file in (first, second)
        for piece in extents(file)
        for start in range(piece.start, piece.stop + STEP - 1, STEP)
    }
    return sum(int(np.count_nonzero(here[at : at + STEP] != there[at : at + STEP])) for at in steps)
