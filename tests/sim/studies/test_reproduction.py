"""The published figures and claims beside ours: they follow from the stored measurements."""

import json
from pathlib import Path

import pytest

from fusioncim.asic.scaling import scale
from fusioncim_golden.errors import InputError
from fusioncim_sim.studies.exponential.units import TABLE, TAYLOR
from fusioncim_sim.studies.reproduction import SOURCES, STUDY, claims_table, made, reproduction_table
from fusioncim_sim.studies.reproduction.curves import CURVES, curves_table
from fusioncim_sim.studies.reproduction.rescale_curve import DIAGONAL, IN_ORDER, TOKENS, counts, rescale_table
from fusioncim_sim.studies.reproduction.row import Row
from fusioncim_sim.studies.reproduction.traffic_split import PLACES, saved, split_table
from fusioncim_sim.studies.study import Request
from fusioncim_sim.studies.system import CORNER, LENGTHS
from fusioncim_sim.system.effort import AGAIN, KINDS, PARTIAL_SUMS, TRANSPOSES
from fusioncim_sim.system.energy_table import CORNERS

MEASUREMENTS = Path(__file__).parents[3] / "measurements"
STORED, *OTHERS = (
    json.loads((MEASUREMENTS / f"{name}.json").read_text(encoding="utf-8")) for name in ("reproduction", *SOURCES)
)
MEASURED = dict(zip(SOURCES, OTHERS, strict=True))
MADE = made(**MEASURED)
ROWS = {row["what"]: row for row in (*MADE["rows"], *MADE["claims"])}


def test_what_is_stored_follows_from_the_stored_measurements():
    for part in ("rows", "claims"):
        assert [row["what"] for row in STORED[part]] == [row["what"] for row in MADE[part]]
        for row, mine in zip(STORED[part], MADE[part], strict=True):
            for key in ("published", "ours", "difference"):
                assert row[key] == pytest.approx(mine[key]), row["what"]
            assert (row["said"], row["slip"], row["why"]) == (mine["said"], mine["slip"], mine["why"])
    assert STORED["split"] == MADE["split"]


def test_every_row_has_a_place_and_a_reason():
    assert all(row["why"] and row["where"] for row in ROWS.values())
    assert len(ROWS) == len(MADE["rows"]) + len(MADE["claims"])


def test_the_headline_with_and_without_what_is_around_the_engines():
    engines, system = (
        ROWS[f"efficiency {what}"] for what in ("of the engines alone", "with buffer, network and control")
    )
    cost = MEASURED["cost"]["table"]
    assert engines["published"] == (29.4, 29.4)
    assert system["published"][0] == pytest.approx(52.4 / 2.1, rel=1e-3)
    assert engines["ours"] == cost["hybrid engine"][CORNER]["tops_per_w"]
    assert system["ours"] == cost["system"][CORNER]["tops_per_w"]


def test_rescales_are_those_of_the_captured_heads():
    assert ROWS["rescales fewer, diagonal first against in order"]["ours"] == pytest.approx(100 * (1 - 7487 / 22160))
    ours = ROWS["rescales fewer, with the reference rule of this chip"]["ours"]
    assert ours == ROWS["nonlinear overhead less: moves of a row's reference"]["ours"]
    assert ours == pytest.approx(100 * (1 - 771 / 22160))


def test_slips_of_the_paper_stand_beside_its_figures():
    assert ROWS["softmax: power"]["slip"] == "13.1 mW"
    assert ROWS["hybrid engine: power"]["slip"] == "its parts add up to 109 mW"
    assert ROWS["density"]["slip"] == "2.00 by Table I"
    assert "in the paper: 3.86 in the abstract" in reproduction_table(MADE)


def test_ratios_over_other_chips():
    cost = MEASURED["cost"]["table"]
    system = cost["system"][CORNER]
    assert ROWS["efficiency over TranCIM"]["ours"] == pytest.approx(system["tops_per_w"] / 12.5)
    assert ROWS["density over TranCIM"]["ours"] == pytest.approx(system["tops_per_mm2"] / 0.22)
    macros = [cost[part][CORNER] for part in ("IP-CIM", "OP-CIM")]
    power = sum(part["tops"] for part in macros) / sum(part["mw"] for part in macros) * 1e3
    assert ROWS["efficiency over P3ViT"]["ours"] == pytest.approx(power / 23.2)
    assert ROWS["efficiency over P3ViT, 28 nm, 0.72 V"]["ours"] > ROWS["efficiency over P3ViT"]["ours"]


