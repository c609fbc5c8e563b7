"""Banks made of flip-flops and latches: what they show, before and after mapping, and what they are made of."""

from pathlib import Path

import pytest

from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.asic.netlist.netlist import flatten
from fusioncim.asic.synthesis.bank_logic import BANKS, bank_source, latch_of, pulse_of
from fusioncim.asic.synthesis.synth import synthesize
from fusioncim.engine.ip_cim import IpCimRow
from fusioncim.lib.bank import Bank
from fusioncim.verilog.emit import module_name, used, verilog
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.gates.gate_level import build_gates
from fusioncim_sim.rtl.programs import compile_icarus
from fusioncim_sim.rtl.runner import Program, run

CASES = {
    "one word": {"depth": 1, "width": 5, "reads": 1},
    "three words": {"depth": 3, "width": 8, "reads": 1},
    "two read ports": {"depth": 16, "width": 12, "reads": 2},
    "in an array": {"depth": 4, "width": 16, "reads": 1, "array": True},
}
CELLS = BANKS[1:]


@pytest.fixture(scope="module")
def library():
    return load(default_liberty())


def check(this, program):
    run(
        Bank(**this),
        "test_bank",
        "matches_model",
        {**this, "cells": True},
        path=Path(__file__).parents[2] / "lib",
        program=program,
    )


@pytest.mark.parametrize("banks", CELLS)
@pytest.mark.parametrize("this", CASES.values(), ids=CASES)
def test_source_does_what_the_macro_does(this, banks, tmp_path):
    bank = Bank(**this)
    name = module_name(bank)
    (tmp_path / f"{name}.v").write_text(verilog(bank), encoding="utf-8")
    compile_icarus(tmp_path, name, (str(bank_source(banks)),))
    check(this, Program(tmp_path, name))


@pytest.mark.parametrize("banks", CELLS)
@pytest.mark.parametrize("this", CASES.values(), ids=CASES)
def test_mapped_netlist_does_what_the_macro_does(this, banks, library):
    design = synthesize(Bank(**this), library, banks=banks)
    flat = flatten({name: design.netlist(name) for name in design.order}, design.top)
    assert not flat.banks
    assert not flat.boxes
    check(this, Program(build_gates(design, flat), flat.name))
    bits, ports = this["depth"] * this["width"], 0 if this.get("array") else this["reads"] * this["width"]
    classes = design.classes()
    if banks == "latches":
        assert classes["latch"] == bits + ports
        assert this["width"] < classes["flip-flop"] < this["width"] + 20
    else:
        assert "latch" not in classes
        assert bits + ports <= classes["flip-flop"] < bits + ports + 5


def test_rows_hold_their_banks(library):
    """A module with logic around its bank: the logic is the same, the bank is flattened into it."""
    config = PRESETS["tiny"].alone()
    designs = {banks: synthesize(IpCimRow(config), library, banks=banks) for banks in BANKS}
    bits = config.words * config.columns * config.operand_bits
    assert designs["sram"].banks() == {"2x128r1a": 1}
    assert not designs["latches"].banks()
    assert designs["latches"].classes()["latch"] == bits
    more = designs["flops"].classes()["flip-flop"] - designs["sram"].classes()["flip-flop"]
    assert bits <= more < bits + 5
    assert bits * 2.66 < designs["latches"].area() - designs["sram"].area() < bits * 10


def test_cells_of_the_library(library):
    cell, pins = latch_of(library)
    assert (cell.name, pins) == ("DLH_X1", {"D": "D[n]", "G": "EN", "Q": "Q[n]"})
    assert pulse_of(library)[0].name == "NOR2_X1"


def test_an_unknown_kind_is_refused(library):
    bank = Bank(depth=2, width=2)
    used(bank)
    with pytest.raises(InputError, match="banks must be one of sram, flops, latches, not dram"):
        synthesize(bank, library, banks="dram")
