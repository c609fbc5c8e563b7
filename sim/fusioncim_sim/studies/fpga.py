"""Bitstreams of all boards: fpga.json, and the pin files of constraints/."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fusioncim.fpga.bitstream import build, figures
from fusioncim.fpga.boards import BOARDS, Board
from fusioncim_golden.errors import InputError
from fusioncim_sim.files import write_file
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table

TRIED: Mapping[str, Sequence[Mapping[str, int]]] = {
    "icebreaker": ({"rows": 4},),
    "ulx3s": ({"rows": 20, "softmax_lanes": 4},),
}
"""Changes of a board's engine that are built beside it, to see where its limits are."""


def measure(_: Request) -> Iterator[tuple[str, Stored]]:
    """Build every board's engine, and what was tried beside it."""
    from fusioncim_sim.gates.fpga_figures import board_figures, self_check_of
    from fusioncim_sim.gates.fpga_netlist import netlist_shows

    boards, tried = {}, {}
    for name, board in BOARDS.items():
        design = self_check_of(board, board.config, board.tokens, board.clock_mhz)
        done = build(board, design, board.clock_mhz)
        done.require_clock()
        boards[name] = board_figures(board, board.config, board.tokens, done) | netlist_shows(board, done, design)
        tried[name] = [attempt(board, changes) for changes in TRIED[name]]
    yield "fpga.json", {"boards": boards, "tried": tried}


def write_pins(directory: Path) -> None:
    """The pin files of constraints/, if that is beside the directory."""
    for board in BOARDS.values():
        pins = directory.parent / "constraints" / board.pin_file
        if pins.parent.exists():
            write_file(pins, board.pins().encode())
            print(f"wrote {pins}")


def attempt(board: Board, changes: Mapping[str, int]) -> dict[str, Any]:
    """An engine that was tried on a board: its figures, or what it lacked."""
    from fusioncim_sim.gates.fpga_figures import self_check_of

    config = board.config.override(**changes)
    try:
        done = build(board, self_check_of(board, config, board.tokens, board.clock_mhz), board.clock_mhz)
    except InputError as error:
        return {"changes": dict(changes), "error": str(error)}
    return {"changes": dict(changes), **figures(done)}


RESOURCES = {
    "logic cells": ("ICESTORM_LC", "TRELLIS_COMB"),
    "block RAM": ("ICESTORM_RAM", "DP16KD"),
    "multipliers": ("ICESTORM_DSP", "MULT18X18D"),
}
"""What the tools call them on the iCE40 and on the ECP5."""


def boards_table(fpga: Stored) -> str:
    """Bitstreams by board."""
    head = ("board", "device", "engine", *RESOURCES, "clock, MHz", "reached", "peak GOPS", "processor time")
    rows = [head, ("---", "---", "---", *("---:" for _ in head[3:]))]
    for name, one in fpga["boards"].items():
        config = one["config"]
        engine = f"{config['rows']} x {config['columns']}, words {config['words']}, rank {config['update_rank']}"
        used = [next(one["used"][kind] for kind in kinds if kind in one["used"]) for kinds in RESOURCES.values()]
        cells = [f"{each['used']:,} of {each['available']:,}" for each in used]
        speed = f"{one['clock_mhz']:g}", f"{one['reached_mhz']:g}", f"{one['peak_gops']:g}"
        rows.append((f"`{name}`", one["device"], engine, *cells, *speed, f"{sum(one['cpu_s'].values()):.0f} s"))
    return markdown(rows)


STUDY = Study(
    files={"fpga.json": ("boards", "tried")},
    measure=measure,
    tables=[Table("docs/fpga.md", "boards", boards_table, ["fpga"])],
    also=write_pins,
)