def test_a_claim_without_a_number():
    row = ROWS["analog sums, currents added along rows or columns"]
    assert (row["published"], row["ours"], row["difference"]) == (None, None, None)
    (line,) = (line for line in claims_table(MADE).splitlines() if row["what"] in line)
    assert "| no number | none |  | the paper's macros are digital" in line


def test_the_exponential():
    units = MEASURED["exponential"]["units"]
    taylor, table = units[TAYLOR], units[TABLE]
    assert ROWS["table of the exponential"]["ours"] == table["table_bytes"] == 48
    assert ROWS["area of the exponential for a score per cycle, over ours"]["ours"] > 8
    power = 6.4e9 * taylor["fj_per_score"] * 1e-15 * scale(CORNERS[CORNER]).energy
    assert ROWS["power of 128 published exponentials"]["ours"] == pytest.approx(1e3 * power)
    energy = ROWS["energy of the exponential per score, over ours"]["ours"]
    assert energy == pytest.approx(taylor["fj_per_score"] / table["fj_per_score"])
    assert ROWS["nonlinear overhead less: energy of an exponential"]["ours"] == pytest.approx(100 * (1 - 1 / energy))


@pytest.mark.parametrize("tokens", LENGTHS)
def test_bytes_by_what_they_are_are_all_bytes(tokens):
    split, layer = MADE["split"][str(tokens)], MEASURED["system"]["baselines"][str(tokens)]
    for name, design in split.items():
        turned = design["buffer"][TRANSPOSES]
        assert sum(design["memory"].values()) == pytest.approx(layer[name]["memory_bytes"], abs=200), name
        assert sum(design["buffer"].values()) - turned == pytest.approx(layer[name]["buffer_bytes"], abs=10), name
        assert min(*design["memory"].values(), *design["buffer"].values()) >= 0


def test_what_is_saved():
    split = {
        "B1": {"buffer": dict.fromkeys(KINDS, 0) | {AGAIN: 50, PARTIAL_SUMS: 40}},
        "ours": {"buffer": dict.fromkeys(KINDS, 0) | {AGAIN: 10}},
    }
    assert saved(split, "B1", "buffer") == dict.fromkeys(KINDS, 0.0) | {AGAIN: 0.5, PARTIAL_SUMS: 0.5}
    assert set(PLACES) == {"memory", "buffer"}
    assert len(split_table(MADE).splitlines()) == 2 + len(KINDS)


def test_curves_have_every_length():
    lines = curves_table(MEASURED["system"]).splitlines()
    assert len(lines) == 2 + len(CURVES) * len(LENGTHS)
    (line,) = (line for line in lines if line.startswith("| latency, ms | 4,096 "))
    ours, theirs = (MEASURED["system"]["baselines"]["4096"][name]["cycles"] for name in ("ours", "B1"))
    assert f"{theirs / ours:.2f} (" in line
    assert "| 1.98 times |" in line


def test_rescales_over_the_length():
    stored = STORED["rescales"]
    assert stored["128"] == counts(128)
    assert stored["512"][IN_ORDER] == 22160
    assert stored["512"][DIAGONAL] == 7487
    assert sorted(map(int, stored)) == [*TOKENS, 1024]
    exact = sum(layer["exact"]["in_order"] for layer in MEASURED["quality"]["patterns"]["layers"])
    assert stored["1024"][IN_ORDER] == exact
    assert len(rescale_table(STORED).splitlines()) == 6


def test_more_and_less():
    system = {"baselines": {"64": {name: dict.fromkeys(("cycles", "joules", "memory_bytes", "buffer_bytes"), n)
                                   for name, n in (("ours", 4), ("B1", 2), ("B2", 8))}}}  # fmt: skip
    line = curves_table(system).splitlines()[2]
    assert "0.50 (100% more)" in line
    assert "2.00 (50% less)" in line


def test_difference_from_a_range():
    row = Row(what="a", where="b", published=(20.0, 40.0), ours=30.0, unit="%", why="c")
    assert row.difference == 0
    assert Row(**{**vars(row), "ours": 50.0}).difference == pytest.approx(0.25)
    assert Row(**{**vars(row), "ours": 10.0}).difference == pytest.approx(-0.5)
    assert Row(**{**vars(row), "ours": None}).difference is None


def test_measurements_that_are_missing(tmp_path):
    with pytest.raises(InputError, match=r"the measurement cannot be read \(.*cost\.json"):
        list(STUDY.measure(Request(output=tmp_path, jobs=1)))
