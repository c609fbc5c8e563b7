"""The study of rooflines: what is stored is found again, and layers end as near to their rooflines as is asked for."""

import json

import pytest

from fusioncim_sim.studies.roofline import CASES, CHIPS, cycles, roofline_table
from fusioncim_sim.system.energy_table import default_table

STORED = json.loads(default_table("roofline.json").read_bytes())["cases"]
MOST = {
    **dict.fromkeys((name for name in CASES if name.startswith("decode")), 1.05),
    "decode of 1 over 8,192, DeepSeek-V3, 576 columns": 1.1,
    # Outputs leave over 8,192 cycles behind the last key: 1.105 at least.
    "decode of 4 over 8,192, DeepSeek-V3, 576 columns": 1.11,
    "16 decodes, 128 to 32,768 keys": 1.1,
    "16 decodes, the longest first": 1.1,
    "15 decodes and a chunk of 512 over 2,048": 1.1,
    "16 decodes over 2,048, 64 query heads on one": 1.05,
    "prefill of 128": 1.3,
    "prefill of 256": 1.18,
    "prefill of 512": 1.15,
    "prefill of 1,024": 1.1,
    "prefill of 2,048": 1.15,
    "prefill of 4,096": 1.07,
    "prefill of 8,192": 1.02,
}
"""Cycles over the roofline."""


def test_every_case_is_stored_for_every_chip():
    assert {name: set(found) for name, found in STORED.items()} == {name: set(CHIPS) for name in CASES}


@pytest.mark.parametrize("name", ["decode of 8 over 8,192", "prefill of 256", "prefill of 1,024"])
@pytest.mark.parametrize("label", ["as it is", "1 walk", "1 stream, 1 walk", "1 row drains"])
def test_what_is_stored_is_found_again(name, label):
    assert cycles(CASES[name], CHIPS[label]) == STORED[name][label]


@pytest.mark.parametrize("name", MOST)
def test_layers_end_near_their_rooflines(name):
    found = STORED[name]["as it is"]
    assert 1 <= found["cycles"] / found["roofline"] <= MOST[name]


@pytest.mark.parametrize("cache", ["INT4 cache", "INT4 cache with scales per token"])
def test_a_cache_of_four_bits_halves_a_decode_step(cache):
    plain, half = (STORED[f"decode of 1 over 8,192{name}"]["as it is"]["cycles"] for name in ("", f", {cache}"))
    assert 0.49 <= half / plain <= 0.55


def test_no_chip_is_faster_than_its_roofline():
    assert all(each["cycles"] >= each["roofline"] for found in STORED.values() for each in found.values())


def test_the_table_has_a_ratio_for_every_chip():
    found = {label: {"cycles": 10 + n, "roofline": 10, "bound": "reads"} for n, label in reversed([*enumerate(CHIPS)])}
    first = roofline_table({"cases": dict.fromkeys(CASES, found)}).splitlines()[2]
    assert first.strip("| ").split(" | ")[1:] == ["reads", "10", *(f"{1 + n / 10:.3f}" for n in range(len(CHIPS)))]
