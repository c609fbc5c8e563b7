"""Energies of chips that were not measured: equal to the table where it was, and by structure elsewhere."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.cli.app import app
from fusioncim_sim.system.cycles import Counts
from fusioncim_sim.system.dram import dram
from fusioncim_sim.system.energy import energy
from fusioncim_sim.system.energy_sizes import SCALED, fitted, read_sizes
from fusioncim_sim.system.energy_table import (
    AROUND_PARTS,
    ENGINE_PARTS,
    FREE,
    corner,
    default_table,
    read_table,
)
from fusioncim_sim.system.size_forms import EVENTS, FORMS, GATES, bank_energy

PAPER = PRESETS["paper"]
TABLE, SIZES = read_table(default_table()), read_sizes(default_table("sizes.json"))
COLUMNS = "{:g} to {:g}".format(*SIZES.ranges["columns"])
COUNTERS = Counts(cycles=100_000, mac_cycles=1_000_000)


def of(**changes):
    """`paper` with changes, and as many lanes as it needs."""
    values = {**PAPER.as_dict(), **changes}
    lanes = values["rows"] // values["operand_bits"]
    return PAPER.override(**{"softmax_lanes": lanes, **changes})


def joules(chip):
    """Of the parts of the engines in the same cycles."""
    found = energy(fitted(TABLE, chip), chip, COUNTERS, 1000, dram("lpddr5"), 400.0, corner("45 nm, 1.1 V"))
    return {name: found[name] for name in (*ENGINE_PARTS, *AROUND_PARTS, "leakage")}


def test_the_measured_chip_has_the_measured_table():
    assert fitted(TABLE, PAPER) is TABLE
    free = PAPER.override(rows=64, softmax_lanes=8, engines=4, drain_rows=4, buffer_bytes=1 << 19, seed=True)
    assert fitted(TABLE, free) is TABLE


def test_what_is_scaled_by_one_is_the_measured_table():
    """From a chip that is alike to the chip that was measured."""
    other = fitted(TABLE, of(columns=256, operand_bits=4, update_rank=4, words=8, flush=14, bus_bits=256))
    back = fitted(replace(other, estimate=None), PAPER)
    for part in ENGINE_PARTS:
        for name in ("stream", "tile", "idle"):
            there, here = getattr(back.engine[part], name), getattr(TABLE.engine[part], name)
            assert (there.a, there.b) == pytest.approx((here.a, here.b), rel=1e-6, abs=1e-6), (part, name)
    assert back.leakage_mw == pytest.approx(TABLE.leakage_mw)
    assert back.by_keys == pytest.approx(TABLE.by_keys)
    assert back.uncentred == pytest.approx(TABLE.uncentred)
    assert back.addition_fj == pytest.approx(TABLE.addition_fj)
    assert back.leakage(PAPER) == pytest.approx(TABLE.leakage(PAPER))


GROWS = {
    "columns": ((64, 128, 256, 512), ("IP-CIM", "OP-CIM", "normalizer", "key/value buffer", "leakage")),
    "operand_bits": ((4, 8), ("IP-CIM", "leakage")),
    "words": ((1, 2, 4, 8), ("OP-CIM", "leakage")),
    "probability_bits": ((6, 7, 9, 12), ("OP-CIM",)),
    "accumulator_bits": ((22, 23, 26, 32), ("OP-CIM", "normalizer", "leakage")),
    "flush": ((8, 9, 11, 14, 17), ("OP-CIM",)),
    "bus_bits": ((256, 512, 1024), ("memory interface", "leakage")),
}


@pytest.mark.parametrize("name", GROWS)
def test_more_of_a_parameter_takes_more(name):
    values, parts = GROWS[name]
    found = [joules(of(**{name: value})) for value in values]
    for part in parts:
        each = [one[part] for one in found]
        assert each == sorted(each), part
        assert each[0] < each[-1], part


def test_twice_the_columns_take_less_than_twice_as_much():
    """What does not grow with them is there once; wires grow with more than the columns."""
    one, two = joules(PAPER), joules(of(columns=256))
    assert 1.7 < two["IP-CIM"] / one["IP-CIM"] < 2.2
    assert two["control"] < 1.7 * one["control"]


def test_every_rank_has_energies():
    """Of a block of few keys less is in vain, but O is read and written more often."""
    found = {rank: joules(of(update_rank=rank)) for rank in (1, 2, 4, 8, 16)}
    assert all(min(each.values()) > 0 for each in found.values())
    assert found[1]["OP-CIM"] > found[4]["OP-CIM"]


def test_presets_have_energies():
    for name in ("tiny", "small"):
        estimate = fitted(TABLE, PRESETS[name]).estimate
        assert estimate.percent == SIZES.percent
        assert {*estimate.parameters} <= {*SCALED}
        assert not {*estimate.parameters, *estimate.as_is} & ({*FREE} - {"softmax_lanes"})
    assert fitted(TABLE, PRESETS["tiny"]).estimate.beyond == (f"columns 16 ({COLUMNS})", "update_rank 2 (4 to 8)")


def test_lanes_with_fewer_rows():
    """Twice the lanes idle and leak; a score takes the same."""
    here, there = fitted(TABLE, PAPER), fitted(TABLE, of(softmax_lanes=32))
    assert there.estimate.parameters == ("softmax_lanes",)
    assert there.engine["softmax"].stream.b == pytest.approx(here.engine["softmax"].stream.b, rel=0.2)
    assert there.engine["softmax"].idle.b > 1.3 * here.engine["softmax"].idle.b
    assert there.leakage_mw["softmax"] > 1.5 * here.leakage_mw["softmax"]
    assert there.engine["IP-CIM"].stream.a < here.engine["IP-CIM"].stream.a


def test_an_estimate_in_words():
    words = fitted(TABLE, of(columns=512, words=8, alibi=True)).estimate.words
    assert words == (
        "Energies are scaled from the measured chip in columns, words. An engine's are within "
        f"{SIZES.percent:.1f} % on each of {SIZES.arrays} arrays left out in turn. Beyond what was measured: "
        f"columns 512 ({COLUMNS}). By structure alone: words. Not in the energies: alibi."
    )
    assert fitted(TABLE, of(bus_bits=256)).estimate.words == (
        "Energies are scaled from the measured chip in bus_bits. By structure alone: bus_bits."
    )


def test_forms_and_banks_are_numbers_of_every_preset():
    for chip in PRESETS.values():
        assert all(form(chip.engine) > 0 for form in FORMS.values())
        assert all(bank_energy(unit, event, chip.engine) > 0 for unit in GATES for event in EVENTS)


def test_evaluate_says_the_error():
    arguments = ["evaluate", "--preset", "small", "--head-dimension", "64", "--tokens", "64"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "TOPS/W" in result.stdout
    assert fitted(TABLE, PRESETS["small"]).estimate.words in result.stdout
    assert "scaled" not in CliRunner().invoke(app, ["evaluate", "--tokens", "64"]).stdout


BAD = {
    "no json": ("{", "the table of sizes is no JSON"),
    "another file": ('{"arrays": {}}', "is no table of sizes"),
    "a list": ("[]", "the table of sizes must be a JSON object"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name, tmp_path):
    text, message = BAD[name]
    (tmp_path / "sizes.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_sizes(tmp_path / "sizes.json")


def test_a_file_without_an_event(tmp_path):
    data = json.loads(default_table("sizes.json").read_bytes())
    del data["weights"]["softmax"]["leakage"]
    (tmp_path / "sizes.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(InputError, match="must have every event of a unit, not so of softmax"):
        read_sizes(tmp_path / "sizes.json")
