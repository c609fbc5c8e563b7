"""Reads the files that a user names. None is read that is larger than its limit, which is looked at before."""

import json
import stat
from pathlib import Path
from typing import Any

from fusioncim_golden.errors import InputError

MOST_BYTES = 256 << 20
"""Of a file that is read as a whole: a Liberty file, a trace, a table of figures, results."""
MOST_CONFIG_BYTES = 1 << 20
"""Of a configuration: of a chip, or of a language model."""


def check_file(what: str, path: Path) -> None:
    """Refuse a path that cannot be read to its end: of nothing, a directory, a pipe, a device."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise unreadable(what, path, error) from error
    if not stat.S_ISREG(mode):
        kind = "Is a directory" if stat.S_ISDIR(mode) else "Is a pipe, a socket or a device, and must be a file"
        raise InputError(f"{what} cannot be read ({kind}): {path}")


def read_file(what: str, path: Path, most: int = MOST_BYTES) -> bytes:
    """Content of a file of at most so many bytes; `what` says in an error what it should be."""
    check_file(what, path)
    try:
        size = path.stat().st_size
        if size > most:
            raise InputError(f"{what} must have at most {most:,} bytes, not {size:,}: {path}")
        return path.read_bytes()
    except OSError as error:
        raise unreadable(what, path, error) from error


def read_text(what: str, path: Path, most: int = MOST_BYTES) -> str:
    """Content of a text file in UTF-8, with line ends of any system."""
    try:
        return "\n".join(read_file(what, path, most).decode().split("\r\n"))
    except UnicodeDecodeError as error:
        raise InputError(f"{what} must be UTF-8 ({error.reason} at byte {error.start}): {path}") from error


def read_json(what: str, path: Path, most: int = MOST_BYTES) -> dict[str, Any]:
    """The object of a JSON file."""
    content = read_file(what, path, most)
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what} is no JSON ({type(error).__name__}: {error}): {path}") from error
    if not isinstance(data, dict):
        raise InputError(f"{what} must be a JSON object, not so {path}")
    return data


def unreadable(what: str, path: Path, error: Exception) -> InputError:
    """The error for a file that the system does not give."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return InputError(f"{what} cannot be read ({reason}): {path}")
