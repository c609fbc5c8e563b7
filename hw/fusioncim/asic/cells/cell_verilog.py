"""Zero-delay Verilog models of library cells, for gate-level simulation.

A state changes 1 ps after its clock edge, under a timescale of 1 ns: clock gates have no delay, so that data must come
behind the clock.
"""

import re
from collections.abc import Iterable

from fusioncim.asic.cells.cell_library import Cell, Library

AT_START = re.compile(r"(?m)^  initial \w+ = \$random;\n")
"""What gives a state a value."""


def cells_verilog(library: Library, used: Iterable[str], *, unknown: bool = False) -> str:
    """Models of the cells named, each once, by name; unknown: states are X at the start, else random."""
    text = "\n".join(cell_verilog(library.cells[name]) for name in sorted(set(used)))
    return AT_START.sub("", text) if unknown else text


def cell_verilog(cell: Cell) -> str:
    """Model of a cell; states are random at the start."""
    ports = [*cell.inputs, *cell.outputs]
    lines = [f"module {cell.name}({', '.join(ports)});"]
    lines += [f"  input {name};" for name in cell.inputs] + [f"  output {name};" for name in cell.outputs]
    if cell.kind == "icg":
        clock = next(name for name in cell.inputs if cell.pins[name].clock)
        enable = " | ".join(name for name in cell.inputs if name != clock)
        lines += ["  reg state;", "  initial state = $random;", f"  always @* if (!{clock}) state = {enable};"]
        lines += [f"  assign {cell.outputs[0]} = state & {clock};"]
    elif cell.kind in ("ff", "latch"):
        state = cell.state
        guards = [f"if ({state[role]}) {state['state']} <= #0.001 1'b{bit};" for role, bit in
                  (("clear", 0), ("preset", 1)) if state[role]]  # fmt: skip
        edges = "".join(f" or posedge {role}" for role in ("clear", "preset") if state[role])
        trigger = f"posedge clock{edges}" if cell.kind == "ff" else "*"
        store = f"{state['state']} <= #0.001 {state['next']};"
        store = store if cell.kind == "ff" else f"if (clock) {store}"
        name = state["state"]
        lines += [f"  reg {name};", f"  initial {name} = $random;", f"  wire clock = {state['clock']};"]
        lines += [f"  wire {role} = {state[role]};" for role in ("clear", "preset") if state[role]]
        lines += [f"  wire {state['complement']} = ~{state['state']};"]
        lines += [f"  always @({trigger}) {' else '.join([*guards, store])}"]
    for name in cell.outputs:
        if cell.pins[name].function:
            lines.append(f"  assign {name} = {cell.pins[name].function};")
    return "\n".join([*lines, "endmodule", ""])
