"""`fusioncim timing --wires`: a placed engine without wires, with them, and with buffers for them."""

import json
from pathlib import Path

import pytest
from tests.hw.asic.placement.spread import spread
from typer.testing import CliRunner

from fusioncim.asic.netlist.cell_groups import grouped
from fusioncim.asic.netlist.loads import net_loads
from fusioncim.asic.placement.steiner import net_lengths
from fusioncim_sim.cli.app import app
from fusioncim_sim.gates.placed_figures import BUFFERS, CELLS, WIRES, load_of

TINY = ("--preset", "tiny", "--engine", "--wires")


@pytest.fixture
def asked(tmp_path, monkeypatch, library):
    """What is placed is always the register and its sinks; the engines that were asked for."""
    monkeypatch.chdir(tmp_path)
    asked = []

    def placement(config, *_):
        asked.append(config)
        return spread(library)

    monkeypatch.setattr("fusioncim.asic.placement.placer.require_placer", lambda: None)
    monkeypatch.setattr("fusioncim_sim.gates.placed_figures.engine_placement", placement)
    return asked


def timing(*options):
    result = CliRunner(env={"COLUMNS": None}).invoke(app, ["timing", *TINY, *options, "--json", "out.json"])
    assert Path("out.json").exists(), result.output
    with Path("out.json").open(encoding="utf-8") as file:
        return result, json.load(file)


def test_wires_make_an_engine_slow_and_buffers_make_it_fast(asked):
    result, found = timing("--clock-mhz", "500")
    assert result.exit_code == 0, result.output
    assert [config.rows for config in asked] == [found["parameters"]["rows"]]
    times = {name: each["shortest_ns"] for name, each in found["paths"].items()}
    assert list(times) == [CELLS, WIRES, BUFFERS]
    assert times[CELLS] < times[BUFFERS] < 1.5 < 5 < times[WIRES]
    assert found["shortest_period_ns"] == times[BUFFERS]
    assert found["paths"][WIRES]["frequency_mhz"] == pytest.approx(1000 / times[WIRES], abs=0.1)
    assert found["paths"][WIRES]["start"] == "from/first/Q"
    assert found["buffers"]["of_synthesis"] == {"BUF_X1": 1}
    assert sum(found["buffers"]["by_place"].values()) >= 8
    assert found["buffers"]["cells_um2"][1] > found["buffers"]["cells_um2"][0]
    assert found["reached"]
    for text in (
        "from/first/Q",
        WIRES,
        "slack (MET)",
        "buffers by place instead of 1 of synthesis",
        "0.1 fF and 3.6 ohm",
    ):
        assert text in result.stdout


def test_a_clock_that_is_not_reached_with_wires_is_said(asked):
    result, found = timing("--clock-mhz", "2000", "--wire-ff-um", "0.18")
    assert result.exit_code == 1
    assert not found["reached"]
    assert found["wire_ff_um"] == 0.18
    assert "unreachable: 2000 MHz; the engine reaches" in result.stdout


def test_wires_of_timing_need_the_extra(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fusioncim.asic.placement.placer.importlib.util.find_spec", lambda _: None)
    result = CliRunner().invoke(app, ["timing", *TINY])
    assert result.exit_code == 2
    assert "coloquinte is missing: install it with pip install 'fusioncim[place]'" in result.stderr


def test_the_load_is_that_of_pins_and_wires_but_clocks(library):
    placement = spread(library)
    wires = net_lengths(*placement.pins, placement.flat.nets) * 0.1
    pins = net_loads(placement.flat, library, grouped(placement.flat, library), {})
    found = load_of(placement, wires, library)
    assert found == pytest.approx((wires.sum() + pins[3:].sum()) / 1000, abs=0.05)
    assert pins[2] > 0
