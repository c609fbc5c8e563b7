"""Cells by what they do."""

from dataclasses import replace

from fusioncim.asic.cells.boolean import normal_form


def test_the_adder_and_the_clock_gate_are_found_by_what_they_do(library, small_library):
    for each in (library, small_library):
        assert each.adder == ("FA_X1", {"a": "A", "b": "B", "c": "CI", "sum": "S", "carry": "CO"})
        assert each.clock_gate == ("CLKGATE_X1", {"enable": "E", "clock": "CK", "gated": "GCK"})

    def having(cell):
        return replace(library, cells={cell.name: cell})

    adder = library.cells["FA_X1"]
    swapped = {"S": replace(adder.pins["S"], function=adder.pins["CO"].function),
               "CO": replace(adder.pins["CO"], function=adder.pins["S"].function)}  # fmt: skip
    assert having(replace(adder, pins={**adder.pins, **swapped})).adder[1]["sum"] == "CO"
    wrong = replace(adder.pins["CO"], function=normal_form("A & B & CI"))
    assert having(replace(adder, pins={**adder.pins, "CO": wrong})).adder is None
    for name in ("HA_X1", "MUX2_X1", "DFF_X1"):
        assert having(library.cells[name]).adder is None
    assert having(library.cells["CLKGATE_X8"]).clock_gate[0] == "CLKGATE_X8"
    assert having(library.cells["CLKGATETST_X1"]).clock_gate is None  # an enable for tests, too
    assert having(replace(library.cells["CLKGATE_X1"], gate="latch_negedge")).clock_gate is None
