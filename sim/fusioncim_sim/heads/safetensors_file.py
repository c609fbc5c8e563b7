"""Reads the arrays of a .safetensors file; the package checks that the file holds what its header claims."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusioncim_sim.heads.arrays import Header, named_header

MOST_HEADER_BYTES = 16 << 20
"""Of the header, which says which arrays there are."""
TYPES = {
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "F32": ("float32", 4),
    "F64": ("float64", 8),
    **{f"I{8 * size}": (f"int{8 * size}", size) for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": (f"uint{8 * size}", size) for size in (1, 2, 4, 8)},
}
"""Names and bytes of the types of a file that operands may have."""


class SafetensorsFile:
    """The arrays of an open file; file: of `safetensors.safe_open`."""

    def __init__(self, file: Any) -> None:
        self._file = file
        names = file.keys()
        self.headers: Mapping[str, Header] = {name: self._header(name) for name in names}

    def read(self, name: str) -> NDArray[Any]:
        """An array."""
        if self.headers[name].type == "bfloat16":
            import ml_dtypes  # tells NumPy what bfloat16 is

            return np.asarray(self._file.get_tensor(name), dtype=ml_dtypes.bfloat16).astype(np.float32)
        return np.asarray(self._file.get_tensor(name))

    def _header(self, name: str) -> Header:
        part = self._file.get_slice(name)
        return named_header(tuple(part.get_shape()), *TYPES.get(part.get_dtype(), (part.get_dtype(), 0)))


@contextmanager
def open_safetensors(path: Path) -> Iterator[SafetensorsFile]:
    """The arrays of a .safetensors file."""
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as begin:
        length = int.from_bytes(begin.read(8), "little")
    if length > MOST_HEADER_BYTES:
        raise ValueError(f"it claims a header of {length:,} bytes, and must have at most {MOST_HEADER_BYTES:,}")
    with ExitStack() as stack:
        try:
            file = stack.enter_context(safe_open(path, framework="np"))
        except SafetensorError as error:
            raise ValueError(str(error)) from error
        yield SafetensorsFile(file)
