"""The records of jobs as files for software: a C header and Markdown tables, made from the golden `record`."""

from collections.abc import Iterator, Mapping

from fusioncim_golden.limits import JOB_BYTES, SEQUENCE_BYTES
from fusioncim_golden.record import JOB_FIELDS, SEQUENCE_FIELDS, TENSORS

NAMES = {"q": "Q", "k": "K", "v": "V", "o": "O"}
MASK_MEANINGS: Mapping[str, str] = {
    "window": "keys up to its own that a query sees, its own included; 0xfffff: all",
    "ahead": "keys behind its own that a query sees; 0: causal, 0xfffff: all",
    "chunk": "positions of a chunk, a power of two: a query sees keys of its own; 0: one chunk of all",
    "prefix": "the first keys, which see each other",
}
JOB_MEANINGS: Mapping[str, str] = {
    **{f"{name}_address": f"address of the first vector of {NAMES[name]}" for name in TENSORS},
    **{f"{name}_address": f"address of the first vector of {NAMES[name]}, or of page 0" for name in ("k", "v")},
    "scales": "address of the scale table",
    "table": "address of the table of sequences, a multiple of 64; 0 without one",
    "intervals": "address of the table of intervals; 0 without one",
    "list": "address of the page list; 0 without one",
    "sinks": "address of the table of sinks; 0 without one",
    "slopes": "address of the table of slopes; 0 without one",
    "token_scales": "address of the scales of the first key, or of that of page 0; 0 without them",
    "lse": "address of the first log-sum-exp; 0: none is written",
    "queries": "queries of a head, of all sequences together",
    "keys": "keys of a head, of all sequences together; in pages, those of the page list",
    "start": "position of query 0 among the keys; 0 with a table of sequences",
    **MASK_MEANINGS,
    "sequences": "entries of the table of sequences, at most 1024; 0: the job is one sequence",
    **{f"{name}_pitch": f"bytes from a vector of {NAMES[name]} to the next one of its head" for name in TENSORS},
    **{f"{name}_head_pitch": f"bytes from a head of {NAMES[name]} to the next" for name in TENSORS},
    "page_tokens": "keys of a page, a power of two up to 256; 0: K and V are contiguous",
    "pages": "pages of the pool",
    "k_page_pitch": "bytes from a page of K to the next",
    "v_page_pitch": "bytes from a page of V to the next",
    "token_scales_pitch": "bytes from the token scales of a KV head to those of the next",
    "lse_pitch": "bytes from the log-sum-exp of a KV head to that of the next",
    "heads": "query heads",
    "kv_heads": "key and value heads",
    "dimension": "elements of a query and key, a multiple of 8 up to the columns of the chip",
    "value_dimension": "elements of a value and output; 0: as dimension",
    "output_bits": "bits of an element of O",
    "kv_bits": "bits of an element of K and V; 4: packed, two to a byte; 0: as those of Q",
}
"""What the fields of a job's record mean, by name. Addresses and pitches are in bytes."""
SEQUENCE_MEANINGS: Mapping[str, str] = {
    "queries": "queries of a head; 0: nothing to do",
    "keys": "keys of a head; 0: rows of zeros",
    "start": "position of its first query among its keys",
    **MASK_MEANINGS,
    "first_row": "its first query in Q and O, not before the end of the sequences before it",
    "first_key": "its first key in K and V; in pages, a multiple of page_tokens",
}
"""What the fields of an entry of the table of sequences mean, by name."""


def placed(fields: Mapping[str, int]) -> Iterator[tuple[str, int, int]]:
    """Name, first byte and bytes of every field, each at a multiple of its size."""
    low = 0
    for name, bits in fields.items():
        if low % bits or bits % 8:
            raise ValueError(f"a field must have whole bytes at a multiple of its size, not so {name}")
        yield name, low // 8, bits // 8
        low += bits


def table(fields: Mapping[str, int], meanings: Mapping[str, str]) -> str:
    """A record as a Markdown table."""
    rows = [f"| {first} | {size} | `{name}` | {meanings[name]} |" for name, first, size in placed(fields)]
    return "\n".join(["| byte | bytes | field | meaning |", "| ---: | ---: | --- | --- |", *rows]) + "\n"


def tables() -> dict[str, str]:
    """The tables of both records, by their headings."""
    return {
        f"A job, {JOB_BYTES} bytes": table(JOB_FIELDS, JOB_MEANINGS),
        f"An entry of the table of sequences, {SEQUENCE_BYTES} bytes": table(SEQUENCE_FIELDS, SEQUENCE_MEANINGS),
    }


def structure(name: str, what: str, fields: Mapping[str, int], meanings: Mapping[str, str], size: int) -> str:
    """A record as a C structure."""
    members = [f"    uint{8 * own}_t {field}; /* {meanings[field]} */" for field, _, own in placed(fields)]
    reserved = size - sum(fields.values()) // 8
    return "\n".join(
        [
            f"/* {what}, at a multiple of {size} bytes. */",
            "typedef struct {",
            *members,
            f"    uint8_t reserved[{reserved}]; /* 0 */",
            f"}} {name};",
            "/* Its size, checked by an array of -1 elements otherwise: C99 has no static assertion. */",
            f"typedef char {name.removesuffix('_t')}_size_t[sizeof({name}) == {size} ? 1 : -1];",
            "",
        ]
    )


def files() -> dict[str, str]:
    """The records for software, text by file name: a C header and Markdown tables."""
    header = "\n".join(
        [
            "/* Jobs of a FusionCIM chip as they lie in memory, little endian. Addresses and pitches are in bytes. */",
            "#ifndef FUSIONCIM_RECORDS_H",
            "#define FUSIONCIM_RECORDS_H",
            "",
            "#include <stdint.h>",
            "",
            structure("fusioncim_job_t", "A job", JOB_FIELDS, JOB_MEANINGS, JOB_BYTES),
            structure(
                "fusioncim_sequence_t",
                "An entry of the table of sequences, the first one",
                SEQUENCE_FIELDS,
                SEQUENCE_MEANINGS,
                SEQUENCE_BYTES,
            ),
            "#endif",
            "",
        ]
    )
    sections = "\n".join(f"## {heading}\n\n{text}" for heading, text in tables().items())
    words = "A job lies in memory, little endian. What is behind its last field is reserved and 0."
    return {"fusioncim_records.h": header, "fusioncim_records.md": f"# Records of jobs\n\n{words}\n\n{sections}"}
