"""Banks of cells against macros: what is played into them, and the stored figures."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.asic.memory.memory_array import bank_macro
from fusioncim.asic.synthesis.synth import design_texts
from fusioncim.engine.engine import Engine
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.studies.banks import SHAPES, accesses, measure_cells, of_macro

ROOT = Path(__file__).parents[3]
STORED = json.loads((ROOT / "measurements" / "banks.json").read_text(encoding="utf-8"))["shapes"]


def test_the_large_banks_of_an_engine_are_measured():
    _, texts = design_texts(Engine(PRESETS["paper"].alone()))
    found = set()
    for instance in re.findall(r"cell \\fusioncim_sram (.*?)\n *end\n", "".join(texts.values()), re.DOTALL):
        values = dict(re.findall(r"parameter \\(\w+) (\d+)$", instance, re.MULTILINE))
        found.add(tuple(int(values.get(key, 0)) for key in ("DEPTH", "WIDTH", "READS", "ARRAY")))
    measured = {tuple(shape.get(key, 0) for key in ("depth", "width", "reads", "array")) for shape in SHAPES.values()}
    large = {shape for shape in found if shape[0] * shape[1] > 2048}
    assert large
    assert large <= measured


@pytest.mark.parametrize("reads", [1, 2])
@pytest.mark.parametrize("kind", ["none", "fill", "read", "write"])
def test_accesses(kind, reads):
    case = accesses({"depth": 4, "width": 12, "reads": reads}, kind, 40)
    inputs = {name: [int(x, 16) for x in values] for name, values in case.items()}
    filled = 0 if kind == "none" else 4
    assert {len(values) for values in inputs.values()} == {filled + 80}
    assert inputs["write_enable"] == [1] * filled + [0, int(kind == "write")] * 40
    assert inputs["write_address"][:filled] == list(range(filled))
    assert 0 <= max(inputs["write_data"]) < 4096
    assert (len(set(inputs["write_data"])) > 30) == (kind == "write")
    for port in range(reads):
        assert inputs[f"read_enable__{port}"] == [0] * filled + [0, int(kind == "read")] * 40
        address = inputs[f"read_address__{port}"]
        assert set(address) == (set(range(4)) if kind == "read" else {0})
        assert all((a != b) == (kind == "read") for a, b in pairwise(address[filled + 1 :: 2]))
        assert address[filled + 1 : -1 : 2] == address[filled + 2 :: 2]


@pytest.mark.parametrize("banks", ["latches", "flops"])
def test_a_small_bank_as_its_cells(banks):
    shape = {"depth": 4, "width": 16, "reads": 1}
    library = load(default_liberty())
    found = measure_cells(shape, banks, library, 12)
    cell = 2.66 if banks == "latches" else 4.522
    assert 64 * cell < found["um2"] < 64 * cell + 16 * 20
    assert 16 * 5 < found["read_fj"] < 16 * 50
    assert 16 * 5 < found["write_fj"] < 16 * 50
    assert 5 < found["idle_fj"] < 100
    assert 64 * 20 < found["leakage_nw"] < 64 * 300


@pytest.mark.parametrize("name", SHAPES)
def test_stored_figures(name):
    shape, stored = SHAPES[name], STORED[name]
    parameters = {key.upper(): value for key, value in shape.items()}
    assert stored["sram"] == of_macro(bank_macro(parameters))
    for banks in ("latches", "flops"):
        assert stored[banks]["um2"] > 1.5 * stored["sram"]["um2"]
        assert stored[banks]["leakage_nw"] > stored["sram"]["leakage_nw"]
    assert stored["latches"]["um2"] < stored["flops"]["um2"]
