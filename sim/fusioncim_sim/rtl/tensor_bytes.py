"""Tensors as bytes in a memory: packed integers, and views of the vectors where a descriptor says that they lie."""

import numpy as np
from numpy.typing import NDArray

from fusioncim_golden.arith import Int
from fusioncim_golden.descriptor import Tensor

Bytes = NDArray[np.uint8]


def pack_integers(x: Int, bits: int) -> Bytes:
    """Vectors [..., n] of signed integers as bytes [..., n * bits / 8], little endian, first element lowest."""
    if bits == 4:
        nibbles = x & 15
        return (nibbles[..., 0::2] | nibbles[..., 1::2] << 4).astype(np.uint8)
    return np.ascontiguousarray(x.astype(f"<i{bits // 8}")).view(np.uint8)


def unpack_integers(x: Bytes, bits: int) -> Int:
    """The inverse of `pack_integers`, for 8 and 16 bits."""
    return np.ascontiguousarray(x).view(f"<i{bits // 8}").astype(np.int64)


def view(memory: Bytes, tensor: Tensor, vectors: int, heads: int, vector_bytes: int) -> Bytes:
    """The bytes of a tensor [vectors, heads, vector_bytes], as a view of the memory."""
    strides = (tensor.pitch, tensor.head_pitch, 1)
    return np.lib.stride_tricks.as_strided(memory[tensor.address :], (vectors, heads, vector_bytes), strides)


def view_pages(
    memory: Bytes, tensor: Tensor, pages: int, page_pitch: int, tokens: int, heads: int, vector_bytes: int
) -> Bytes:
    """The bytes of a pool of pages [pages, tokens, heads, vector_bytes], as a view of the memory."""
    strides = (page_pitch, tensor.pitch, tensor.head_pitch, 1)
    return np.lib.stride_tricks.as_strided(memory[tensor.address :], (pages, tokens, heads, vector_bytes), strides)
