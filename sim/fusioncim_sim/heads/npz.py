"""Reads the arrays of an .npz file, each only if it is asked for, and none that is larger than what the file holds."""

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from fusioncim_golden.errors import InputError
from fusioncim_golden.input_file import check_file, unreadable

BEGINNINGS = {
    b"\x93NUMPY": "a single NumPy array; save it with numpy.savez",
    b"\x80": "a Python pickle, as of torch.save",
    b"GGUF": "a GGUF model",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "compressed with gzip",
}
"""What a file is by its first bytes."""
DEFLATE_MOST = 1032
"""Bytes that one byte of a zip file can stand for (zlib's technical details)."""


@dataclass(frozen=True)
class Header:
    """What an array's header says."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Arrays:
    """The arrays of an open file.

    Members:
        headers: of all arrays by name.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        members = archive.infolist()
        self.headers: Mapping[str, Header] = {
            member.filename.removesuffix(".npy"): self._header(member) for member in members
        }
        self._members = {member.filename.removesuffix(".npy"): member for member in members}

    def read(self, name: str) -> NDArray[Any]:
        """An array."""
        with self._archive.open(self._members[name]) as file:
            array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
        return array

    def _header(self, member: zipfile.ZipInfo) -> Header:
        with self._archive.open(member) as file:
            if file.read(len(npy.MAGIC_PREFIX)) != npy.MAGIC_PREFIX:
                raise ValueError(f"{member.filename} is no array")
            version = (*file.read(2),)
            read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
            if read is None:
                raise ValueError(f"{member.filename} is of version {version}")
            shape, _, dtype = read(file)
            begin = file.tell()
        if dtype.hasobject:
            raise ValueError(f"{member.filename} holds Python objects")
        claimed, there = prod(shape) * dtype.itemsize, member.file_size - begin
        if claimed != there or member.file_size > DEFLATE_MOST * max(member.compress_size, 1):
            raise ValueError(f"{member.filename} claims {claimed:,} bytes and holds others")
        return Header(shape, dtype)


@contextmanager
def open_arrays(path: Path) -> Iterator[Arrays]:
    """The arrays of an .npz file; errors say what the file is."""
    check_file("the heads file", path)
    try:
        with path.open("rb") as file:
            begin = file.read(16)
        if not begin.startswith(b"PK"):
            raise _refused(path, _kind(begin))
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/data.pkl") for name in archive.namelist()):
                raise _refused(path, "a model of torch.save")
            yield Arrays(archive)
    except OSError as error:
        raise unreadable("the heads file", path, error) from error
    except InputError:
        raise
    except (ValueError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise _refused(path, f"damaged or of another kind, as {error}") from error


def _kind(begin: bytes) -> str:
    if not begin:
        return "empty"
    if begin[8:9] == b"{" and not begin.startswith(b"{"):
        return "a safetensors file"
    return next((kind for first, kind in BEGINNINGS.items() if begin.startswith(first)), "of a kind unknown here")


def _refused(path: Path, kind: str) -> InputError:
    return InputError(f"the heads file must be an .npz of plain arrays (numpy.savez); this one is {kind}: {path}")
