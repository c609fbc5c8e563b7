"""The C driver of a chip: C99 files that are the same for every chip, and a header of its registers and numbers.

The former stand in `driver`; fusioncim.h is what a program includes, and fusioncim_data.h for what lies in memory.
`example` has a first program. fusioncim_regs.h is written here, from the register map, the golden limits, statuses and
formats of words, the fields of the records, and the configuration.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from fusioncim.chip.counters import counters
from fusioncim.chip.registers import Register, registers
from fusioncim.chip.software.record_files import placed
from fusioncim_golden import limits, scale_table, token_scale
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import OUTPUT_FRACTION_BITS, REFERENCE_BITS, SCALE_BITS
from fusioncim_golden.mask import EVERY
from fusioncim_golden.normalizer import LSE_FRACTION_BITS, NO_KEY
from fusioncim_golden.quantize import LOG2_E
from fusioncim_golden.record import JOB_FIELDS, SEQUENCE_FIELDS
from fusioncim_golden.scale_table import least_shift, most_mantissa
from fusioncim_golden.sinks import SINK_FRACTION_BITS, SINK_LOG2_BITS
from fusioncim_golden.slopes import LEAST_SLOPE_SHIFT
from fusioncim_golden.status import Status

SOURCES = Path(__file__).with_name("driver")
EXAMPLE = Path(__file__).parent / "example/main.c"
WORDS: Mapping[str, int] = {
    "SCALE_MANTISSA_BITS": SCALE_BITS,
    "SCALE_LEAST_MANTISSA": scale_table.LEAST_MANTISSA,
    "SCALE_MOST_SHIFT": scale_table.MOST_SHIFT,
    "SCALE_CENTRED_BIT": scale_table.CENTRED_BIT,
    "SLOPE_LEAST_SHIFT": LEAST_SLOPE_SHIFT,
    "TOKEN_FRACTION_BITS": token_scale.FRACTION_BITS,
    "TOKEN_LEAST_SHIFT": token_scale.LEAST_SHIFT,
    "TOKEN_MOST_SHIFT": token_scale.MOST_E,
    "TOKEN_CODE_BITS": token_scale.CODE_BITS,
    "SINK_LOG2_BITS": SINK_LOG2_BITS,
    "SINK_FRACTION_BITS": SINK_FRACTION_BITS,
    "LSE_EXPONENT_BITS": REFERENCE_BITS,
    "LSE_FRACTION_BITS": LSE_FRACTION_BITS,
    "LSE_NO_KEY": NO_KEY,
}
"""Formats of the words of tables and of the log-sum-exp."""


def files(chip: ChipConfig) -> dict[str, str]:
    """The driver's files and the example by name."""
    paths = (*sorted(SOURCES.glob("*.[ch]")), EXAMPLE)
    sources = {path.name: path.read_text(encoding="utf-8") for path in paths}
    return {**sources, "fusioncim_regs.h": header(chip)}


def header(chip: ChipConfig) -> str:
    """Registers, statuses, limits, fields and the chip's own numbers as C99 macros."""
    lines = [
        "/* Registers and numbers of a FusionCIM chip. Generated: change the generator's models instead. */",
        "#ifndef FUSIONCIM_REGS_H",
        "#define FUSIONCIM_REGS_H",
        "",
        "/* Registers: byte offset; of every field shift, mask in place and, where it is known, value after reset. */",
        *_registers(),
        "",
        "/* How a job ends: STATUS(name, code, words). */",
        *_list("FUSIONCIM_STATUSES(STATUS)", (f'STATUS({each.name}, {each:d}, "{each.words}")' for each in Status)),
        "enum fusioncim_status {",
        *(f"    FUSIONCIM_STATUS_{each.name} = {each:d}," for each in list(Status)[:-1]),
        f"    FUSIONCIM_STATUS_{list(Status)[-1].name} = {list(Status)[-1]:d}",
        "};",
        "",
        "/* Event counters: COUNTER(name, offset of bits 31..0, offset of bits 63..32). */",
        *_list("FUSIONCIM_COUNTERS(COUNTER)", _counters()),
        "",
        "/* Fields of a job's record: FIELD(name, first byte, bytes). */",
        *_list(
            "FUSIONCIM_JOB_FIELDS(FIELD)", (f"FIELD({n}, {first}, {size})" for n, first, size in placed(JOB_FIELDS))
        ),
        "",
        "/* Fields of an entry of the table of sequences, likewise. */",
        *_list(
            "FUSIONCIM_SEQUENCE_FIELDS(FIELD)",
            (f"FIELD({n}, {first}, {size})" for n, first, size in placed(SEQUENCE_FIELDS)),
        ),
        "",
        "/* Limits of a job. */",
        *(f"#define FUSIONCIM_LIMIT_{name} {value}u" for name, value in vars(limits).items() if name.isupper()),
        f"#define FUSIONCIM_EVERY {EVERY}u /* of window and ahead: all keys */",
        "",
        "/* This chip: CAPABILITY(name, offset, value). */",
        *_list("FUSIONCIM_CAPABILITIES(CAPABILITY)", _capabilities(chip)),
        *(f"#define FUSIONCIM_CHIP_{name.upper()} {value}u" for name, value in chip.capability().items()),
        *(f"#define FUSIONCIM_CHIP_{name} {value}u" for name, value in numbers(chip).items()),
        *(f"#define FUSIONCIM_CHIP_{name}_ERROR {value!r}" for name, value in errors(chip).items()),
        "",
        "/* Words of tables and results: see fusioncim_data.h. */",
        *(f"#define FUSIONCIM_WORD_{name} {value:#x}u" for name, value in WORDS.items()),
        f"#define FUSIONCIM_LOG2_E {LOG2_E!r}",
        "",
        "#endif",
        "",
    ]
    return "\n".join(lines)


