"""Opens files of arrays, of every kind that heads come in; errors say what a file is instead.

A kind is told by the first bytes, not by the name. Several files are read as one: their arrays have different names.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fusioncim_golden.errors import InputError
from fusioncim_golden.input_file import check_file, unreadable
from fusioncim_sim.heads.arrays import Arrays, Header
from fusioncim_sim.heads.directory import open_zip
from fusioncim_sim.heads.npy import MAGIC, open_npy
from fusioncim_sim.heads.npz import open_npz
from fusioncim_sim.heads.safetensors_file import open_safetensors
from fusioncim_sim.heads.torch_file import open_torch

BEGINNINGS = {
    b"\x80": "a Python pickle; save tensors with torch.save of PyTorch 1.6 or newer",
    b"GGUF": "a GGUF model",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "compressed with gzip",
}
"""What a file is by its first bytes."""
DAMAGED = (ValueError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)
"""What readers raise for a file that is not what it begins as."""


class Joined:
    """The arrays of several open files."""

    def __init__(self, files: Sequence[tuple[Path, Arrays]]) -> None:
        self._of: dict[str, tuple[Path, Arrays]] = {}
        self.headers: dict[str, Header] = {}
        for path, arrays in files:
            for name, header in arrays.headers.items():
                if name in self.headers:
                    raise InputError(f"arrays of the heads files must have different names, not {name} again: {path}")
                self._of[name], self.headers[name] = (path, arrays), header

    def read(self, name: str) -> NDArray[Any]:
        """An array."""
        path, arrays = self._of[name]
        with _named(path):
            return arrays.read(name)


@contextmanager
def open_arrays(*paths: Path) -> Iterator[Arrays]:
    """The arrays of files."""
    with ExitStack() as stack:
        yield Joined([(path, _open(stack, path)) for path in paths])


def _open(stack: ExitStack, path: Path) -> Arrays:
    """The arrays of one file, open as long as the stack is."""
    check_file("the heads file", path)
    with _named(path):
        return stack.enter_context(_reader(path)(path))


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of a reader say which file it read."""
    try:
        yield
    except OSError as error:
        raise unreadable("the heads file", path, error) from error
    except InputError:
        raise
    except DAMAGED as error:
        raise _refused(path, f"damaged or of another kind, as {error}") from error


def _reader(path: Path) -> Callable[[Path], AbstractContextManager[Arrays]]:
    """What opens files of this kind."""
    with path.open("rb") as file:
        begin = file.read(16)
    if begin.startswith(MAGIC):
        return open_npy
    if begin.startswith(b"PK"):
        with open_zip(path) as archive:
            names = archive.namelist()
        return open_torch if any(name.endswith("/data.pkl") for name in names) else open_npz
    if begin[8:9] == b"{" and not begin.startswith(b"{"):
        return open_safetensors
    kind = next((kind for first, kind in BEGINNINGS.items() if begin.startswith(first)), "of a kind unknown here")
    raise _refused(path, kind if begin else "empty")


def _refused(path: Path, kind: str) -> InputError:
    return InputError(f"the heads file must be .npz, .npy, .safetensors or .pt; this one is {kind}: {path}")
