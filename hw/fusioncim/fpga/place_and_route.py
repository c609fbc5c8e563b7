"""nextpnr and the packers: placing and routing a mapped design, with the reason where it does not fit.

They come as YoWASP packages through pip.
"""

import re
import subprocess
import sys
from pathlib import Path

from fusioncim.build.program import run_program
from fusioncim.fpga.boards import Board
from fusioncim_golden.errors import InputError

LIMIT_S = 4 * 3600
"""Place and route that takes longer is ended."""
SEED = 1
"""Of the placement: the same input gives the same bitstream."""


def route_options(mhz: float) -> list[str]:
    """Options of nextpnr beside those of the board."""
    return ["--freq", repr(mhz), "--seed", str(SEED), "--report", "report.json", "--timing-allow-fail"]


def place_and_route(board: Board, package: str, place: Path, command: list[str]) -> None:
    """Run nextpnr, a command of a YoWASP package; what the FPGA lacks is an error of the input."""
    try:
        run_tool(package, command, place, "top.out")
    except RuntimeError as error:
        log = (place / "top.tim").read_text(encoding="utf-8") if (place / "top.tim").exists() else ""
        cells = utilization(log)
        lacking = [f"{used} {kind} of {there}" for kind, used, there in cells if used > there]
        if lacking:
            raise InputError(
                f"the engine must fit the {board.device}, not so: it needs {', '.join(lacking)}"
            ) from error
        if reason := re.search(r"^ERROR: (.*)", log, re.MULTILINE):
            fullest = sorted(cells, key=lambda each: each[1] / max(each[2], 1))[-1:]
            size = "".join(f"with {used} {kind} of {there} " for kind, used, there in fullest)
            raise InputError(f"the engine must fit the {board.device}; {size}nextpnr says: {reason[1]}") from error
        raise


def utilization(log: str) -> list[tuple[str, int, int]]:
    """Cells by kind in nextpnr's log: used and available."""
    return [
        (kind, int(used), int(there))
        for kind, used, there in re.findall(r"^Info:\s+(\w+): +(\d+)/ *(\d+) ", log, re.MULTILINE)
    ]


def run_tool(package: str, command: list[str], place: Path, log: str) -> None:
    """Run a program of a YoWASP package in a directory; what it prints goes to a file there."""
    name, *arguments = command
    program = f"import sys, {package} as package; sys.exit(package.run_{name.replace('-', '_')}(sys.argv[1:]))"
    with (place / log).open("w", encoding="utf-8") as output:
        try:
            command = [sys.executable, "-c", program, *arguments]
            done = run_program(command, log=output, directory=place, limit_s=LIMIT_S)
        except subprocess.TimeoutExpired:
            raise InputError(f"{name} must end within {LIMIT_S} s: make the engine smaller") from None
    if done.returncode:
        raise RuntimeError(f"{name} failed: {(place / log).read_text(encoding='utf-8')[-2000:]}")
