"""Engines on FPGA boards: the design of a bitstream, and its netlist simulated."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fusioncim.build.cache import build_root, filled_once
from fusioncim.fpga.bitstream import Build, figures
from fusioncim.fpga.boards import Board
from fusioncim.fpga.self_check import SelfCheck
from fusioncim_golden.config import Config
from fusioncim_golden.schedule import Job
from fusioncim_sim.files import to_json
from fusioncim_sim.gates.stored_job import captured_head, stored_job
from fusioncim_sim.rtl.programs import compile_icarus
from fusioncim_sim.rtl.runner import Program, run
from fusioncim_sim.rtl.simulators import require_icarus

BAUD = 115200
LINE_CYCLES = 70 * 10
"""Bits of a line at most."""
ECP5_CELLS = Path(__file__).with_name("ecp5_cells.v")


def checked(board: Board, config: Config, tokens: int, mhz: float) -> SelfCheck:
    """The engine of a board with a causal job on captured heads; a line per second."""
    heads = captured_head(config, tokens).quantized(config)
    job = stored_job(config, heads, Job(queries=tokens, keys=tokens))
    clock = board.clock(mhz)
    hertz = (clock.output_mhz if clock else mhz) * 1e6
    return SelfCheck(config, job, divisor=round(hertz / BAUD), interval=round(hertz))


def board_figures(board: Board, config: Config, tokens: int, done: Build) -> dict[str, Any]:
    """A build and its engine in numbers; peak_gops: QK^T and PV, two operations per multiply-accumulate."""
    return {
        "board": board.name,
        "device": board.device,
        "config": config.as_dict(),
        "tokens": tokens,
        "peak_gops": round(4 * config.macs_per_cycle * done.mhz / 1e3, 3),
        **figures(done),
    }


def netlist_shows(board: Board, done: Build, design: SelfCheck) -> dict[str, str]:
    """What the mapped netlist, the one that the bitstream is made from, shows under Icarus from power-up.

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
    case: dict[str, Any] = {"cycles": design.job.limit + 10_000, "ports": ports}
    if board.family == "ice40":
        bench, ports["tx"] = "tells", "uart_0__tx__io"
        case |= {"divisor": design.divisor, "lines": 1}
        case["cycles"] += LINE_CYCLES * design.divisor
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


def bitstream_files(board: Board, done: Build, shown: Mapping[str, Any]) -> dict[str, bytes]:
    """What `fusioncim fpga` writes: bitstream, pins, mapped netlist, report of the tools, figures."""
    names = {
        f"fusioncim.{done.suffix}": f"top.{done.suffix}",
        board.pin_file: f"top.{Path(board.pin_file).suffix[1:]}",
        "netlist.v": "netlist.v",
        "nextpnr.log": "top.tim",
    }
    files = {name: (done.place / source).read_bytes() for name, source in names.items()}
    return files | {"report.json": to_json(shown)}
