"""Docstrings of the golden model, as the site shows them."""

from pathlib import Path

import fusioncim_golden
from fusioncim_sim.pages.reference.modules import OF_PYTORCH, as_rst, modules, modules_of_pytorch


def test_every_module_is_listed():
    for folder, text in (("", modules()), (OF_PYTORCH, modules_of_pytorch())):
        found = {path.stem for path in (Path(fusioncim_golden.__file__).parent / folder).glob("*.py")}
        listed = {line.rpartition(".")[2] for line in text.splitlines() if line.startswith(".. automodule")}
        assert listed == found - {"__init__"}


def test_formulas_keep_their_layout():
    assert as_rst(["Steps:", "", "1. first   a = 2^b", "           c"]) == [
        *("Steps:", ""),
        *("::", "", "    1. first   a = 2^b", "               c", ""),
    ]


def test_names_are_literals_and_signs_are_text():
    assert as_rst(["`q_k` is a*b |x|, ``y``"]) == [r"``q_k`` is a\*b \|x\|, ``y``", ""]


def test_sections_stay():
    assert as_rst(["Members:", "    p: of `q`, 2 * x", ""]) == ["Members:", r"    p: of ``q``, 2 \* x", ""]
