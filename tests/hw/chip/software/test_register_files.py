"""The register map's files for software."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from systemrdl.node import RegNode

from fusioncim.chip.counters import counters
from fusioncim.chip.registers import model, registers
from fusioncim.chip.software.register_files import files

MAP = registers()
PATHS = [
    ".".join(node.get_path_segments(array_suffix="[{index:d}]")[1:])
    for node in model().descendants(unroll=True)
    if isinstance(node, RegNode)
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    place = tmp_path_factory.mktemp("registers")
    for name, text in files().items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return place


def test_files_depend_on_the_map_alone():
    program = "import sys; from fusioncim.chip.software.register_files import files; sys.stdout.write(repr(files()))"
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, encoding="utf-8", env=environment, check=True
    )
    assert done.stdout == repr(files())
    assert str(Path.cwd()) not in done.stdout


def test_c_header_has_every_register(written):
    source = written / "check.c"
    lines = ["#include <stddef.h>", '#include "fusioncim_registers.h"']
    for path, register in zip(PATHS, MAP.values(), strict=True):
        lines.append(f'static_assert(offsetof(fusioncim_registers_t, {path}) == {register.offset}, "{path}");')
    lines.append('static_assert(FUSIONCIM_REGISTERS__CONTROL__ABORT_bm == 2, "abort");')
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    subprocess.run(["gcc", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", str(source)], check=True)


def test_markdown_has_every_register(written):
    text = (written / "fusioncim_registers.md").read_text(encoding="utf-8")
    for register in MAP.values():
        assert f"- Absolute Address: 0x{register.offset:X}\n" in text
        assert register.desc.replace("<", "&lt;") in text.replace("\n", " ")
    for name in counters():
        assert f"## {name.upper()} register file" in text


def test_python_package_reaches_every_register(written, monkeypatch):
    monkeypatch.syspath_prepend(written)
    from fusioncim_registers.reg_model import RegModel
    from peakrdl_python.lib import NormalCallbackSet

    memory = {}
    accesses = NormalCallbackSet(
        read_callback=lambda addr, width, accesswidth: addr ^ 0xFFF,
        write_callback=lambda addr, width, accesswidth, data: memory.__setitem__(addr, data),
    )
    chip = RegModel(callbacks=accesses)
    for path, register in zip(PATHS, MAP.values(), strict=True):
        node = chip
        for part in re.findall(r"\w+", path):
            node = node[int(part)] if part.isdigit() else getattr(node, part)
        assert node.read() == register.offset ^ 0xFFF
    chip.JOB_ADDRESS.HI.value.write(12)
    assert memory == {MAP["JOB_ADDRESS_HI"].offset: 12}
