"""The page that tells how a chip is programmed, for a person who has only the files that `generate` writes.

Its text stands in programming.md. What belongs to the chip, or stands elsewhere as data, is filled in here.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from string import Template

from fusioncim.chip.counters import counters
from fusioncim.chip.registers import REGISTER_ADDRESS_BITS, registers
from fusioncim.chip.software.driver_files import SOURCES, numbers
from fusioncim.verilog.reset import Reset
from fusioncim_golden import limits
from fusioncim_golden.chip_config import JOB_QUEUE, ChipConfig
from fusioncim_golden.scale_table import MOST_SHIFT
from fusioncim_golden.status import Status

TEXT = Path(__file__).with_name("programming.md")
CAPABILITIES: Mapping[str, str] = {
    "engines": "engines",
    "rows": "rows of an engine: queries of a tile",
    "columns": "the largest dimension",
    "words": "tiles that an engine holds at once",
    "operand_bits": "bits of an element of Q, K and V",
    "output_bits": "bits of an element of O",
    "update_rank": "keys of a block: the smallest page",
    "bus_bytes": "bytes of a beat of the memory bus",
    "buffer_bytes": "bytes of the global buffer",
    "address_bits": "bits of an address",
    "token_scale_bits": "bits of the mantissa of a token's scales; 0: it takes none",
    "alibi": "1: it takes slopes",
}
"""What the numbers of `ChipConfig.capability` say."""
SNIPPETS: Mapping[str, str] = {
    "example": """\
fusioncim_job_t job = {0};
job.q_address = q;
job.k_address = k;
job.v_address = v;
job.o_address = o;
job.scales = scales;
job.q_pitch = job.k_pitch = job.v_pitch = vector_bytes; /* [heads][tokens][dimension] */
job.o_pitch = row_bytes;
job.q_head_pitch = queries * vector_bytes;
job.k_head_pitch = job.v_head_pitch = keys * vector_bytes;
job.o_head_pitch = queries * row_bytes;
job.queries = queries;
job.keys = keys;
job.start = keys - queries; /* the queries are the last tokens */
job.window = FUSIONCIM_EVERY;
job.heads = heads;
job.kv_heads = kv_heads;
job.dimension = dimension;
job.output_bits = FUSIONCIM_CHIP_OUTPUT_BITS;
""",
    "several": """\
uint32_t first, second;
fusioncim_outcome_t outcome;
fusioncim_result_t result = fusioncim_submit(&chip, one, &first);
if (result == FUSIONCIM_DONE) {
    result = fusioncim_submit(&chip, other, &second);
}
if (result == FUSIONCIM_DONE) {
    result = fusioncim_wait(&chip, first, &outcome);
}
if (result == FUSIONCIM_DONE) {
    result = fusioncim_wait(&chip, second, &outcome);
}
if (result == FUSIONCIM_JOB_FAILED) {
    show(fusioncim_status_words(outcome.status), outcome.sequence);
}
""",
    "interrupt": """\
fusioncim_enable_interrupts(&chip, FUSIONCIM_IRQ_ENABLE_DONE_MASK);
/* and in the handler: */
if ((fusioncim_take_interrupts(&chip) & FUSIONCIM_IRQ_STATUS_DONE_MASK) != 0u) {
    wake(); /* what then calls fusioncim_wait, which finds the job ended */
}
""",
}
"""Pieces of C, by their places in the text. A test compiles them."""
LIMITS: Mapping[str, int] = {
    "queries, keys, pages, positions": limits.POSITIONS,
    "keys and positions of a job with slopes": limits.SLOPE_POSITIONS,
    "heads, kv_heads": limits.MAX_HEADS,
    "sequences": limits.MAX_SEQUENCES,
    "keys of a page": limits.MAX_PAGE_TOKENS,
}


def files(chip: ChipConfig, reset: Reset = Reset.ACTIVE_HIGH_SYNC) -> dict[str, str]:
    """The page by its name."""
    return {TEXT.name: page(chip, reset)}


def page(chip: ChipConfig, reset: Reset = Reset.ACTIVE_HIGH_SYNC) -> str:
    """The page as Markdown. reset: of the chip."""
    own = numbers(chip)
    results = sum(name.startswith("RESULT[") for name in registers())
    values = {
        "numbers": _table(("number", "is"), ((meaning, chip.capability()[n]) for n, meaning in CAPABILITIES.items())),
        "registers": _rows(_registers()),
        "statuses": _rows((f"{each:d}", f"`{each.name}`", each.words) for each in Status),
        "outcomes": _rows((f"`{name}`", words) for name, words in outcomes()),
        "counters": _rows((f"`{name}`", words) for name, words in counters().items()),
        "limits": _table(("most", "number"), LIMITS.items()),
        "reset": reset.port,
        "reset_level": reset.level,
        "reset_held": reset.held,
        "window": 1 << REGISTER_ADDRESS_BITS,
        "operand_bits": chip.engine.operand_bits,
        "output_bits": chip.engine.output_bits,
        "job_bytes": limits.JOB_BYTES,
        "sequence_bytes": limits.SEQUENCE_BYTES,
        "token_alignment": limits.TOKEN_SCALE_ALIGNMENT,
        "token_keys": limits.TOKEN_SCALE_KEYS,
        "fraction_bits": own["OUTPUT_FRACTION_BITS"],
        "most_shift": MOST_SHIFT,
        "queue": JOB_QUEUE,
        "results": results,
        **{name.lower(): value for name, value in own.items()},
        **{name: re.sub("(?m)^(?=.)", "    ", text).rstrip() for name, text in SNIPPETS.items()},
    }
    return Template(TEXT.read_text(encoding="utf-8")).substitute(values)


def outcomes() -> list[tuple[str, str]]:
    """Names and words of the results of the driver's functions."""
    text = (SOURCES / "fusioncim.h").read_text(encoding="utf-8")
    return re.findall(r'RESULT\((\w+), "([^"]*)"\)', text)


def _registers() -> Iterator[tuple[str, str, str]]:
    """Offset, name and description, the counters and the elements of an array once."""
    for name, register in registers().items():
        if name.startswith("COUNTERS_"):
            continue
        if not name.endswith("]") or name.endswith("[0]"):
            yield f"{register.offset:#05x}", f"`{name.replace('[0]', '[n]')}`", register.desc
    first = next(register for name, register in registers().items() if name.startswith("COUNTERS_"))
    yield f"{first.offset:#05x}", "`COUNTERS`", "The counters, two registers each: see below."


def _rows(rows: Iterable[tuple[object, ...]]) -> str:
    """Rows of a Markdown table."""
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |" for row in rows)


def _table(heads: tuple[str, str], rows: Iterable[tuple[object, ...]]) -> str:
    """A Markdown table of words and numbers."""
    return f"| {heads[0]} | {heads[1]} |\n| --- | ---: |\n{_rows(rows)}"
