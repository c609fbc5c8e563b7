"""A prefix in front of every module: what it renames, and what it may be."""

import re
import subprocess

import pytest

from fusioncim.engine.engine import Engine
from fusioncim.lib.bank import MACRO, SRAM
from fusioncim.verilog.cached import cached_verilog
from fusioncim.verilog.prefix import LONGEST, check_prefix, module_names, with_prefix
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import preset

MODEL = SRAM.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text():
    return cached_verilog(Engine(preset("tiny").alone()))[1]


def test_every_module_is_renamed_and_nothing_else(text, tmp_path):
    names = module_names(text, MODEL)
    assert {"engine", "controller", "softmax_lane", MACRO} <= set(names)
    renamed = [with_prefix(each, "npu_", names) for each in (text, MODEL)]
    assert module_names(*renamed) == [f"npu_{name}" for name in names]
    assert [each.replace("npu_", "") for each in renamed] == [text, MODEL]
    # With the text as it was beside it nothing is defined twice.
    for name, each in zip(("npu.v", "npu_sram.v", "engine.v", "sram.v"), (*renamed, text, MODEL), strict=True):
        (tmp_path / name).write_text(each, encoding="utf-8")
    (tmp_path / "top.v").write_text("module top; engine a(); npu_engine b(); endmodule\n", encoding="utf-8")
    command = ["iverilog", "-g2005", "-s", "top", "-o", "top.vvp", *(file.name for file in tmp_path.glob("*.v"))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr


def test_a_signal_of_a_modules_name_stays():
    given = "module core(\n  input wire clk\n);\n  wire core;\n  core core (\n    .clk(clk)\n  );\nendmodule\n"
    wanted = "module a_core(\n  input wire clk\n);\n  wire core;\n  a_core core (\n    .clk(clk)\n  );\nendmodule\n"
    assert with_prefix(given, "a_", ["core"]) == wanted


@pytest.mark.parametrize("prefix", ["npu_", "_", "A9", "x" * LONGEST, "modul"])
def test_a_prefix(prefix):
    check_prefix(prefix)


BAD = {
    "9lives": "letters, digits and underscores, and not begin with a digit, not '9lives'",
    "my-": "not 'my-'",
    "": "not ''",
    "a b": "not 'a b'",
    "npu.": "not 'npu.'",
    "ä_": "not 'ä_'",
    "a\n": "not 'a\\n'",
    "x" * (LONGEST + 1): "at most 64 characters, not 65",
    "module": "no keyword of Verilog or SystemVerilog, not module",
    "logic": "not logic",
}


@pytest.mark.parametrize("prefix", BAD)
def test_a_bad_prefix_is_refused(prefix):
    with pytest.raises(InputError, match=re.escape(BAD[prefix])):
        check_prefix(prefix)


def test_a_prefix_that_makes_a_keyword_is_refused():
    with pytest.raises(InputError, match="must make no keyword of a module's name, as end does of module"):
        with_prefix("", "end", ["module"])
