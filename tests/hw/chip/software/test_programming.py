"""The page of programming: all that it names is in the package, its numbers are the chip's, and its C compiles."""

import re

import pytest
from tests.hw.chip.software.compiled import STRICT, compile_c, written

from fusioncim.chip.counters import counters
from fusioncim.chip.registers import registers
from fusioncim.chip.software.driver_files import files as driver_files
from fusioncim.chip.software.programming import SNIPPETS, page
from fusioncim.chip.software.record_files import files as record_files
from fusioncim.chip.software.register_files import files as register_files
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.record import JOB_FIELDS
from fusioncim_golden.status import Status

TINY = PRESETS["tiny"]
BESIDE = {"ports.md"}
AROUND = """
#include "fusioncim_data.h"
void show(const char *words, uint32_t sequence);
void wake(void);
void example(uint64_t q, uint64_t k, uint64_t v, uint64_t o, uint64_t scales, uint32_t queries, uint32_t keys,
             uint16_t heads, uint16_t kv_heads, uint16_t dimension, uint32_t vector_bytes, uint32_t row_bytes);
void several(fusioncim_t chip, uint64_t one, uint64_t other);
void interrupt(fusioncim_t chip);
void example(uint64_t q, uint64_t k, uint64_t v, uint64_t o, uint64_t scales, uint32_t queries, uint32_t keys,
             uint16_t heads, uint16_t kv_heads, uint16_t dimension, uint32_t vector_bytes, uint32_t row_bytes)
{
EXAMPLE
    show(fusioncim_status_words(fusioncim_check_job(&job)), 0);
}
void several(fusioncim_t chip, uint64_t one, uint64_t other)
{
SEVERAL
}
void interrupt(fusioncim_t chip)
{
INTERRUPT
}
"""


@pytest.fixture(scope="module")
def package():
    return driver_files(TINY) | record_files() | register_files()


def test_every_name_of_the_page_is_in_the_package(package):
    text = page(TINY)
    headers = "\n".join(content for name, content in package.items() if name.endswith(".h"))
    for name in set(re.findall(r"\b(?:fusioncim|FUSIONCIM)_\w+\b(?!\.)", text)):
        assert re.search(rf"\b{name}\b", headers), name
    named = set(re.findall(r"[\w.]+\.(?:c|h|md|rdl)\b", text))
    assert {"main.c", "fusioncim.h", "fusioncim_records.md", "registers.rdl"} <= named
    assert named <= {*package, *BESIDE}
    assert {name for name in package if name.endswith(".c")} <= named


def test_every_register_status_and_counter_has_a_row():
    text = page(TINY)
    for name, register in registers().items():
        if not name.startswith("COUNTERS_") and (not name.endswith("]") or name.endswith("[0]")):
            assert f"| {register.offset:#05x} | `{name.replace('[0]', '[n]')}` | {register.desc} |" in text
    for status in Status:
        assert f"| {status:d} | `{status.name}` | {status.words} |" in text
    for name, words in counters().items():
        assert f"| `{name}` | {words} |" in text


def test_fields_of_records_are_called_by_their_names(package):
    text = page(TINY)
    tables = {"scales", "sinks", "slopes", "intervals", "table", "list", "token_scales", "lse"}
    named = set(re.findall(r"`([a-z_]+)`", text)) | set(re.findall(r"\bjob\.(\w+)", text))
    assert tables <= named
    others = {*counters(), "irq", "rst", "clk", "done", "error", "busy", "aborting", "stalled", "idle_"}
    assert {name for name in named if not name.startswith("fusioncim")} <= {*JOB_FIELDS, *others}


SHOWN = {
    "tiny": ("| engines | 2 |", "multiples of 8.", "accepts shifts from 7 to 31"),
    "paper": ("| engines | 16 |", "multiples of 16.", "accepts shifts from 10 to 31"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_the_numbers_are_those_of_the_chip(name):
    text = " ".join(page(PRESETS[name]).split())
    assert "$" not in text
    for each in SHOWN[name]:
        assert each in text


def test_the_pieces_of_c_compile(tmp_path):
    written(tmp_path, TINY)
    source = AROUND
    for name, text in SNIPPETS.items():
        assert all(f"    {line}" in page(TINY) for line in text.splitlines())
        source = source.replace(name.upper(), text)
    (tmp_path / "pieces.c").write_text(source, encoding="utf-8")
    compile_c("gcc", *STRICT, "-Wno-missing-field-initializers", "-c", "pieces.c", place=tmp_path)
