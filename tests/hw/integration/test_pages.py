"""The pages of a package: every file that they name is in it, and they speak of its own reset."""

import fnmatch
import re
from pathlib import Path

import pytest
from tests.hw.integration.delivered import CHIP, ENGINE, delivered

from fusioncim.verilog.reset import Reset

PACKAGES = {
    "a chip": (CHIP, "", Reset.ACTIVE_HIGH_SYNC),
    "a chip with a prefix": (CHIP, "npu_", Reset.ACTIVE_LOW_ASYNC),
    "a chip with a prefix and a reset as AXI has it": (CHIP, "dsp_", Reset.ACTIVE_LOW_SYNC),
    "an engine": (ENGINE, "", Reset.ACTIVE_HIGH_SYNC),
    "an engine with a prefix": (ENGINE, "npu_", Reset.ACTIVE_HIGH_ASYNC),
}
KINDS = "md|c|h|v|sv|f|core|tcl|hex|sdc|xml|toml|json|rdl"
NAMED = re.compile(rf"(?<![<\w])[\w*]+\.(?:{KINDS})\b(?!\w)")
BY_THE_COMMAND = "manifest.json"
"""What `generate` adds itself."""


def texts(files):
    """The pages, and the sources in C, which name files, too; `<assert.h>` is of the compiler."""
    return {name: content.decode() for name, content in files.items() if name.endswith((".md", ".c", ".h"))}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_that_is_named_is_there(package):
    files = delivered(*PACKAGES[package])
    there = {*files, BY_THE_COMMAND}
    for page, text in texts(files).items():
        for name in set(NAMED.findall(text)):
            assert fnmatch.filter(there, name), f"{page} names {name}"
    named = {name for text in texts(files).values() for name in NAMED.findall(text)}
    assert {"ports.md", "config.toml"} <= named
    assert "main.c" not in files or {"main.c", "fusioncim_registers.md", "registers.rdl"} <= named


@pytest.mark.parametrize("reset", Reset)
def test_both_pages_say_the_same_of_the_reset(reset):
    files = delivered(CHIP, "npu_", reset)
    ports, programming = (" ".join(files[name].decode().split()) for name in ("ports.md", "programming.md"))
    other = "aresetn" if reset.port == "rst" else "rst"
    assert f"Hold it for at least {reset.held}." in ports
    assert f"Hold `{reset.port}` at {reset.level} for at least {reset.held}." in programming
    assert not re.search(rf"\b{other}\b", ports + programming)
    windows = [re.findall(r"in a window of (\d+) bytes", page) for page in (ports, programming)]
    assert windows == [["4096"], ["4096"]]


def test_the_lists_of_what_has_the_prefix_are_complete():
    page = Path("docs/integration.md").read_text(encoding="utf-8")
    tables = re.search(r"\| what gets the prefix \|(.*?)\| what stays as it is \|(.*?)\n\n", page, re.DOTALL).groups()
    longer, same = (set(re.findall(rf"`([\w*/]+(?:\.(?:{KINDS})|/\*))`", table)) for table in tables)
    there = {*delivered(CHIP, "npu_", Reset.ACTIVE_LOW_ASYNC), BY_THE_COMMAND}
    for name in there:
        lists = [any(fnmatch.fnmatch(name, pattern) for pattern in patterns) for patterns in (longer, same)]
        assert lists == [name.startswith("npu_"), not name.startswith("npu_")], name
    assert all(fnmatch.filter(there, pattern) for pattern in longer | same)
