"""How Yosys maps one module on a cell library: commands and the files that they read."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.scaling import LIBRARY
from fusioncim.lib.bank import SRAM

GATED = 4
"""Fewest flip-flops that share a clock gate: it costs less than the multiplexers of three enables."""

WAYS = ("plain", "booth", "adders")
"""Of mapping: as it is; Booth-coded multipliers; carry-save trees on the library's full adder."""

ABC = "+strash;&get,-n;&nf;&put;buffer,-c;topo;upsize;dnsize"
"""ABC's script; its default one runs for hours on multiplier and adder arrays."""

LIBERTY, MODULE, SUMS = "cells.lib", "module.il", "sums.json"
"""Names of the library's file and of the module's in the directory of a mapping, and of the module with its sums."""

ADDER_MAP = """\
(* techmap_celltype = "$fa" *)
module fusioncim_map_fa(A, B, C, X, Y);
  parameter WIDTH = 1;
  parameter _TECHMAP_CONSTMSK_A_ = 0;
  parameter _TECHMAP_CONSTMSK_B_ = 0;
  parameter _TECHMAP_CONSTMSK_C_ = 0;
  localparam [WIDTH-1:0] constant = _TECHMAP_CONSTMSK_A_ | _TECHMAP_CONSTMSK_B_ | _TECHMAP_CONSTMSK_C_;
  input [WIDTH-1:0] A, B, C;
  output [WIDTH-1:0] X, Y;
  genvar n;
  generate
    for (n = 0; n < WIDTH; n = n + 1) begin : bit
      if (constant[n]) begin
        assign Y[n] = A[n] ^ B[n] ^ C[n];
        assign X[n] = (A[n] & B[n]) | (C[n] & (A[n] | B[n]));
      end else
        CELL fa (.PIN_A(A[n]), .PIN_B(B[n]), .PIN_C(C[n]), .PIN_CARRY(X[n]), .PIN_SUM(Y[n]));
    end
  endgenerate
endmodule
"""
"""Full adders of Yosys as cells; those with a constant input become gates."""


@dataclass(frozen=True)
class Recipe:
    """How a module is mapped.

    Members:
        commands: of Yosys, run in a directory of their own.
        sums: those before `commands`, which write the module with its sums to SUMS; empty if these stay.
        files: their inputs there, by name; the library is LIBERTY, the result netlist.json.
    """

    commands: tuple[str, ...]
    sums: tuple[str, ...]
    files: Mapping[str, str]

    @property
    def text(self) -> str:
        """All of it, as a key."""
        return "\n".join([*self.sums, *self.commands, *(f"{name}\n{content}" for name, content in self.files.items())])


def ways_of(library: Library) -> tuple[str, ...]:
    """The ways that a library allows."""
    return WAYS if library.adder else WAYS[:-1]


def recipe(name: str, text: str, below: Iterable[str], library: Library, way: str) -> Recipe:
    """The recipe for a module.

    text: its RTLIL. below: black boxes of the modules and cells in it.
    """
    files = {"below.il": "".join(below), MODULE: text, "sram.v": SRAM.read_text(encoding="utf-8")}
    sums: list[str] = []
    commands = [
        *("read_rtlil below.il", f"read_rtlil {MODULE}", "read_verilog -lib -D SYNTHESIS sram.v"),
        f"synth -noabc -flatten {'-booth' * (way == 'booth')} -top {name} -run begin:fine",
    ]
    if way == "adders" and library.adder:
        cell, roles = library.adder
        files["adder.v"] = re.sub(r"PIN_(\w+)", lambda pin: roles[pin[1].lower()], ADDER_MAP.replace("CELL", cell))
        sums = [*commands, f"write_json {SUMS}"]
        commands = [f"read_json {SUMS}", "opt -fast", "techmap -map adder.v", "opt -fast"]
    commands += ["synth -noabc -run fine:check", "opt_clean -purge"]
    if library.clock_gate:
        cell, roles = library.clock_gate
        pins = f"{roles['enable']}:{roles['clock']}:{roles['gated']}"
        commands.append(f"clockgate -pos {cell} {pins} -min_net_size {GATED}")
    commands += [
        f"dfflibmap -liberty {LIBERTY}",
        f'abc -liberty {LIBERTY} -script "{ABC}"',
        *(["hilomap " + ties] if (ties := _ties(library)) else []),
        *("setundef -zero", "opt_clean -purge", "write_json netlist.json"),
    ]
    return Recipe(tuple(commands), tuple(sums), files)


def _ties(library: Library) -> str:
    """Options of hilomap: the library's cells without inputs."""
    options = []
    for option, value in (("-hicell", "1'b1"), ("-locell", "1'b0")):
        cells = [cell for cell in library.cells.values() if cell.kind == "comb" and not cell.inputs]
        found = [(cell.area, cell.name, pin) for cell in cells for pin in cell.outputs
                 if cell.pins[pin].function == value]  # fmt: skip
        if not found:
            return ""
        options.append(f"{option} {min(found)[1]} {min(found)[2]}")
    return " ".join(options)


def fallbacks(library: Library) -> list[str]:
    """What the library lacks and what is done instead, one sentence each."""
    lines = []
    if not library.clock_gate:
        lines.append(
            f"{library.name} has no clock-gating cell: enables stay multiplexers, and nothing gates the clock."
        )
    if not library.adder:
        lines.append(f"{library.name} has no full-adder cell: sums are mapped on gates.")
    if library.voltage != LIBRARY.voltage:
        lines.append(
            f"{library.name} is at {library.voltage:g} V: banks stay at {LIBRARY.voltage} V, where their model is."
        )
    return lines
