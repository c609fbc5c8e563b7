"""Banks made of flip-flops or latches of the library instead of macros, in the RTLIL of the modules that hold them.

The sources `sram_flops.v` and `sram_latches.v` do what `sram.v` does, with its parameters and ports. Latches are mapped
here, and so is the gate that makes their write pulse: the rest of the flow takes them as cells of the library.
"""

import importlib.metadata
from collections.abc import Mapping, Sequence
from pathlib import Path

from fusioncim.asic.cells.boolean import truth_table
from fusioncim.asic.cells.cell_library import Cell, Library
from fusioncim.asic.netlist.netlist import SRAM_MODULE
from fusioncim.asic.yosys import run_yosys
from fusioncim.build.cache import build_root, filled_once, kept_text, short_hash
from fusioncim.lib.bank import SRAM
from fusioncim_golden.config import check_choice
from fusioncim_golden.errors import InputError

BANKS = ("sram", "flops", "latches")

CELL_MAP = """\
(* techmap_celltype = "$dlatch" *)
module fusioncim_map_latch(EN, D, Q);
  parameter WIDTH = 1;
  parameter EN_POLARITY = 1;
  input EN;
  input [WIDTH-1:0] D;
  output [WIDTH-1:0] Q;
  wire _TECHMAP_FAIL_ = !EN_POLARITY;
  genvar n;
  generate
    for (n = 0; n < WIDTH; n = n + 1) begin : bit
      LATCH cell_n (LATCH_PINS);
    end
  endgenerate
endmodule

module fusioncim_pulse(clk, idle, pulse);
  input clk, idle;
  output pulse;
  PULSE cell_n (PULSE_PINS);
endmodule
"""


def bank_source(banks: str) -> Path:
    """The Verilog of banks of one of the kinds `BANKS`."""
    check_choice("banks", banks, BANKS)
    return SRAM if banks == "sram" else SRAM.with_name(f"sram_{banks}.v")


def with_banks(name: str, text: str, below: Sequence[str], banks: str, library: Library) -> tuple[str, list[str]]:
    """The RTLIL of a module with its banks flattened into it, and black boxes of the cells that are mapped already.

    below: black boxes of the modules below it. Found again by what it is made from.
    """
    source = bank_source(banks)
    if banks == "sram" or f"cell \\{SRAM_MODULE} " not in text:
        return text, []
    cells = {"LATCH": latch_of(library), "PULSE": pulse_of(library)} if banks == "latches" else {}
    boxes = [black_box(cell) for cell, _ in cells.values()]
    mapping = with_cells(CELL_MAP, cells)
    commands = [
        *("read_rtlil before.il", "read_verilog -D SYNTHESIS bank.v", f"hierarchy -top {name}", "proc"),
        *(["techmap -map map.v t:$dlatch t:fusioncim_pulse"] if cells else []),
        *("flatten", "opt_clean", f"select -module {name}", "write_rtlil -selected module.il"),
    ]
    files = {
        "before.il": "".join([*below, *boxes, text]),
        "bank.v": source.read_text(encoding="utf-8"),
        "map.v": mapping,
    }
    place = build_root() / "banks" / short_hash(importlib.metadata.version("pyosys"), *files.values(), *commands)
    with filled_once(place) as scratch:
        if scratch:
            for file, content in files.items():
                (scratch / file).write_text(content, encoding="utf-8")
            run_yosys(name, commands, scratch / "log")
    return kept_text(place / "module.il"), boxes


def with_cells(mapping: str, cells: Mapping[str, tuple[Cell, Mapping[str, str]]]) -> str:
    """A map like CELL_MAP with these cells and their pins, by role."""
    for role, (cell, pins) in cells.items():
        ends = ", ".join(f".{pin}({net})" for pin, net in pins.items())
        mapping = mapping.replace(f"{role}_PINS", ends).replace(f"{role} ", f"{cell.name} ")
    return mapping


def latch_of(library: Library) -> tuple[Cell, Mapping[str, str]]:
    """The smallest latch that is open while its enable is high, and its pins in CELL_MAP."""
    found = []
    for cell in library.cells.values():
        state = cell.state
        plain = cell.kind == "latch" and set(cell.inputs) == {state["next"], state["clock"]}
        outputs = [name for name in cell.outputs if cell.pins[name].function == state.get("state")]
        if plain and outputs:
            found.append((cell.area, cell.name, {state["next"]: "D[n]", state["clock"]: "EN", outputs[0]: "Q[n]"}))
    if not found:
        raise InputError(f"the Liberty file must have a latch for banks of latches, not so {library.path}")
    _, name, pins = min(found, key=lambda each: each[:2])
    return library.cells[name], pins


def pulse_of(library: Library) -> tuple[Cell, Mapping[str, str]]:
    """The smallest NOR of two, and its pins in CELL_MAP."""
    found = []
    for cell in library.cells.values():
        if cell.kind == "comb" and len(cell.inputs) == 2 and len(cell.outputs) == 1:
            (output,) = cell.outputs
            if truth_table(cell.pins[output].function, tuple(cell.inputs)) == (True, False, False, False):
                found.append(
                    (cell.area, cell.name, {**dict(zip(cell.inputs, ("clk", "idle"), strict=True)), output: "pulse"})
                )
    if not found:
        raise InputError(f"the Liberty file must have a NOR of two inputs for banks of latches, not so {library.path}")
    _, name, pins = min(found, key=lambda each: each[:2])
    return library.cells[name], pins


def black_box(cell: Cell) -> str:
    """A cell without contents, in RTLIL."""
    wires = [f"  wire {cell.pins[pin].direction} {n} \\{pin}" for n, pin in enumerate(cell.pins, 1)]
    return "\n".join(["attribute \\blackbox 1", f"module \\{cell.name}", *wires, "end", ""])
