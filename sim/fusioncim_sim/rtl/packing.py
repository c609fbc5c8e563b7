"""Values as the bits of a layout, and vectors of small integers as one: words of streams, without a simulator."""

from typing import Any

import numpy as np
from amaranth.hdl import Shape
from amaranth.lib import data

from fusioncim_golden.arith import Int


def pack(layout: data.Layout | Shape, value: Any) -> int:
    """The bits of a value of that layout, as the design packs them."""
    if isinstance(layout, Shape):
        return int(value) & ((1 << layout.width) - 1)
    return int(layout.const(value).as_bits())


def pack_vector(x: Int, bits: int) -> int:
    """Signed elements of `bits` bits as one integer, element 0 in the low bits."""
    planes = (x[:, None] >> np.arange(bits)) & 1
    return int.from_bytes(np.packbits(planes.astype(np.uint8).reshape(-1), bitorder="little").tobytes(), "little")


def unpack_vector(value: int, bits: int, count: int) -> list[int]:
    """The inverse of `pack_vector`."""
    mask, sign = (1 << bits) - 1, 1 << (bits - 1)
    return [((value >> (bits * n) & mask) ^ sign) - sign for n in range(count)]
