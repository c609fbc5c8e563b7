"""Reads a linked program: what it puts into memory, and where its symbols are (ELF, 32 bits, little endian)."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fusioncim_golden.errors import InputError

IDENTITY = b"\x7fELF\x01\x01"
"""What such a file begins with: 32 bits, little endian."""
RISCV = 243
LOADED, SYMBOLS = 1, 2
"""Types of a segment that is loaded, of the section of symbols."""
HEADER, SEGMENT, SECTION, SYMBOL = (struct.Struct(f"<{each}") for each in ("16s2H5I6H", "8I", "10I", "3I2BH"))


@dataclass(frozen=True)
class Linked:
    """A linked program.

    Members:
        segments: content by first address; memory behind it that begins as 0 is not there.
        symbols: addresses by name.
    """

    segments: Mapping[int, bytes]
    symbols: Mapping[str, int]

    def within(self, first: int, size: int) -> dict[int, bytes]:
        """The segments that begin in these bytes."""
        return {address: content for address, content in self.segments.items() if 0 <= address - first < size}


def read_elf(path: Path) -> Linked:
    """The program in a file."""
    content = path.read_bytes()
    try:
        return _linked(content)
    except (struct.error, IndexError, ValueError) as error:
        raise InputError(f"the firmware must be a linked program for RISC-V of 32 bits, not {path}") from error


def _linked(content: bytes) -> Linked:
    identity, _, machine, _, _, segments, sections, _, _, _, segment_count, _, section_count, _ = HEADER.unpack_from(
        content
    )
    if not identity.startswith(IDENTITY) or machine != RISCV:
        raise ValueError
    found = {}
    for n in range(segment_count):
        kind, offset, _, address, size, *_ = SEGMENT.unpack_from(content, segments + n * SEGMENT.size)
        if kind == LOADED and size:
            found[address] = content[offset : offset + size]
    tables = [SECTION.unpack_from(content, sections + n * SECTION.size) for n in range(section_count)]
    return Linked(found, dict(_symbols(content, tables)))


def _symbols(content: bytes, sections: list[tuple[int, ...]]) -> Iterator[tuple[str, int]]:
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind != SYMBOLS:
            continue
        names = sections[link][4]
        for place in range(offset, offset + size, SYMBOL.size):
            name, value, *_ = SYMBOL.unpack_from(content, place)
            begin = names + name
            yield content[begin : content.index(b"\0", begin)].decode(errors="replace"), value
