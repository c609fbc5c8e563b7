"""Reads the tensors that torch.save wrote: one, or dictionaries of them. Nothing in the file is run.

A tensor alone has the name of the file. In dictionaries of dictionaries the names are joined by dots.
"""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusioncim_sim.heads.arrays import Header, named_header
from fusioncim_sim.heads.directory import open_zip

MOST_ENTRIES = 100_000
"""Entries of all dictionaries of a file."""
MOST_PICKLE_BYTES = 64 << 20
"""Of what says which tensors there are. It is read by PyTorch's reader of weights alone, which calls nothing."""
DEEPEST = 16
"""Dictionaries in each other."""


class TorchFile:
    """The tensors of a file; tensors: by name."""

    def __init__(self, tensors: Mapping[str, Any], size: int) -> None:
        self._tensors = tensors
        self.headers: Mapping[str, Header] = {name: _header(name, one, size) for name, one in tensors.items()}

    def read(self, name: str) -> NDArray[Any]:
        """A tensor as an array."""
        tensor = self._tensors[name].detach()
        if self.headers[name].type == "bfloat16":
            tensor = tensor.float()
        return np.array(tensor.numpy())


@contextmanager
def open_torch(path: Path) -> Iterator[TorchFile]:
    """The tensors of a .pt file; needs PyTorch."""
    size = path.stat().st_size
    _check_archive(path, size)
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (UnpicklingError, AttributeError, LookupError, TypeError, AssertionError) as error:
        raise ValueError("it holds more than tensors and dictionaries of them") from error
    except RuntimeError as error:
        raise ValueError("PyTorch cannot load it") from error
    found = list(_tensors(content, path.stem))
    if len(dict(found)) < len(found):
        raise ValueError("two of its tensors have one name")
    yield TorchFile(dict(found), size)


def _check_archive(path: Path, size: int) -> None:
    """Refuse a zip file whose members are compressed, or larger than the file: torch.save writes none."""
    with open_zip(path) as archive:
        members = archive.infolist()
    claimed = sum(member.file_size for member in members)
    if claimed > size or any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError(f"it claims {claimed:,} bytes in {size:,}, or is compressed")
    largest = max((member.file_size for member in members if member.filename.endswith(".pkl")), default=0)
    if largest > MOST_PICKLE_BYTES:
        raise ValueError(f"its list of tensors has {largest:,} bytes, and must have at most {MOST_PICKLE_BYTES:,}")


def _tensors(content: Any, stem: str) -> Iterator[tuple[str, Any]]:
    """Names and tensors; everything else in a dictionary is left out."""
    import torch

    if isinstance(content, torch.Tensor):
        yield stem, content
        return
    if not isinstance(content, Mapping):
        raise ValueError(f"it must hold a tensor, or dictionaries of them, and holds a {type(content).__name__}")
    waiting: list[tuple[tuple[str, ...], Any]] = [((), content)]
    seen = 0
    while waiting:
        names, one = waiting.pop()
        seen += 1
        if seen > MOST_ENTRIES or len(names) > DEEPEST:
            raise ValueError(f"its dictionaries have more than {MOST_ENTRIES:,} entries, or {DEEPEST} levels")
        if isinstance(one, Mapping):
            waiting += [((*names, str(name)), value) for name, value in reversed(list(one.items()))]
        elif isinstance(one, torch.Tensor):
            yield ".".join(names), one


def _header(name: str, tensor: Any, size: int) -> Header:
    import torch

    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_nested or tensor.is_quantized:
        raise ValueError(f"{name} is no plain tensor")
    header = named_header(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), tensor.element_size())
    if header.bytes > size:
        raise ValueError(f"{name} claims {header.bytes:,} bytes and holds others")
    return header
