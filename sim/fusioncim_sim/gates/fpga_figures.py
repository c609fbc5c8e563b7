"""What `fusioncim fpga` builds and writes: an engine that checks itself, figures, files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fusioncim.fpga.bitstream import Build, figures
from fusioncim.fpga.boards import Board
from fusioncim.fpga.self_check import SelfCheck
from fusioncim_golden.config import Config
from fusioncim_golden.schedule import Job
from fusioncim_sim.files import to_json
from fusioncim_sim.gates.stored_job import captured_operands, stored_job

BAUD = 115200
"""Of the serial line."""


def self_check_of(board: Board, config: Config, tokens: int, mhz: float) -> SelfCheck:
    """The engine of a board with a causal job on captured heads; a line per second."""
    heads = captured_operands(config, tokens)
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
