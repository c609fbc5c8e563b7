"""The FuseSoC core: every target runs, and one that should fail does."""

import re
from pathlib import Path

import pytest
from tests.hw.integration.delivered import CHIP, ENGINE, delivered, fusesoc, written

from fusioncim.verilog.reset import Reset

DESIGNS = {
    "engine": (ENGINE, "", Reset.ACTIVE_HIGH_SYNC),
    "npu_chip": (CHIP, "npu_", Reset.ACTIVE_LOW_ASYNC),
}


@pytest.fixture
def ran(tmp_path):
    def run(top, target, **changes):
        files = delivered(*DESIGNS[top])
        place = written(tmp_path / "design", files | changes)
        done = fusesoc(place, f"fusioncim::{top}", target, home=tmp_path / "home")
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


@pytest.mark.long
@pytest.mark.parametrize("top", DESIGNS)
def test_synth(top, ran):
    status, output, place = ran(top, "synth")
    assert status == 0, output[-2000:]
    kinds = set(re.findall(r"\$_\w+_", (place / "utilization.txt").read_text(encoding="utf-8")))
    assert any(kind.startswith(("$_DFF", "$_SDFF")) for kind in kinds), kinds
    assert not any("LATCH" in kind for kind in kinds)
    (netlist,) = place.glob("*.v")
    assert re.search(rf"(?m)^module {top}\(", netlist.read_text(encoding="utf-8"))
