"""A job and its sequences as they lie in memory: records of 32-bit words, little endian.

A driver writes the record, and the table if there is one, and gives the chip the record's address. The fields follow
each other from bit 0 on; what is behind the last one is reserved and 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fusioncim_golden.descriptor import Descriptor, HeadTensor, Pages, Tensor
from fusioncim_golden.descriptor import Sequence as Entry
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import JOB_BYTES, SEQUENCE_BYTES
from fusioncim_golden.mask import Mask

TENSORS = ("q", "k", "v", "o")
MASK = ("window", "ahead", "chunk", "prefix")
JOB_FIELDS: Mapping[str, int] = {
    **{f"{name}_address": 64 for name in TENSORS},
    **dict.fromkeys(("scales", "table", "intervals", "list", "sinks", "slopes", "token_scales", "lse"), 64),
    **dict.fromkeys(("queries", "keys", "start", *MASK, "sequences"), 32),
    **{f"{name}_{part}": 32 for name in TENSORS for part in ("pitch", "head_pitch")},
    **dict.fromkeys(("page_tokens", "pages", "k_page_pitch", "v_page_pitch"), 32),
    **dict.fromkeys(("token_scales_pitch", "lse_pitch"), 32),
    **dict.fromkeys(("heads", "kv_heads", "dimension", "value_dimension"), 16),
    **dict.fromkeys(("output_bits", "kv_bits"), 8),
}
"""The fields of a job's record and their bits. page_tokens 0: K and V are contiguous. value_dimension 0: as
`dimension`. kv_bits 0: as the chip's operands. A table or tensor at 0 is none, but for those that every job has."""
SEQUENCE_FIELDS: Mapping[str, int] = dict.fromkeys(("queries", "keys", "start", *MASK, "first_row", "first_key"), 32)
"""The fields of an entry of the table of sequences and their bits."""


def job_values(job: Descriptor) -> dict[str, int]:
    """A job by the names of `JOB_FIELDS`."""
    pages = job.pages
    return {
        **{f"{name}_{part}": getattr(getattr(job, name), part) for name in TENSORS for part in ("address", "pitch")},
        **{f"{name}_head_pitch": getattr(job, name).head_pitch for name in TENSORS},
        **{name: getattr(job, name) for name in ("scales", "table", "intervals", "queries", "keys", "start")},
        **{name: getattr(job.mask, name) for name in MASK},
        **{name: getattr(job, name) for name in ("sequences", "heads", "kv_heads", "dimension", "value_dimension")},
        **{name: getattr(job, name) for name in ("sinks", "slopes", "output_bits", "kv_bits")},
        **_of_heads("token_scales", job.token_scales),
        **_of_heads("lse", job.lse),
        **({"list": pages.list, "page_tokens": pages.tokens, "pages": pages.count} if pages else {}),
        **({"k_page_pitch": pages.k_pitch, "v_page_pitch": pages.v_pitch} if pages else {}),
    }


def job_of(values: Mapping[str, int]) -> Descriptor:
    """The job of the values of `JOB_FIELDS`, legal or not; those that are not there are 0."""
    values = dict.fromkeys(JOB_FIELDS, 0) | dict(values)
    tensors: Mapping[str, Any] = {
        name: Tensor(**{part: values[f"{name}_{part}"] for part in ("address", "pitch", "head_pitch")})
        for name in TENSORS
    }
    pages = Pages(
        list=values["list"],
        tokens=values["page_tokens"],
        count=values["pages"],
        k_pitch=values["k_page_pitch"],
        v_pitch=values["v_page_pitch"],
    )
    places = {
        name: HeadTensor(address=values[name], pitch=values[f"{name}_pitch"]) if values[name] else None
        for name in ("token_scales", "lse")
    }
    names = ("scales", "queries", "keys", "heads", "kv_heads", "dimension", "value_dimension", "start", "output_bits")
    own: Mapping[str, Any] = {
        name: values[name] for name in (*names, "table", "sequences", "intervals", "sinks", "slopes", "kv_bits")
    }
    mask = Mask(**{name: values[name] for name in MASK})
    return Descriptor(
        **tensors,
        **own,
        mask=mask,
        pages=pages if pages.tokens else None,
        token_scales=places["token_scales"],
        lse=places["lse"],
    )


def _of_heads(name: str, tensor: HeadTensor | None) -> dict[str, int]:
    """The fields of a tensor with a run of words per key and value head, if there is one."""
    return {name: tensor.address, f"{name}_pitch": tensor.pitch} if tensor else {}


def sequence_values(entry: Entry) -> dict[str, int]:
    """A sequence by the names of `SEQUENCE_FIELDS`."""
    own = ("queries", "keys", "start", "first_row", "first_key")
    return {**{name: getattr(entry, name) for name in own}, **{name: getattr(entry.mask, name) for name in MASK}}


def sequence_of(values: Mapping[str, int]) -> Entry:
    """The sequence of the values of `SEQUENCE_FIELDS`, legal or not."""
    own = {name: values[name] for name in SEQUENCE_FIELDS if name not in MASK}
    return Entry(**own, mask=Mask(**{name: values[name] for name in MASK}))


def packed(fields: Mapping[str, int], values: Mapping[str, int], size: int) -> bytes:
    """A record of so many bytes; a field without a value is 0."""
    word, low = 0, 0
    for name, bits in fields.items():
        value = values.get(name, 0)
        if not 0 <= value < 1 << bits:
            raise InputError(f"{name} must be from 0 to {(1 << bits) - 1}, not {value}")
        word |= value << low
        low += bits
    return word.to_bytes(size, "little")


def job_record(job: Descriptor) -> bytes:
    """The record of a job."""
    return packed(JOB_FIELDS, job_values(job), JOB_BYTES)


def sequence_table(entries: Sequence[Entry]) -> bytes:
    """The table of these sequences."""
    return b"".join(packed(SEQUENCE_FIELDS, sequence_values(entry), SEQUENCE_BYTES) for entry in entries)
