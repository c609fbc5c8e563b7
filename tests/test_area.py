"""Cell area on the Nangate library, whose smallest flip-flop has 4.522 um2 and a full adder 4.256 um2."""

import json
from pathlib import Path

import pytest

from fusioncim.flow import area
from fusioncim.ip_cim import IpCimRow
from fusioncim.kv_buffer import VectorRing
from fusioncim_golden.config import preset
from fusioncim_golden.errors import InputError

STORED = json.loads((Path(__file__).parent.parent / "measurements" / "choices.json").read_text())


def test_flip_flops_and_gates_are_counted():
    config = preset("tiny")
    missing, score, flags = 11, config.score_bits, 2
    flip_flops = 4.522 * (missing + score + flags)
    adders = 4.256 * (config.columns * (config.operand_bits - 1) + score)
    found = area.logic_area(IpCimRow(config), area.default_liberty())
    assert flip_flops + 0.5 * adders < found < 2 * (flip_flops + adders)


def test_banks_have_no_area():
    found = area.logic_area(VectorRing(preset("tiny"), banks=1), area.default_liberty())
    assert 0 < found < 4.522 * 8 * 128 / 4


def test_the_stored_area_is_that_of_the_present_row():
    found = area.logic_area(IpCimRow(preset("paper")), area.default_liberty())
    assert found == pytest.approx(STORED["ip_cim_row"]["um2"], rel=0.02)


def test_a_missing_library_is_named(monkeypatch):
    def missing(name):
        raise area.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(area.importlib.metadata, "files", missing)
    with pytest.raises(InputError, match=r"install it with pip install 'fusioncim\[synth\]'"):
        area.default_liberty()
