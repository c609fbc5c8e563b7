"""Writes results so that no half-written file is ever seen, and so that nothing of the user's is overwritten.

A file is written beside its place and renamed into it. A directory that this tool wrote holds `manifest.json`, which
names every file with its hash; a directory without one, or whose files were changed since, is refused.

The name `-` is the standard output, and so is /dev/stdout. A pipe or a device is written to; it is neither read nor
replaced.
"""

import errno
import hashlib
import importlib.metadata
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fusioncim_golden.errors import InputError
from fusioncim_golden.input_file import MOST_BYTES

MANIFEST = "manifest.json"
GENERATOR = "fusioncim"
SCRATCH = ".fusioncim-"
READER_S = 10.0
"""How long a pipe may wait for its reader."""
STANDARD_OUTPUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def stored_measurements() -> Path:
    """The directory of the measured figures: of the repository around this package, or what was installed with it."""
    packaged = Path(__file__).with_name("measurements")
    return packaged if packaged.exists() else Path(__file__).parents[2] / "measurements"


def to_json(data: Mapping[str, Any]) -> bytes:
    """Sorted and indented, one newline at the end; NaN and infinity, which JSON does not have, are refused."""
    return (json.dumps(data, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def is_standard_output(path: Path) -> bool:
    """The name stands for the standard output."""
    return str(path) in STANDARD_OUTPUT


def is_stream(path: Path) -> bool:
    """The standard output, a pipe or a device: it can be written to, and holds nothing that could be lost."""
    return is_standard_output(path) or (path.exists() and not path.is_file() and not path.is_dir())


def check_json(path: Path, keys: Iterable[str]) -> None:
    """Refuse a path whose directory is missing, or that exists and is no JSON file with these keys."""
    _check_file(path, lambda content: set(keys) <= set(json.loads(content)))


def check_file(path: Path, sign: bytes) -> None:
    """Refuse a path whose directory is missing, or that exists and is no file that has these bytes somewhere."""
    if is_stream(path):
        raise InputError(f"the output must be a file, not {path}")
    _check_file(path, lambda content: sign in content)


def _check_file(path: Path, written: Callable[[bytes], bool]) -> None:
    """Refuse a path whose directory is missing, or that exists and whose content was not written by this command."""
    if is_stream(path):
        return
    if not path.parent.is_dir():
        raise InputError(f"the directory of the output file must exist, not so for {path}")
    _check_writable(path)
    if not path.exists():
        return
    try:
        ours = path.stat().st_size <= MOST_BYTES and written(path.read_bytes())
    except (OSError, ValueError, TypeError):
        ours = False
    if not ours:
        raise InputError(
            f"the output file exists and was not written by this command; remove it or name another: {path}"
        )


def write_json(path: Path, data: Mapping[str, Any], keys: Iterable[str] = ()) -> None:
    """Write a JSON file in one step, after `check_json` with `keys` (all of the data's if none are given)."""
    check_json(path, tuple(keys) or data)
    write_file(path, to_json(data))


def write_file(path: Path, content: bytes) -> None:
    """Write a file in one step, or to a stream."""
    if is_standard_output(path):
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
    elif is_stream(path):
        try:
            _write_stream(path, content)
        except OSError as error:
            raise cannot_write(path, error) from error
    else:
        with replacing(path) as scratch:
            scratch.write_bytes(content)


def _write_stream(path: Path, content: bytes) -> None:
    """Write to a pipe or a device; a pipe that no one begins to read is an error after READER_S."""
    end = time.monotonic() + READER_S
    while True:
        try:
            number = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            break
    os.set_blocking(number, True)
    with os.fdopen(number, "wb") as stream:
        stream.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path`, of the same suffix, to write to; it takes the place of `path` if the block succeeds."""
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=SCRATCH) as scratch:
            place = Path(scratch) / path.name
            yield place
            place.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error


def check_place(path: Path) -> None:
    """Refuse a path where no directory can be."""
    _refuse_standard_output(path)
    above = next(each for each in (path, *path.resolve().parents) if each.exists())
    if not above.is_dir():
        raise InputError(f"the output must be a directory, not the file {above}")
    _check_writable(path)


def make_directory(path: Path) -> None:
    """Make a directory and those above it, unless it exists."""
    _refuse_standard_output(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def check_directory(path: Path, force: str = "") -> None:
    """Refuse a directory that exists, is not empty, and is not as this tool wrote it, and one that cannot exist.

    force: the option of the command that writes there nevertheless, if it has one.
    """
    check_place(path)
    if not path.exists() or not any(path.iterdir()):
        return
    hint = f" ({force} writes all the same)" if force else ""
    for name, entry in _listed(path, hint).items():
        file = path / name
        if file.exists() and hash_of(file.read_bytes()) != entry["sha256"]:
            raise InputError(f"the output directory holds a file that was changed since it was written{hint}: {file}")


def _check_writable(path: Path) -> None:
    """Refuse a path beside which, or above which, nothing can be written."""
    above = next(each for each in path.resolve().parents if each.exists())
    try:
        with tempfile.TemporaryDirectory(dir=above, prefix=SCRATCH):
            return
    except OSError as error:
        raise cannot_write(path, error) from error


def write_directory(path: Path, files: Mapping[str, bytes], parameters: Mapping[str, Any]) -> None:
    """Write files, named by their paths, and their manifest into a directory.

    A new directory appears whole. In an existing one, files of these names are replaced, each in one step, and all
    others stay; `check_directory` says whether they may be.
    """
    _refuse_standard_output(path)
    path = path.resolve()
    manifest = {
        "generator": GENERATOR,
        "version": importlib.metadata.version("fusioncim"),
        "parameters": dict(parameters),
        "files": {name: {"bytes": len(content), "sha256": hash_of(content)} for name, content in files.items()},
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=SCRATCH) as scratch:
            whole = Path(scratch) / "whole"
            whole.mkdir()
            for name, content in {**files, MANIFEST: to_json(manifest)}.items():
                (whole / name).parent.mkdir(parents=True, exist_ok=True)
                (whole / name).write_bytes(content)
            if path.exists():
                for name in (*files, MANIFEST):
                    (path / name).parent.mkdir(parents=True, exist_ok=True)
                    (whole / name).replace(path / name)
            else:
                whole.rename(path)
    except OSError as error:
        raise cannot_write(path, error) from error


def hash_of(content: bytes) -> str:
    """SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def cannot_write(path: Path, error: OSError) -> InputError:
    """The error for a path that the system refuses."""
    return InputError(f"the output cannot be written ({error.strerror or error}): {path}")


def _refuse_standard_output(path: Path) -> None:
    if is_standard_output(path):
        raise InputError(f"the output must be a directory, not the standard output ({path})")


def _listed(path: Path, hint: str) -> dict[str, dict[str, Any]]:
    """The files that the manifest of a directory lists."""
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        files: dict[str, dict[str, Any]] = manifest["files"]
        inside = all(not Path(name).is_absolute() and ".." not in Path(name).parts for name in files)
        if manifest["generator"] != GENERATOR or not inside or not all(entry["sha256"] for entry in files.values()):
            raise ValueError(MANIFEST)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"the output directory exists and was not written by fusioncim; name another{hint}: {path}"
        ) from error
    return files
