"""A mapped module against its RTL: both in one and-inverter graph, and whether any output ever differs.

Cells are the functions of their Liberty file. A flip-flop behind a clock gate takes its value while the gate is open.
What is below a module, banks included, is left out on both sides: what goes there is compared, what comes from there is
arbitrary. All registers begin with 0.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fusioncim.asic.cells.boolean import substituted
from fusioncim.asic.cells.cell_library import Cell, Library
from fusioncim.asic.netlist.netlist import ONE, ZERO, Netlist, Part
from fusioncim.asic.synthesis import carry_save
from fusioncim.asic.synthesis.synth_recipe import SUMS, recipe
from fusioncim.asic.yosys import run_yosys
from fusioncim.formal.sum_trees import differing_sums
from fusioncim.lib.bank import SRAM

BELOW = {"input": "output", "output": "input"}
"""A pin of what is left out is a port the other way round."""
TREES = "trees"
"""Directory of the module with carry-save trees."""
SIDE = ("expose -evert c:*", "opt_clean", "techmap", "opt_clean", "dffunmap", "aigmap", "opt_clean")
MITER = (
    *("miter -equiv -flatten -make_assert gold gate miter", "hierarchy -top miter"),
    *("chformal -lower", "opt_expr -mux_undef", "opt_clean", "setundef -undriven -zero", "techmap", "opt_clean"),
    *("dffunmap", "zinit -all", "aigmap", "opt_clean", "write_aiger -I -B -zinit -no-startoffset miter.aig"),
)


def write_miter(
    directory: Path,
    text: str,
    below: Sequence[str],
    netlist: Netlist,
    library: Library,
    directions: Mapping[str, str],
    *,
    trees: bool = False,
) -> list[str] | None:
    """Write miter.aig.

    text: RTLIL of the module. below: black boxes of those in it. directions: of the pins of what is left out. trees:
    its sums and products are carry-save trees on both sides, and these are compared with the sums before. Returns the
    trees that are not their sums, None without trees.
    """
    (directory / "below.il").write_text("".join(below), encoding="utf-8")
    (directory / "gold.il").write_text(text, encoding="utf-8")
    (directory / "gate.v").write_text(functional_verilog(netlist, library, directions), encoding="utf-8")
    gold, differing = ["read_rtlil below.il", "read_rtlil gold.il", "proc -norom", "flatten"], None
    if trees:
        differing = write_trees(directory / TREES, text, below, netlist.name, library)
        gold = [f"read_json {TREES}/{SUMS}", "delete =fusioncim_sram"]
    commands = [
        # Banks are read behind the modules that are part of this one, so that they stay apart.
        *(*gold, f"read_verilog -D SYNTHESIS {SRAM}", f"hierarchy -top {netlist.name}", f"select {netlist.name}"),
        *("memory -nordff", *SIDE, "select -clear", f"delete =* {netlist.name} %d", f"rename {netlist.name} gold"),
        *("design -stash gold", "read_verilog gate.v", "hierarchy -top gate", "proc", "opt_clean"),
        *("design -stash gate", "design -copy-from gold -as gold gold", "design -copy-from gate -as gate gate", *MITER),
    ]
    run_yosys(netlist.name, commands, directory / "log")
    return differing


def write_trees(place: Path, text: str, below: Sequence[str], name: str, library: Library) -> list[str]:
    """Write the module with carry-save trees, what the mapping by `adders` begins with; the trees that are wrong."""
    made = recipe(name, text, below, library, "adders")
    place.mkdir()
    for file, content in made.files.items():
        (place / file).write_text(content, encoding="utf-8")
    run_yosys(name, made.sums, place / "log")
    before = json.loads((place / SUMS).read_text(encoding="utf-8"))["modules"][name]
    carry_save.rewrite(place / SUMS)
    after = json.loads((place / SUMS).read_text(encoding="utf-8"))["modules"][name]
    return differing_sums(before, after)


def functional_verilog(netlist: Netlist, library: Library, directions: Mapping[str, str]) -> str:
    """The netlist as a module `gate` of assignments and flip-flops; pins `instance.pin` of what is below are ports."""
    ports = {name: (direction, bits) for name, (direction, bits) in netlist.ports.items()}
    for part in netlist.parts:
        if part.kind not in library.cells:
            for pin, bits in part.pins.items():
                ports[f"{part.name}.{pin}"] = (BELOW[directions[f"{part.kind}.{pin}"]], bits)
    names = ["1'b0", "1'b1", *(f"n{net}" for net in range(2, netlist.nets))]
    head, lines = [], [f"  wire {name};" for name in names[2:]]
    for name, (direction, bits) in ports.items():
        head.append(f"  {direction} [{len(bits) - 1}:0] \\{name} ")
        for n, bit in enumerate(bits):
            sides = (names[bit], f"\\{name} [{n}]")
            lines.append(f"  assign {' = '.join(sides if direction == 'input' else sides[::-1])};")
    open_by = dict(_gates(netlist, library, names))
    for number, part in enumerate(netlist.parts):
        if cell := library.cells.get(part.kind):
            lines += _cell(cell, part, number, names, open_by)
    return "\n".join(["module gate(", ",\n".join(head), ");", *lines, "endmodule", ""])


def _gates(netlist: Netlist, library: Library, names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Nets of gated clocks, and when they are open."""
    for part in netlist.parts:
        cell = library.cells.get(part.kind)
        if cell and cell.kind == "icg":
            enables = [names[part.pins[pin][0]] for pin in cell.inputs if not cell.pins[pin].clock and pin in part.pins]
            (output,) = cell.outputs
            yield part.pins[output][0], " | ".join(enables)


def _cell(cell: Cell, part: Part, number: int, names: Sequence[str], open_by: Mapping[int, str]) -> Iterator[str]:
    """A cell's lines."""
    nets = {pin: names[bits[0]] for pin, bits in part.pins.items() if bits}
    if cell.kind == "ff":
        state = cell.state
        (clock,) = [pin for pin in cell.inputs if cell.pins[pin].clock]
        net = part.pins[clock][0]
        if state["clock"] != clock or state["clear"] or state["preset"]:
            raise ValueError(f"only flip-flops on a rising clock without clear or preset are compared, not {cell.name}")
        own = {**nets, state["state"]: f"state_{number}", state["complement"]: f"~state_{number}"}
        enable = f"if ({open_by[net]}) " if net in open_by else ""
        yield f"  reg state_{number};"
        clk = r"\clk [0]"
        yield f"  always @(posedge {clk}) {enable}state_{number} <= {substituted(state['next'], nets)};"
        nets = own
    elif cell.kind != "comb":
        return
    for pin in cell.outputs:
        if pin in part.pins and part.pins[pin] and part.pins[pin][0] not in (ZERO, ONE):
            yield f"  assign {names[part.pins[pin][0]]} = {substituted(cell.pins[pin].function, nets)};"


def port_directions(texts: Mapping[str, str]) -> dict[str, str]:
    """Directions of the ports of modules in RTLIL and of banks, as module.port."""
    found = {
        f"{name}.{port}": direction
        for name, text in texts.items()
        for direction, port in re.findall(r"^  wire .*?(input|output) \d+ .*?\\(\S+)\s*$", text, re.MULTILINE)
    }
    for direction, port in re.findall(
        r"(input|output)\s+(?:wire|reg)?\s*(?:\[.*?\])?\s*(\w+)", SRAM.read_text("utf-8")
    ):
        found[f"fusioncim_sram.{port}"] = direction
    return found
