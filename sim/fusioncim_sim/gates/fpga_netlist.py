"""Simulates the mapped netlist of an FPGA, the one that the bitstream is made from, under Icarus."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fusioncim.build.cache import build_root, filled_once
from fusioncim.fpga.bitstream import Build
from fusioncim.fpga.boards import Board
from fusioncim.fpga.self_check import SelfCheck
from fusioncim_sim.rtl.programs import compile_icarus
from fusioncim_sim.rtl.runner import Program, run
from fusioncim_sim.rtl.simulators import require_icarus

LINE_BITS = 70 * 10
"""Of a line at most: 70 characters, 10 bits each."""
SPARE_CYCLES = 10_000
"""Beyond the limit of the job, for reset and verdict."""
ECP5_CELLS = Path(__file__).with_name("ecp5_cells.v")
"""Models of the cells of which Yosys has none."""


def netlist_shows(board: Board, done: Build, design: SelfCheck) -> dict[str, str]:
    """What a mapped netlist shows from power-up.

    On an iCE40 `serial`, the first line that it sends. On an ECP5, whose netlists are too large to wait for a whole
    line, `light`: passed or failed.
    """
    require_icarus()
    place = done.place.with_name(f"{done.place.name}-netlist")
    with filled_once(place) as scratch:
        if scratch:
            shutil.copyfile(done.place / "netlist.v", scratch / "top.v")
            for name, text in cell_models(board).items():
                (scratch / name).write_text(text, encoding="utf-8")
            compile_icarus(scratch, "top", ("cells.v",))
    ports = {"clk": f"{board.clock_pin}_0__io"}
    case: dict[str, Any] = {"cycles": design.job.limit + SPARE_CYCLES, "ports": ports}
    if board.family == "ice40":
        bench, ports["tx"] = "tells", "uart_0__tx__io"
        case |= {"divisor": design.divisor, "lines": 1}
        case["cycles"] += LINE_BITS * design.divisor
    else:
        bench = "lights"
        ports |= {name: light_port(board, name) for name in ("passed", "failed")}
    with tempfile.TemporaryDirectory(dir=build_root()) as scratch_:
        folder = Path(scratch_)
        case["out"] = "shown.json"
        run(design, "fusioncim_sim.rtl.serial_bench", bench, case, results=folder, program=Program(place, "top"))
        shown = json.loads((folder / "shown.json").read_bytes())
    return {"serial": str(shown["lines"][0]["text"]).strip()} if "lines" in shown else shown


def light_port(board: Board, name: str) -> str:
    """The netlist's port of a light that is a resource of its own."""
    resource, number = board.lights[name][:2]
    return f"{resource}_{number}__io"


def passes(shown: Mapping[str, str]) -> bool:
    """What a netlist shows is that it passed."""
    return "PASS" in shown.get("serial", "") or shown.get("light") == "passed"


def cell_models(board: Board) -> dict[str, str]:
    """Simulation models of the FPGA's cells, cells.v and what it includes: Yosys', and for the ECP5 `ECP5_CELLS`."""
    package = find_spec("pyosys")
    assert package is not None
    assert package.origin is not None
    models = Path(package.origin).parent / "share" / board.family
    if board.family == "ice40":
        # Icarus knows no default values of ports; none is needed, since Yosys connects all.
        return {
            "cells.v": f"`define NO_ICE40_DEFAULT_ASSIGNMENTS\n{(models / 'cells_sim.v').read_text(encoding='utf-8')}"
        }
    # Icarus knows no $error outside of processes.
    included = {
        path.name: path.read_text(encoding="utf-8").replace("$error(", "// $error(") for path in models.glob("*.vh")
    }
    own = ECP5_CELLS.read_text(encoding="utf-8")
    return {**included, "cells.v": f'`include "common_sim.vh"\n`include "ccu2c_sim.vh"\n{own}'}
