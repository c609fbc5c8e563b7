"""The FuseSoC core: every target runs, and one that should fail does."""

import re
from pathlib import Path

import pytest
from tests.cases import part
from tests.hw.integration.delivered import CHIP, ENGINE, delivered, fusesoc, written
from tests.hw.integration.tools import yosys_with_tcl

from fusioncim.verilog.reset import Reset

DESIGNS = {
    "engine": (ENGINE, "", Reset.ACTIVE_HIGH_SYNC),
    "npu_chip": (CHIP, "npu_", Reset.ACTIVE_LOW_ASYNC),
}


@pytest.fixture
def ran(tmp_path):
    def run(top, target, yosys=None, **changes):
        files = delivered(*DESIGNS[top])
        place = written(tmp_path / "design", files | changes)
        done = fusesoc(place, f"fusioncim::{top}", target, home=tmp_path / "home", yosys=yosys)
        return done.returncode, done.stdout + done.stderr, tmp_path / "home" / "work"

    return run


def test_the_pages_name_these_commands():
    commands = re.findall(r"(?m)^fusesoc .*$", delivered(*DESIGNS["npu_chip"])["README.md"].decode())
    assert len(commands) == 3
    page = (Path(__file__).parents[3] / "docs/integration.md").read_text(encoding="utf-8")
    assert commands == re.findall(r"`(fusesoc .*?)`", page)


@pytest.mark.parametrize(("top", "target"), [("engine", "default"), ("npu_chip", "lint")])
def test_lint(top, target, ran):
    status, output, place = ran(top, target)
    assert status == 0, output[-2000:]
    assert "Warning" not in output
    assert (place / "src").is_dir()


@pytest.mark.parametrize("top", DESIGNS)
def test_sim(top, ran):
    status, output, _ = ran(top, "sim")
    assert status == 0, output[-2000:]
    assert f"PASS: {top}, " in output


def test_a_wrong_word_fails(ran):
    words = delivered(*DESIGNS["engine"])["engine_tb_o.hex"]
    digit = b"1" if words[-2:-1] == b"0" else b"0"
    status, output, _ = ran("engine", "sim", **{"engine_tb_o.hex": words[:-2] + digit + b"\n"})
    assert status
    assert "FAIL: the output differs from the golden model" in output


def synthesized(top, done):
    """What is right of a synthesis, whoever read its script."""
    status, output, place = done
    assert status == 0, output[-2000:]
    kinds = set(re.findall(r"\$_\w+_", (place / "utilization.txt").read_text(encoding="utf-8")))
    assert any(kind.startswith(("$_DFF", "$_SDFF")) for kind in kinds), kinds
    assert not any("LATCH" in kind for kind in kinds)
    (netlist,) = place.glob("*.v")
    assert re.search(rf"(?m)^module {top}\(", netlist.read_text(encoding="utf-8"))


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("top", part(DESIGNS, "engine"))
def test_synth(top, ran):
    synthesized(top, ran(top, "synth"))


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(yosys_with_tcl() is None, reason="no Yosys with Tcl: apt-get install yosys")
@pytest.mark.parametrize("top", DESIGNS)
def test_synth_by_yosys_with_tcl(top, ran):
    synthesized(top, ran(top, "synth", yosys=yosys_with_tcl()))


def test_a_program_without_tcl_is_not_taken(tmp_path, monkeypatch):
    (tmp_path / "yosys").write_text("#!/bin/sh\necho no Tcl\n", encoding="utf-8")
    (tmp_path / "yosys").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert yosys_with_tcl.__wrapped__() is None


@pytest.mark.long
@pytest.mark.skipif(yosys_with_tcl() is None, reason="no Yosys with Tcl: apt-get install yosys")
def test_a_script_that_is_wrong_fails(ran):
    status, output, _ = ran("engine", "synth", yosys=yosys_with_tcl(), **{"engine_synth.tcl": b"yosys -import\nnone\n"})
    assert status
    assert "none" in output
