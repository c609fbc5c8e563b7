"""Recipes: what Yosys is told, and what they depend on."""

from dataclasses import replace
from pathlib import Path

from fusioncim.asic.synthesis.synth_recipe import GATED, WAYS, recipe, ways_of


def made(library, way="plain", text="module \\m\nend\n"):
    return recipe("m", text, ["box"], library, way)


def test_ways_differ_in_adders_and_multipliers(small_library):
    plain, booth, adders = (made(small_library, way) for way in WAYS)
    assert [name for name in adders.files if name not in plain.files] == ["adder.v"]
    assert "FA_X1 fa (.A(A[n]), .B(B[n]), .CI(C[n]), .CO(X[n]), .S(Y[n]));" in adders.files["adder.v"]
    assert [("-booth" in " ".join(each.commands)) for each in (plain, booth, adders)] == [False, True, False]
    assert f"clockgate -pos CLKGATE_X1 E:CK:GCK -min_net_size {GATED}" in plain.commands
    assert "hilomap -hicell LOGIC1_X1 Z -locell LOGIC0_X1 Z" in plain.commands


def test_a_recipe_uses_what_the_library_has(small_library):
    cells = {name: cell for name, cell in small_library.cells.items() if name.startswith(("INV", "NAND", "DFF"))}
    bare = replace(small_library, cells=cells)
    assert ways_of(small_library) == WAYS
    assert ways_of(bare) == ("plain", "booth")
    assert not any(command.startswith(("clockgate", "hilomap")) for command in made(bare).commands)


def test_a_recipe_is_known_by_its_content_wherever_the_library_lies(small_library):
    texts = {made(small_library, way, text).text for way in WAYS for text in ("module \\m\nend\n", "module \\n\nend\n")}
    assert len(texts) == 6
    assert made(small_library) == made(replace(small_library, path=Path("/elsewhere.lib")))
