"""Jobs in memory: operands, tables and records at places that a runtime would choose, outputs read again."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fusioncim_golden import record
from fusioncim_golden.arith import Int
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.descriptor import Descriptor, Tensor, Work
from fusioncim_golden.errors import InputError
from fusioncim_golden.job import check_groups
from fusioncim_golden.limits import JOB_BYTES, LSE_BYTES, TOKEN_SCALE_BYTES
from fusioncim_golden.normalizer import NO_KEY
from fusioncim_golden.quantize import Heads
from fusioncim_golden.scale_table import pack_scales
from fusioncim_golden.token_scale import pack_codes
from fusioncim_sim.rtl.job_places import JobOptions, place
from fusioncim_sim.rtl.job_writer import placed
from fusioncim_sim.rtl.tensor_bytes import Bytes, pack_integers, unpack_integers, view, view_pages


@dataclass(frozen=True, kw_only=True)
class Image:
    """A job in a memory.

    Members:
        work: the job, and what its tables hold.
        chip: for which it is.
        address: of its record.
    """

    work: Work
    chip: ChipConfig
    address: int

    @classmethod
    def from_dict(cls, chip: ChipConfig, values: dict[str, Any]) -> "Image":
        """The inverse of `as_dict`."""
        return cls(work=Work.from_dict(values["work"]), chip=chip, address=values["address"])

    def as_dict(self) -> dict[str, Any]:
        """The image but for its chip, as JSON has it."""
        return {"work": asdict(self.work), "address": self.address}

    @property
    def descriptor(self) -> Descriptor:
        """The job."""
        return self.work.job

    @property
    def end(self) -> int:
        """First byte behind the job's tensors, tables and record."""
        return max(
            self.address + JOB_BYTES,
            *(end for _, end in self.descriptor.operands(self.chip) + self.descriptor.results(self.chip)),
        )

    def outputs(self, memory: Bytes) -> Int:
        """The outputs [heads, queries, dimension of v]."""
        self.check(memory)
        return unpack_integers(self._rows(memory), self.descriptor.output_bits).transpose(1, 0, 2)

    def lse(self, memory: Bytes) -> Int | None:
        """The log-sum-exp words [heads, queries], if the job asks for them."""
        if self.descriptor.lse is None:
            return None
        words = np.ascontiguousarray(self._sums(memory)).view("<u4").astype(np.int64)
        kv_heads, queries = self.descriptor.kv_heads, self.descriptor.queries
        return words.reshape(kv_heads, queries, -1).transpose(0, 2, 1).reshape(-1, queries)

    def clear_outputs(self, memory: Bytes) -> None:
        """Set outputs to 0 and log-sum-exp to that of no key, as they are before the job."""
        self.check(memory)
        self._rows(memory)[:] = 0
        if self.descriptor.lse:
            sums = self._sums(memory)
            sums[:] = np.resize(np.array([NO_KEY], "<u4").view(np.uint8), sums.shape)

    def write_record(self, memory: Bytes, job: Descriptor | None = None) -> None:
        """Write the record of the job, or of another one in its place."""
        self.check(memory)
        _put(memory, self.address, record.job_record(job or self.descriptor))

    def write(self, memory: Bytes, groups: Sequence[Heads], intervals: Int | None) -> None:
        """Write operands, tables and record, and clear the outputs."""
        job, bits = self.descriptor, self.chip.engine.operand_bits
        self.check(memory)
        for address, data in placed(self.work, self.address).items():
            _put(memory, address, data)
        q = np.concatenate([group.q for group in groups])
        view(memory, job.q, job.queries, job.heads, job.query_bytes(self.chip))[:] = pack_integers(q, bits).transpose(
            1, 0, 2
        )
        for name in ("k",) if job.shared else ("k", "v"):
            vectors = np.stack([getattr(group, name) for group in groups], axis=1)
            kv_bits = job.kv_bits or bits
            self._put_keys(memory, name, pack_integers(vectors >> bits - kv_bits, kv_bits))
        if job.token_scales:
            codes = [group.token_scales for group in groups if group.token_scales is not None]
            words = np.stack([pack_codes(each) for each in codes], axis=1)
            place = Tensor(address=job.token_scales.address, pitch=TOKEN_SCALE_BYTES, head_pitch=job.token_scales.pitch)
            self._put_keys(memory, "k", words[..., None].astype("<u4").view(np.uint8), place)
        for name in ("sinks", "slopes"):
            if getattr(job, name):
                words = np.concatenate([getattr(group, name) for group in groups])
                _put(memory, getattr(job, name), words.astype("<u4").tobytes())
        self.clear_outputs(memory)
        mantissa, shift = (
            np.concatenate([getattr(group, name)[:, 0] for group in groups]) for name in ("mantissa", "shift")
        )
        centred = np.concatenate([np.full(len(group.q), group.centred) for group in groups])
        _put(memory, job.scales, pack_scales(mantissa, shift, centred).astype("<u4").tobytes())
        if intervals is not None:
            _put(memory, job.intervals, intervals.astype("<u4").tobytes())

    def _put_keys(self, memory: Bytes, name: str, vectors: Bytes, place: Tensor | None = None) -> None:
        """Write the keys, or the values, [keys, kv_heads, bytes]; place: of something else that is theirs."""
        job = self.descriptor
        tensor: Tensor = place or getattr(job, name)
        if not job.pages:
            view(memory, tensor, *vectors.shape)[:] = vectors
            return
        pages, key = job.pages, np.arange(job.keys)
        pool = view_pages(
            memory, tensor, pages.count, getattr(pages, f"{name}_pitch"), pages.tokens, *vectors.shape[1:]
        )
        pool[np.array(self.work.page_list)[key // pages.tokens], key % pages.tokens] = vectors

    def _rows(self, memory: Bytes) -> Bytes:
        """The output rows [queries, heads, bytes], as a view of the memory."""
        job = self.descriptor
        return view(memory, job.o, job.queries, job.heads, job.row_bytes(self.chip))

    def _sums(self, memory: Bytes) -> Bytes:
        """The log-sum-exp [KV heads, bytes], as a view of the memory."""
        job = self.descriptor
        assert job.lse is not None
        tensor = Tensor(address=job.lse.address, pitch=job.lse.pitch, head_pitch=0)
        return view(memory, tensor, job.kv_heads, 1, LSE_BYTES * job.queries * (job.heads // job.kv_heads))[:, 0]

    def check(self, memory: Bytes) -> None:
        """Refuse a memory that does not hold the job."""
        if len(memory) < self.end:
            raise InputError(f"the memory must have at least the {self.end} bytes of the job, not {len(memory)}")


def _put(memory: Bytes, address: int, data: bytes) -> None:
    """Write bytes."""
    memory[address : address + len(data)] = np.frombuffer(data, np.uint8)


def place_job(chip: ChipConfig, memory: Bytes, groups: Sequence[Heads], options: JobOptions) -> Image:
    """Write a job into the memory from its base on, operands, tables and record, and clear its outputs.

    groups: one `Heads` per key and value head, whose rows and keys are those of all sequences.
    """
    check_groups(chip, groups)
    if options.shared and not all(np.array_equal(each.k[:, : each.v.shape[1]], each.v) for each in groups):
        raise InputError("values that lie where their keys lie must be the first parts of these, and are not")
    step = 1 << chip.engine.operand_bits - (options.kv_bits or chip.engine.operand_bits)
    if any((x % step).any() for each in groups for x in (each.k, each.v)):
        raise InputError(f"keys and values of {options.kv_bits} bits must be multiples of {step}, and are not")
    work, address = place(chip, groups, options)
    image = Image(work=work, chip=chip, address=address)
    image.write(memory, groups, options.intervals)
    return image
