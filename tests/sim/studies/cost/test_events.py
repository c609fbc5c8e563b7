"""Energies per event: lines, deviations, an engine at full use; and that the stored lines hold."""

import json
from pathlib import Path

from fusioncim_sim.studies.cost.events import deviation, full_use, full_use_of, line
from fusioncim_sim.studies.cost.rows import AROUND
from fusioncim_sim.system.energy_table import ROWS, Line

STORED = json.loads((Path(__file__).parents[4] / "measurements" / "cost.json").read_text(encoding="utf-8"))


def test_line_goes_through_the_first_two_points() -> None:
    """A + b n."""
    found = line((8, 16, 32), (10.0, 14.0, 99.0))
    assert (found.at(8), found.at(16), found.at(32)) == (10.0, 14.0, 22.0)


def test_deviation_of_a_prediction() -> None:
    """Percent of what was measured."""
    assert deviation(10.0, 10.0) == 0.0
    assert deviation(10.0, 8.0) == 25.0
    assert deviation(1.0, 0.0) == 0.0


def test_an_engine_at_full_use_streams_and_shares_the_rest_of_a_tile() -> None:
    """The tile's load and drain are spread over its keys, of 8 cycles each."""
    energies = {"stream_fj_per_cycle": 5.0, "tile_fj": 2048 * 8 * 3.0, "idle_fj_per_cycle": 1.0}
    assert full_use_of(energies) == 9.0
    assert full_use({name: Line(value, 0.0) for name, value in energies.items()}, 24) == 9.0


def test_a_third_size_confirms_the_lines() -> None:
    """Every part that takes half a percent of the engine's energy: logic and banks within 3 %, glitches within 16.

    Wires are by a placement of the published size. The parts around the engines are within 4 %.
    """
    deviations, whole = STORED["deviation_percent"], STORED["table"]["hybrid engine"]["measured"]["mw"]
    for name in ROWS:
        row = STORED["table"][name]["measured"]
        for kind, most in (("logic", 3), ("banks", 3), ("glitches", 16)):
            if row[f"{kind}_mw"] > whole / 200:
                assert abs(deviations[f"{name}, {kind}"]["full_use"]) <= most
    assert abs(deviations["hybrid engine"]["full_use"]) <= 3
    assert all(abs(deviations[name]["fj_per_cycle"]) <= 4 for name in {*AROUND.values(), "chip control"})
