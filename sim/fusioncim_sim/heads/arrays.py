"""Arrays of a file before they are read: what their headers say."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOAT, INTEGER, OTHER = "float", "integer", "other"


@dataclass(frozen=True)
class Header:
    """What is known of an array before it is read.

    Members:
        shape: as in the file.
        type: of its elements, as NumPy and PyTorch call it.
        kind: FLOAT, INTEGER or OTHER.
        itemsize: bytes of an element.
    """

    shape: tuple[int, ...]
    type: str
    kind: str
    itemsize: int

    @property
    def bytes(self) -> int:
        """What the array takes once it is read."""
        return prod(self.shape) * self.itemsize

    @property
    def is_float(self) -> bool:
        """Its elements are floats."""
        return self.kind == FLOAT

    @property
    def is_integer(self) -> bool:
        """Its elements are integers."""
        return self.kind == INTEGER


def header_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Header:
    """The header of an array of NumPy."""
    kind = {"f": FLOAT, "i": INTEGER, "u": INTEGER}.get(dtype.kind, OTHER)
    return Header(shape, str(dtype), kind, dtype.itemsize)


def named_header(shape: tuple[int, ...], name: str, itemsize: int) -> Header:
    """The header of an array whose elements have such a name, for what NumPy may not have."""
    kind = FLOAT if name in FLOATS else INTEGER if name in INTEGERS else OTHER
    return Header(shape, name, kind, itemsize)


class Arrays(Protocol):
    """Arrays by name, each read when it is asked for; bfloat16 becomes float32, which has all of its values."""

    @property
    def headers(self) -> Mapping[str, Header]:
        """Of all arrays, before any is read."""

    def read(self, name: str) -> NDArray[Any]:
        """An array."""
