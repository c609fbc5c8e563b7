"""Reads what an FST trace says about itself: its times and the names of its signals.

The format is that of GTKWave's fstapi.c, which has no other description: blocks of a type, a length and a content. The
hierarchy is compressed as an LZ4 block.
"""

import struct
from pathlib import Path

HEADER, HIERARCHY = 0, 6
VALUES = 8
"""Types of blocks."""
ATTRIBUTE, END_OF_ATTRIBUTE, SCOPE, END_OF_SCOPE = 252, 253, 254, 255
"""Tags of the hierarchy; any other is the type of a variable."""


def blocks(file: Path) -> list[tuple[int, bytes]]:
    """Type and content of all blocks; they fill the file."""
    data, found = file.read_bytes(), []
    while data:
        kind, length = struct.unpack(">BQ", data[:9])
        assert 8 <= length < len(data)
        found.append((kind, data[9 : length + 1]))
        data = data[length + 1 :]
    return found


def times(file: Path) -> tuple[int, int]:
    """The first and the last time, in the unit of the trace."""
    (header,) = (content for kind, content in blocks(file) if kind == HEADER)
    return struct.unpack(">QQ", header[:16])


def signals(file: Path) -> set[str]:
    """Paths of all signals."""
    (content,) = (content for kind, content in blocks(file) if kind == HIERARCHY)
    text = decompressed(content[8:])
    assert len(text) == int.from_bytes(content[:8], "big")
    at, scopes, found = 0, [], set()

    def string() -> str:
        nonlocal at
        begin, at = at, text.index(0, at) + 1
        return text[begin : at - 1].decode()

    def number() -> None:
        nonlocal at
        while text[at] & 128:
            at += 1
        at += 1

    while at < len(text):
        tag = text[at]
        at += 1
        if tag == SCOPE:
            at += 1
            scopes.append(string())
            string()
        elif tag == END_OF_SCOPE:
            scopes.pop()
        elif tag == ATTRIBUTE:
            at += 2
            string()
            number()
        elif tag != END_OF_ATTRIBUTE:
            at += 1
            found.add(".".join([*scopes, string().split(" ")[0]]))
            number()
            number()
    assert not scopes
    return found


def decompressed(data: bytes) -> bytes:
    """An LZ4 block: literals, and copies of what came before."""
    out, at = bytearray(), 0

    def length(nibble: int) -> int:
        nonlocal at
        if nibble == 15:
            while True:
                at += 1
                nibble += data[at - 1]
                if data[at - 1] != 255:
                    break
        return nibble

    while at < len(data):
        token = data[at]
        at += 1
        literals = length(token >> 4)
        out += data[at : at + literals]
        at += literals
        if at == len(data):
            break
        distance = int.from_bytes(data[at : at + 2], "little")
        at += 2
        for _ in range(4 + length(token & 15)):
            out.append(out[-distance])
    return bytes(out)
