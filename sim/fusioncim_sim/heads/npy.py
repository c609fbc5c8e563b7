"""Reads arrays as NumPy saves them: a header, and then the elements. Pickled objects are never read."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from fusioncim_sim.heads.arrays import Header, header_of, named_header

MAGIC = npy.MAGIC_PREFIX
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
MOST_HEADER_BYTES = 10_000
"""Of the header of an array: what NumPy takes."""
BFLOAT16 = b"'<V2'"
"""How NumPy writes the type of ml_dtypes' bfloat16, which it does not know; two bytes of no type are '|V2'."""


class Npy:
    """The one array of a file, under the name of the file."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._file = file
        self.headers: Mapping[str, Header] = {path.stem: read_header(file, path.stat().st_size, path.name)}

    def read(self, name: str) -> NDArray[Any]:
        """The array."""
        self._file.seek(0)
        return read_array(self._file, self.headers[name])


@contextmanager
def open_npy(path: Path) -> Iterator[Npy]:
    """The array of an .npy file."""
    with path.open("rb") as file:
        yield Npy(path, file)


def read_header(file: IO[bytes], size: int, name: str) -> Header:
    """The header at the beginning of `size` bytes, which must hold the array that it claims; name: for the error."""
    if file.read(len(MAGIC)) != MAGIC:
        raise ValueError(f"{name} is no array")
    version = (*file.read(2),)
    if version not in HEADERS:
        raise ValueError(f"{name} is of version {version}")
    begin = file.tell()
    # Before it is read: a header of version 2 may claim 4 GB, and a compressed file bring them.
    length = int.from_bytes(file.read(2 * version[0]), "little")
    if length > MOST_HEADER_BYTES:
        raise ValueError(f"{name} claims a header of {length:,} bytes")
    file.seek(begin)
    try:
        shape, _, dtype = HEADERS[version](file)
    except Exception as error:  # Python's parser reads it, and NumPy asks for its parts
        raise ValueError(f"{name} has no header ({_short(error)})") from error
    end = file.tell()
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects")
    found = header_of(shape, dtype)
    if found.bytes != size - end:
        raise ValueError(f"{name} claims {found.bytes:,} bytes and holds others")
    if found.type == "|V2":
        file.seek(begin)
        if BFLOAT16 in file.read(end - begin):
            return named_header(shape, "bfloat16", dtype.itemsize)
    return found


def _short(error: Exception) -> str:
    """First line of what an error says."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def read_array(file: IO[bytes], header: Header) -> NDArray[Any]:
    """The array whose header begins here."""
    array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
    if header.type == "bfloat16":
        import ml_dtypes

        return array.view(ml_dtypes.bfloat16).astype(np.float32)
    return array
