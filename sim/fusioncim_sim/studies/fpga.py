"""Bitstreams of all boards: fpga.json, and the pin files of constraints/."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fusioncim.fpga.bitstream import build, figures
from fusioncim.fpga.boards import BOARDS, Board
from fusioncim_golden.errors import InputError
from fusioncim_sim.files import check_json, make_directory, write_file, write_json
from fusioncim_sim.gates.fpga_figures import board_figures, self_check_of
from fusioncim_sim.gates.fpga_netlist import netlist_shows

KEYS = ("boards", "tried")
"""What fpga.json holds."""
TRIED: Mapping[str, Sequence[Mapping[str, int]]] = {
    "icebreaker": ({"rows": 4},),
    "ulx3s": ({"rows": 20, "softmax_lanes": 4},),
}
"""Changes of a board's engine that are built beside it, to see where its limits are."""


def write_fpga(output: Path, _jobs: int) -> None:
    """Build every board's engine and what was tried beside it; write fpga.json, and the pin files of constraints/."""
    path = output / "fpga.json"
    if output.exists():
        check_json(path, KEYS)
    boards, tried = {}, {}
    for name, board in BOARDS.items():
        design = self_check_of(board, board.config, board.tokens, board.clock_mhz)
        done = build(board, design, board.clock_mhz)
        done.require_clock()
        boards[name] = board_figures(board, board.config, board.tokens, done) | netlist_shows(board, done, design)
        tried[name] = [attempt(board, changes) for changes in TRIED[name]]
    make_directory(output)
    write_json(path, {"boards": boards, "tried": tried}, KEYS)
    print(f"wrote {path}")
    for board in BOARDS.values():
        pins = output.parent / "constraints" / board.pin_file
        if pins.parent.exists():
            write_file(pins, board.pins().encode())
            print(f"wrote {pins}")


def attempt(board: Board, changes: Mapping[str, int]) -> dict[str, Any]:
    """An engine that was tried on a board: its figures, or what it lacked."""
    config = board.config.override(**changes)
    try:
        done = build(board, self_check_of(board, config, board.tokens, board.clock_mhz), board.clock_mhz)
    except InputError as error:
        return {"changes": dict(changes), "error": str(error)}
    return {"changes": dict(changes), **figures(done)}
