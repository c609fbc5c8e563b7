"""A design with one fault against the design with none: whether any output ever differs.

Both begin with the values of the reset, and with 0 where there is none. Every input may be anything at any time. What
goes into a bank is an output, what comes from there an input.
"""

import re
import subprocess
from pathlib import Path
from typing import Literal

from fusioncim.asic.yosys import run_yosys
from fusioncim.build.program import run_program
from fusioncim.formal.decide import ABC
from fusioncim.lib.bank import MACRO, SRAM
from fusioncim_sim.mutation.netlist import DESIGN, NUMBER

Answer = Literal["equivalent", "differs", "open"]
DEPTH = 30
"""Cycles that are searched for a difference before a proof is."""


def compare(place: Path, top: str, number: int, *, limit_s: int) -> Answer:
    """Compare fault NUMBER of the design in a directory of `make_mutants`; open: not known after so many seconds."""
    sides = []
    for side, value in (("gold", 0), ("gate", number)):
        sides += [
            *(f"read_verilog -lib {SRAM}", f"read_rtlil {DESIGN}", f"hierarchy -top {top}"),
            *("flatten", f"connect -set {NUMBER} {value}", f"expose -evert t:{MACRO}", "opt_clean"),
            *(f"delete =* {top} %d", f"rename {top} {side}", f"design -stash {side}"),
        ]
    commands = [
        *sides,
        *("design -copy-from gold -as gold gold", "design -copy-from gate -as gate gate"),
        *("miter -equiv -flatten -make_assert gold gate miter", "hierarchy -top miter"),
        *("memory_map", "chformal -lower", "async2sync", "opt_expr -mux_undef", "opt_clean"),
        *("attrmap -remove init", "setundef -undriven -zero", "techmap", "opt_clean"),
        *("dffunmap", "zinit -all", "aigmap", "opt_clean"),
        "write_aiger -I -B -zinit -no-startoffset miter.aig",
    ]
    run_yosys(top, commands, place / "miter.log")
    script = f"read_aiger miter.aig; orpos; strash; bmc3 -F {DEPTH} -T {limit_s}; dprove -T {limit_s}"
    try:
        return answer(run_program([str(ABC), "-c", script], directory=place, limit_s=4 * limit_s).stdout)
    except subprocess.TimeoutExpired:  # not all steps of ABC have a limit
        return "open"


def answer(text: str) -> Answer:
    """Read what ABC says; of a design without registers it says whether a difference can be satisfied."""
    if re.search(r"(?m)was asserted in frame|Networks are NOT EQUIVALENT|^SATISFIABLE", text):
        return "differs"
    return "equivalent" if re.search(r"(?m)Networks are equivalent|^UNSATISFIABLE", text) else "open"
