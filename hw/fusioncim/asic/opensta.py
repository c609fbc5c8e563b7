"""Runs of OpenSTA on mapped Verilog, with cells and the views of banks beside it."""

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from fusioncim.asic.cells.cell_library import Library
from fusioncim.asic.memory.memory_array import macro_of_shape
from fusioncim.asic.memory.memory_liberty import liberty_view, macro_name
from fusioncim.build.program import run_program
from fusioncim_golden.errors import InputError

LIMIT_S = 1800
"""A run that takes longer is an error."""


def require_sta() -> None:
    """Refuse to start without OpenSTA."""
    if not shutil.which("sta"):
        raise InputError("OpenSTA is missing (sta must be on PATH): install it with 'apt-get install opensta'")


def run_sta(
    place: Path,
    top: str,
    verilog: str,
    library: Library,
    *,
    banks: Iterable[str],
    others: str,
    commands: Sequence[str],
    writes: str,
) -> str:
    """Link a module and run commands; what OpenSTA prints. Values of commands are in ns and fF.

    place: directory of the run, an empty one; banks: shapes; others: Liberty of cells for other modules, or ""; writes:
    file in `place` that the commands write. Raises RuntimeError if the netlist does not link or nothing is written.
    """
    require_sta()
    views = {
        "cells": without_wires(library.path.read_text(errors="replace", encoding="utf-8")),
        **({"others": others} if others else {}),
    }
    for macro in map(macro_of_shape, sorted(banks)):
        views[macro_name(macro)] = liberty_view(macro_name(macro), macro)
    for name, text in views.items():
        (place / f"{name}.lib").write_text(text, encoding="utf-8")
    (place / "design.v").write_text(verilog, encoding="utf-8")
    script = [
        *(f"read_liberty {place}/{name}.lib" for name in views),
        "set_cmd_units -time ns -capacitance fF",  # not those of the first library
        f"read_verilog {place}/design.v",
        f"link_design {top}",
        *commands,
    ]
    (place / "run.tcl").write_text("\n".join(script), encoding="utf-8")
    text = _sta(place / "run.tcl")
    errors = re.findall(r"^(?:Error|Warning): .*(?:not found|syntax|missing|black box).*$", text, re.MULTILINE)
    if errors or not (place / writes).exists():
        raise RuntimeError(f"OpenSTA could not time {top}: {(errors or [text[-1000:]])[0]}")
    return text


def without_wires(liberty: str) -> str:
    """A Liberty file without its wire load model, which OpenSTA would put on every net."""
    return re.sub(r"(?m)^\s*default_wire_load\s*:.*$", "", liberty)


def _sta(script: Path) -> str:
    """What OpenSTA prints."""
    try:
        done = run_program(["sta", "-no_init", "-no_splash", "-exit", str(script)], limit_s=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"timing took more than {LIMIT_S} s") from None
    return done.stdout + done.stderr