def numbers(chip: ChipConfig) -> dict[str, int]:
    """What follows from a configuration: multiples of places, legal score scales, fraction bits of outputs."""
    return {
        "ALIGNMENT": chip.alignment,
        "LEAST_SHIFT": least_shift(chip.engine),
        "MOST_MANTISSA": most_mantissa(chip.engine),
        "SLOPED_LEAST_SHIFT": least_shift(chip.engine, slopes=True),
        "SLOPED_MOST_MANTISSA": most_mantissa(chip.engine, slopes=True),
        "OUTPUT_FRACTION_BITS": OUTPUT_FRACTION_BITS if chip.engine.output_bits > OUTPUT_FRACTION_BITS else 0,
    }


def errors(chip: ChipConfig) -> dict[str, float]:
    """By how much the arithmetic may be off: see docs/arithmetic.md, How far an output may be off."""
    engine = chip.engine
    bits, above = engine.probability_bits, engine.seed_limit if engine.seed else 0
    sums = 4 * 2.0**engine.dropped_bits + 2.0 ** (engine.operand_bits - engine.row_sum_fraction)
    return {
        "WEIGHT": 0.5 / engine.lut_size + 2.0**-bits,
        "LARGEST_WEIGHT": 2.0 ** (1 - bits) + 2.0 ** (1 - engine.flush + above),
        "STEP": 2.0 ** (above - bits) * sums,
    }


def _registers() -> Iterator[str]:
    """Offsets and fields; the elements of an array once, by their index."""
    for register in registers().values():
        name, _, index = register.name.partition("[")
        if index not in ("", "0]"):
            continue
        prefix = f"FUSIONCIM_{name}"
        if index:
            yield from _array(prefix, register)
        else:
            yield f"#define {prefix}_OFFSET {register.offset:#05x}u"
        for field_name, field in register.fields.items():
            own = f"{prefix}_{field_name.upper()}"
            yield f"#define {own}_SHIFT {field.low}u"
            yield f"#define {own}_MASK {((1 << field.width) - 1) << field.low:#010x}u"
            if field.reset is not None:
                yield f"#define {own}_RESET {field.reset:#x}u"


def _array(prefix: str, first: Register) -> Iterator[str]:
    """Offset by the index, and how many there are."""
    pattern = re.escape(first.name).replace("0", r"\d+")
    offsets = [register.offset for name, register in registers().items() if re.fullmatch(pattern, name)]
    yield f"#define {prefix}_OFFSET(index) ({first.offset:#05x}u + {offsets[1] - offsets[0]}u * (index))"
    yield f"#define {prefix}_COUNT {len(offsets)}u"


def _counters() -> Iterator[str]:
    """An entry per counter."""
    for name in counters():
        low, high = (registers()[f"COUNTERS_{name.upper()}_{half}"].offset for half in ("LO", "HI"))
        yield f"COUNTER({name}, {low:#05x}u, {high:#05x}u)"


def _capabilities(chip: ChipConfig) -> Iterator[str]:
    """An entry per capability register that tells chips apart."""
    for name, value in chip.capability().items():
        yield f"CAPABILITY({name}, {registers()[f'CAPABILITY_{name.upper()}'].offset:#05x}u, {value}u)"


def _list(name: str, entries: Iterable[str]) -> list[str]:
    """A macro that gives all entries to the macro that it is given."""
    return " \\\n".join([f"#define {name}", *(f"    {entry}" for entry in entries)]).split("\n")
