"""What was built before, found again by its content; a directory of the store appears whole or not at all."""

import contextlib
import fcntl
import functools
import gzip
import hashlib
import json
import logging
import multiprocessing
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fusioncim_golden.errors import InputError

LOG = logging.getLogger(__name__)

BUILD = "FUSIONCIM_BUILD"
"""Environment variable with the directory of builds and runs."""
MOST_KEPT_BYTES = 1 << 30
"""Of a compressed file of the store, when it is unpacked."""


def build_root() -> Path:
    """Where builds and runs go: $FUSIONCIM_BUILD, or build/ below the working directory.

    Where build/ cannot be written, the user's cache directory takes its place, and is named. Errors: $FUSIONCIM_BUILD
    cannot be written.
    """
    return _writable(Path(os.environ.get(BUILD) or "build").resolve(), bool(os.environ.get(BUILD)))


@functools.cache
def _writable(place: Path, must: bool) -> Path:
    """The place, or another one unless it must be this one; it is there then."""
    reason = _refusal(place)
    if reason and must:
        raise InputError(f"${BUILD} must be a directory that can be written ({reason}), not {place}")
    if not reason:
        LOG.debug("builds go to %s", place)
        return place
    other = Path(os.environ.get("XDG_CACHE_HOME") or os.environ.get("HOME", "/") + "/.cache").resolve() / "fusioncim"
    if again := _refusal(other):
        raise InputError(
            f"builds must go to a directory that can be written: name one by ${BUILD}, not {place} ({reason}) or "
            f"{other} ({again})"
        )
    if multiprocessing.parent_process() is None:
        LOG.warning("builds go to %s, as %s cannot be written (%s)", other, place, reason)
    return other


def _refusal(place: Path) -> str:
    """Why a directory cannot be written; nothing if it can."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def short_hash(*texts: str) -> str:
    """Short name of what the texts say."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


@contextlib.contextmanager
def filled_once(place: Path) -> Iterator[Path | None]:
    """A scratch directory that becomes `place` when it is filled; None if it is there, or another process fills it."""
    if place.exists():
        LOG.debug("kept: %s", place)
        yield None
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.exists():
            LOG.debug("kept, made by another process: %s", place)
            yield None
            return
        LOG.debug("making: %s", place)
        with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
            yield Path(scratch)
            Path(scratch).rename(place)
            Path(scratch).mkdir()


def kept_json(path: Path) -> Any:
    """Content of a JSON file of the store, which may be compressed (.gz)."""
    try:
        return json.loads(_content(path))
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise damaged(path, error) from error


def kept_text(path: Path) -> str:
    """Content of a text file of the store, which may be compressed (.gz)."""
    try:
        return _content(path).decode()
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise damaged(path, error) from error


def _content(path: Path) -> bytes:
    """Bytes of a file of the store, unpacked. Errors: more than MOST_KEPT_BYTES of them."""
    if path.suffix != ".gz":
        return path.read_bytes()
    with gzip.open(path) as file:
        content = file.read(MOST_KEPT_BYTES + 1)
    if len(content) > MOST_KEPT_BYTES:
        raise ValueError(f"more than {MOST_KEPT_BYTES:,} bytes in it")
    return content


def damaged(path: Path, error: Exception) -> InputError:
    """The error for a file of the store that is gone or was changed."""
    reason = error.strerror if isinstance(error, OSError) else error
    return InputError(f"the build directory is damaged ({path.name}: {reason}); remove {path.parent} and run again")
