"""Drivers of two chips in one program: no symbol, macro or file of one meets one of the other."""

import re
import subprocess

import pytest
from tests.hw.chip.software.compiled import FREESTANDING, compile_c

from fusioncim.chip.software.driver_files import files as driver_files
from fusioncim.chip.software.prefix import with_c_prefix
from fusioncim.chip.software.programming import files as programming_files
from fusioncim.chip.software.record_files import files as record_files
from fusioncim.chip.software.register_files import files as register_files
from fusioncim_golden.presets import PRESETS

TINY = PRESETS["tiny"]
CHIPS = {"npu_": TINY, "dsp_": TINY.override(operand_bits=4, softmax_lanes=2, output_bits=8)}


def software(chip):
    return driver_files(chip) | programming_files(chip) | record_files() | register_files()


def test_two_drivers_are_linked_into_one_object(tmp_path):
    for prefix, chip in CHIPS.items():
        for name, text in with_c_prefix(driver_files(chip) | record_files(), prefix).items():
            if name != "main.c":
                (tmp_path / name).write_text(text, encoding="utf-8")
    sources = sorted(path.name for path in tmp_path.glob("*.c"))
    assert len(sources) == 12
    compile_c("gcc", *FREESTANDING, "-O2", "-nostdlib", "-r", "-o", "all.o", *sources, place=tmp_path)
    listed = subprocess.run(
        ["nm", "-g", "--defined-only", "all.o"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    symbols = [line.split()[-1] for line in listed.stdout.splitlines()]
    found = {prefix: {each.removeprefix(prefix) for each in symbols if each.startswith(prefix)} for prefix in CHIPS}
    assert found["npu_"] == found["dsp_"]
    assert "fusioncim_submit" in found["npu_"]
    assert len(symbols) == 2 * len(found["npu_"])


@pytest.mark.parametrize("name", ["main.c", "fusioncim_registers.h", "fusioncim_records.h", "programming.md"])
def test_no_name_without_the_prefix_is_left(name):
    files = with_c_prefix(software(TINY), "npu_")
    text = files[name if name in files else f"npu_{name}"]
    assert "npu_fusioncim" in text or "NPU_FUSIONCIM" in text
    assert re.findall(r"(?<!NPU_)\bFUSIONCIM_\w+|(?<!npu_)\bfusioncim(?:_\w+\b(?!\.md)|[*]?\.[ch]\b)", text) == []


def test_includes_find_their_files():
    files = with_c_prefix(software(TINY), "npu_")
    for text in files.values():
        assert set(re.findall(r'#include "([^"]+)"', text)) <= set(files)


def test_what_is_not_c_stays_as_it_is():
    before, after = software(TINY), with_c_prefix(software(TINY), "npu_")
    for name in ("registers.rdl", "fusioncim_registers.md", "fusioncim_records.md", "fusioncim_registers/__init__.py"):
        assert after[name] == before[name]
    assert with_c_prefix(before, "") == before
