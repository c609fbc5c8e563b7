"""Reads the arrays of an .npz file, each only if it is asked for, and none that is larger than what the file holds."""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fusioncim_sim.heads.arrays import Header
from fusioncim_sim.heads.directory import open_zip
from fusioncim_sim.heads.npy import read_array, read_header

DEFLATE_MOST = 1032
"""Bytes that one byte of a zip file can stand for (zlib's technical details)."""


class Npz:
    """The arrays of an open file."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        members = archive.infolist()
        self._members = {member.filename.removesuffix(".npy"): member for member in members}
        if len(self._members) < len(members):
            raise ValueError("two of its arrays have one name")
        self.headers: Mapping[str, Header] = {name: self._header(member) for name, member in self._members.items()}

    def read(self, name: str) -> NDArray[Any]:
        """An array."""
        with self._archive.open(self._members[name]) as file:
            return read_array(file, self.headers[name])

    def _header(self, member: zipfile.ZipInfo) -> Header:
        with self._archive.open(member) as file:
            header = read_header(file, member.file_size, member.filename)
        if member.file_size > DEFLATE_MOST * max(member.compress_size, 1):
            raise ValueError(f"{member.filename} claims {header.bytes:,} bytes and holds others")
        return header


@contextmanager
def open_npz(path: Path) -> Iterator[Npz]:
    """The arrays of an .npz file."""
    with open_zip(path) as archive:
        yield Npz(archive)
