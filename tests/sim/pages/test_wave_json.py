"""WaveJSON of a run: boxes where something happens, the rest shortened; as WaveDrom reads it."""

import numpy as np
import pytest

from fusioncim_sim.pages.wave_json import LONGEST, Lane, wave_json


def lane(text, each=1, label="{}"):
    return Lane("lane", np.array([letter == "#" for letter in text]), each, label)


@pytest.mark.parametrize(
    ("lanes", "last", "cycles", "waves"),
    [
        ([lane(".##.")], None, ["0", "1", "2", "3"], [("0==0", ["0", "1"])]),
        ([lane("####", each=2, label="key {}")], None, ["0-1", "2-3"], [("=.=.", ["key 0", "key 1"])]),
        # Five cycles and more become four.
        ([lane("#.....#")], None, ["0", "1-5", "6"], [("=0...=", ["0", "1"])]),
        # A box goes on after a pause; one may be cut off.
        ([lane("###.###", each=2), lane(".......")], 6, None, [("=.=0==", ["0", "1", "1", "2"]), ("0.....", [])]),
    ],
)
def test_waves(lanes, last, cycles, waves):
    clock, numbers, *drawn = wave_json(lanes, last=last)["signal"]
    assert [(each["wave"], each["data"]) for each in drawn] == waves
    assert cycles is None or numbers["data"] == cycles
    assert {len(each["wave"]) for each in (clock, numbers, *drawn)} == {len(waves[0][0])}


def test_the_clock_breaks_where_cycles_are_left_out():
    signal = wave_json([lane("#" + "." * LONGEST + "#" + "." * (LONGEST + 1) + "#")])["signal"]
    assert signal[0]["wave"] == "p" + "." * LONGEST + "." + "..|." + "."


def test_bad_input():
    with pytest.raises(ValueError, match="each must be at least 1, not 0"):
        lane("#", each=0)
