"""A design with many faults, of which a number chooses one; Yosys' pass `mutate` draws them and puts them in.

It inverts a bit at a pin of a cell, ties it to 0 or 1, or makes it depend on another bit of the same pin. Modules that
are there several times have the fault everywhere.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fusioncim.asic.yosys import run_yosys
from fusioncim.build.sources import file_of
from fusioncim.lib.bank import SRAM
from fusioncim_sim.rtl.programs import compile_icarus

NUMBER = "mutant"
"""Name of the register of the top module with the number of the fault; 0: none."""
FAULTS = "FUSIONCIM_FAULTS"
"""Environment variable: how many seconds of a processor a fault may take, and the numbers of the faults: `20 1 4 5`."""
DESIGN = "mutants.il"
"""File with the design as RTLIL; the number is a port there."""
ELSEWHERE = ("verilog/", "lib/")
"""Folders of the generator whose lines a fault names only if it has no other."""


@dataclass(frozen=True)
class Fault:
    """A fault, as the pass says it.

    Members:
        place: file of the generator and line that the fault is at; nothing where Yosys does not know it.
        mode: inv, const0, const1, cnot0 or cnot1.
        module, cell, port, bit: where it is.
    """

    place: str
    mode: str
    module: str
    cell: str
    port: str
    bit: int


def make_mutants(
    place: Path, texts: Mapping[str, str], top: str, mutated: Sequence[str], *, count: int, seed: int
) -> list[Fault]:
    """Compile a design with faults in a directory to the program `simulation`; the faults, the first is number 1.

    texts: RTLIL of the modules by name. mutated: those of them that faults are put into. count: how many are drawn.
    """
    (place / "design.il").write_text("\n".join(texts.values()), encoding="utf-8")
    width = count.bit_length()
    commands = [
        *(f"read_verilog -lib {SRAM}", "read_rtlil design.il", f"hierarchy -top {top}"),
        *("proc -norom", "opt_clean", "memory_collect"),
        f"mutate -list {count} -seed {seed} -ctrl {NUMBER} {width} 1 -o list {' '.join(mutated)}",
        *("script list", f"write_rtlil {DESIGN}", f"delete -port {top}/w:{NUMBER}"),
        *("attrmap -remove init", f"write_verilog -noattr {top}.v"),
    ]
    run_yosys(top, commands, place / "log")
    text = (place / f"{top}.v").read_text(encoding="utf-8")
    # It has no driver: a register keeps the number that it is given before the simulation begins.
    head, module, rest = re.split(rf"(?ms)^(module {re.escape(top)}\(.*?^endmodule$)", text, maxsplit=1)
    module = re.sub(rf"(?m)^  wire ((?:\[\S+\] )?{NUMBER};)$", r"  reg \1", module)
    (place / f"{top}.v").write_text(head + module + rest, encoding="utf-8")
    compile_icarus(place, top)
    return [_fault(line) for line in (place / "list").read_text(encoding="utf-8").splitlines()]


def _fault(line: str) -> Fault:
    """Read a command of the list."""
    found = re.findall(r"-(\w+) (\S+)", line)
    said = dict(found)
    plain = {name: said[name].lstrip("\\") for name in ("mode", "module", "cell", "port")}
    root = str(file_of("fusioncim").parent)
    lines = [value.removeprefix(f"{root}/") for name, value in found if name == "src"]
    lines = [each if not each.startswith("/") else Path(each).name for each in lines]
    # Of the lines of a cell and of the signal there, the statement stands below the declaration.
    lines.sort(key=lambda each: ("/" in each, not each.startswith(ELSEWHERE), int(each.partition(":")[2] or 0)))
    return Fault((lines or [""])[-1], bit=int(said["portbit"]), **plain)
