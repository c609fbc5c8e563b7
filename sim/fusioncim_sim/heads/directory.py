"""The limit of a zip file's directory, looked at before it is read: its entries take ten times their bytes then."""

import zipfile
from pathlib import Path

MOST_DIRECTORY_BYTES = 16 << 20
"""Of the entries of a zip file; they have 46 bytes each and a name."""
END, END_BYTES = b"PK\x05\x06", 22
"""How the last record begins, and its bytes without a comment (APPNOTE.TXT 4.3.16)."""
LARGE_END, LOCATOR = b"PK\x06\x06", b"PK\x06\x07"
"""The same of large files, and of the record that says where it is (4.3.14, 4.3.15)."""
MOST_COMMENT = (1 << 16) - 1


def open_zip(path: Path) -> zipfile.ZipFile:
    """A zip file to read. Errors: ValueError names the bytes of a directory larger than MOST_DIRECTORY_BYTES."""
    _check_directory(path)
    return zipfile.ZipFile(path)


def _check_directory(path: Path) -> None:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - END_BYTES - MOST_COMMENT - 20, 0))
        tail = file.read()
        place = tail.rfind(END)
        if place < 0:
            return  # no zip file, as its reader says
        claimed = int.from_bytes(tail[place + 12 : place + 16], "little")
        locator = tail[max(place - 20, 0) : place]
        if locator.startswith(LOCATOR):
            file.seek(min(int.from_bytes(locator[8:16], "little"), size))
            record = file.read(56)
            # Where that is wrong, a reader finds the record before its locator.
            if not record.startswith(LARGE_END):
                record = tail[max(place - 76, 0) : place - 20]
            claimed = max(claimed if claimed < (1 << 32) - 1 else 0, int.from_bytes(record[40:48], "little"))
    if claimed > MOST_DIRECTORY_BYTES:
        raise ValueError(f"its directory has {claimed:,} bytes, and must have at most {MOST_DIRECTORY_BYTES:,}")
