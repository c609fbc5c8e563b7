"""Jobs in memory: operands packed into bytes at places that a runtime would choose, outputs unpacked again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusioncim_golden.arith import Int
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import check_choice
from fusioncim_golden.descriptor import Descriptor, Tensor
from fusioncim_golden.errors import InputError
from fusioncim_golden.job import check_groups
from fusioncim_golden.mask import CAUSAL, Mask
from fusioncim_golden.quantize import Heads
from fusioncim_golden.scale_table import pack_scales

LAYOUTS = ("token", "head")
"""[tokens][heads][columns], as a projection leaves it, or [heads][tokens][columns], as a cache keeps it."""

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


@dataclass
class Image:
    """A job's tensors in a memory: its descriptor, and what it takes to read the outputs."""

    descriptor: Descriptor
    chip: ChipConfig

    def outputs(self, memory: Bytes) -> Int:
        """The outputs [heads, queries, columns]."""
        self.check(memory)
        return unpack_integers(self._rows(memory), self.descriptor.output_bits).transpose(1, 0, 2)

    def clear_outputs(self, memory: Bytes) -> None:
        """Set the outputs to 0, as they are before the job."""
        self.check(memory)
        self._rows(memory)[:] = 0

    def _rows(self, memory: Bytes) -> Bytes:
        """The output rows [queries, heads, bytes], as a view of the memory."""
        job = self.descriptor
        return view(memory, job.o, job.queries, job.heads, self.chip.output_bytes)

    def check(self, memory: Bytes) -> None:
        """Refuse a memory that does not hold the job."""
        if len(memory) < self.end:
            raise InputError(f"the memory must have at least the {self.end} bytes of the job, not {len(memory)}")

    @property
    def end(self) -> int:
        """First byte behind the job's tensors."""
        return max(end for _, end in self.descriptor.regions(self.chip))


def view(memory: Bytes, tensor: Tensor, vectors: int, heads: int, vector_bytes: int) -> Bytes:
    """The bytes of a tensor [vectors, heads, vector_bytes], as a view of the memory."""
    strides = (tensor.pitch, tensor.head_pitch, 1)
    return np.lib.stride_tricks.as_strided(memory[tensor.address :], (vectors, heads, vector_bytes), strides)


def place_job(
    chip: ChipConfig,
    memory: Bytes,
    groups: Sequence[Heads],
    *,
    start: int | None = None,
    mask: Mask = CAUSAL,
    base: int = 0,
    layout: str = "head",
) -> Image:
    """Write a job's operands into the memory from `base` on and clear its outputs; start as of `schedule.Job`."""
    check_choice("layout", layout, LAYOUTS)
    check_groups(chip, groups)
    group_heads, queries, _ = groups[0].q.shape
    keys, kv_heads = len(groups[0].k), len(groups)
    heads = group_heads * kv_heads
    align = max(chip.bus_bytes, 64)
    here = -(-base // align) * align

    def reserve(vectors: int, count: int, vector_bytes: int) -> Tensor:
        nonlocal here
        pitches = (count * vector_bytes, vector_bytes) if layout == "token" else (vector_bytes, vectors * vector_bytes)
        tensor = Tensor(address=here, pitch=pitches[0], head_pitch=pitches[1])
        here += -(-vectors * count * vector_bytes // align) * align
        return tensor

    q = reserve(queries, heads, chip.vector_bytes)
    k = reserve(keys, kv_heads, chip.vector_bytes)
    v = reserve(keys, kv_heads, chip.vector_bytes)
    o = reserve(queries, heads, chip.output_bytes)
    image = Image(
        Descriptor(
            q=q,
            k=k,
            v=v,
            o=o,
            scales=here,
            queries=queries,
            keys=keys,
            start=max(keys - queries, 0) if start is None else start,
            heads=heads,
            kv_heads=kv_heads,
            dimension=chip.engine.columns,
            mask=mask,
            output_bits=chip.engine.output_bits,
        ),
        chip,
    )
    image.check(memory)
    bits = chip.engine.operand_bits
    queries_of = np.concatenate([group.q for group in groups])
    view(memory, q, queries, heads, chip.vector_bytes)[:] = pack_integers(queries_of, bits).transpose(1, 0, 2)
    for tensor, vectors in ((k, [group.k for group in groups]), (v, [group.v for group in groups])):
        view(memory, tensor, keys, kv_heads, chip.vector_bytes)[:] = pack_integers(np.stack(vectors, axis=1), bits)
    image.clear_outputs(memory)
    mantissa, shift = (
        np.concatenate([getattr(group, name)[:, 0] for group in groups]) for name in ("mantissa", "shift")
    )
    table = pack_scales(mantissa, shift).astype("<u4").view(np.uint8)
    memory[here : here + len(table)] = table
    return image
