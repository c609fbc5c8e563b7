"""Builds components for a simulator, each once.

A program is found again by what it is compiled from: the Verilog without comments, the bank's Verilog, the simulator
with its version and options, and the signals that a bench may see. Builds appear whole or not at all, so that processes
can share them.
"""

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from amaranth.lib import wiring
from cocotb_tools import config as cocotb_config

from fusioncim.build.cache import build_root, filled_once, short_hash
from fusioncim.lib.bank import SRAM
from fusioncim.verilog.cached import cached_verilog, without_comments
from fusioncim.verilog.emit import used
from fusioncim_sim.rtl.power_up import WATCHED, power_up
from fusioncim_sim.rtl.simulators import SimulationError, call, choose, end_of, require, verilator_program
from fusioncim_sim.rtl.watched_verilog import SRAM as WATCHED_SRAM
from fusioncim_sim.rtl.watched_verilog import watched_verilog

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
COVERAGE_FLAGS = ("--coverage-line", "--coverage-toggle", "--coverage-max-width", "4096")
"""Counts lines, branches and the bits that change, as wide as a signal may be."""
COVERAGE_MAKE_FLAGS = ("OPT_FAST=-O0", "OPT_GLOBAL=-O1")
"""What runs once compiles soon rather than runs fast."""
MAKE_FLAGS = ("OPT_FAST=-O2", "OPT_GLOBAL=-O2", "CFG_CXXFLAGS_PCH_I=-include", f"PYTHON3={sys.executable}")
"""The package's makefile does not know how precompiled headers are included, nor this Python."""


def build(
    component: wiring.Component,
    simulator: str | None = None,
    visible: Sequence[str] = (),
    *,
    coverage: bool = False,
) -> tuple[Path, str]:
    """Program of a component: the directory that holds it and its Verilog, and the name of the top module.

    simulator: see `choose`; under Icarus `power_up` says whether unknowns are watched. visible: signals below the top
    module that a bench uses, as MODULE.SIGNAL, with wildcards; Icarus shows all. coverage: the program tells what of
    the RTL it reached; under Verilator.
    """
    used(component)
    simulator = choose(simulator)
    watches = simulator == "icarus" and power_up() == WATCHED
    name, text = watched_verilog(component) if watches else cached_verilog(component)
    sram = WATCHED_SRAM if watches else SRAM
    flags = (*VERILATOR_FLAGS, *(COVERAGE_FLAGS if coverage else ()))
    make_flags = (*MAKE_FLAGS, *(COVERAGE_MAKE_FLAGS if coverage else ()))
    blocks = () if coverage else BLOCKS
    tools = repr((simulator, require(simulator), flags, make_flags, blocks, str(cocotb_config.libs_dir)))
    signals = repr(tuple(visible) * (simulator == "verilator"))
    text, bank = without_comments(text), without_comments(sram.read_text(encoding="utf-8"))
    place = build_root() / "designs" / f"{name}-{short_hash(text, bank, signals, tools)}"
    with filled_once(place) as scratch:
        if scratch:
            (scratch / f"{name}.v").write_text(text, encoding="utf-8")
            if simulator == "icarus":
                compile_icarus(scratch, name, (str(sram),))
            else:
                library = place.with_name(f"verilator-{short_hash(tools)}")
                compile_verilator(scratch, name, visible, library, flags, make_flags, blocks)
    return place, name


def compile_icarus(place: Path, top: str, others: Sequence[str] = (str(SRAM),)) -> None:
    """Compile TOP.v and other sources in a directory to the program `simulation`."""
    (place / "options").write_text("+timescale+1ns/1ps\n", encoding="utf-8")
    options = ["-g2012", "-f", "options", "-s", top, "-o", "simulation"]
    compile_step(place, ["iverilog", *options, f"{top}.v", *others])


def compile_verilator(
    place: Path,
    top: str,
    visible: Sequence[str],
    library: Path,
    flags: Sequence[str] = VERILATOR_FLAGS,
    make_flags: Sequence[str] = MAKE_FLAGS,
    blocks: Sequence[str] = BLOCKS,
) -> None:
    """Compile TOP.v in a directory to the program `simulation`.

    library, make_flags, blocks: as of `verilate`. flags: of Verilator.
    """
    libraries = cocotb_config.libs_dir
    main = cocotb_config.share_dir / "lib" / "verilator" / "verilator.cpp"
    options = [
        *flags,
        *("-LDFLAGS", f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator -pthread"),
    ]
    verilate(place, top, "simulation", options, main, make_flags, library, visible=visible, blocks=blocks)


def verilate(
    place: Path,
    top: str,
    output: str,
    options: Sequence[str],
    main: Path,
    make_flags: Sequence[str],
    library: Path,
    *,
    visible: Sequence[str] = (),
    blocks: Sequence[str] = BLOCKS,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Compile TOP.v in a directory, and C++ that uses it, to a file of the directory.

    main: the C++. options, make_flags: of Verilator and of its makefile. library: directory of Verilator's own object
    files of these flags, which take longer to compile than a small design. visible: see `build`. blocks: modules that
    are compiled once for all their instances. environment: of the compiler; by default this process' own.
    """
    text = (place / f"{top}.v").read_text(encoding="utf-8")
    blocks = [block for block in blocks if block != top and re.search(rf"^module {block}\b", text, re.MULTILINE)]
    lines = ["`verilator_config", *(f'hier_block -module "{block}"' for block in blocks)]
    for module, signal in (name.split(".") for name in visible):
        lines.append(f'public_flat_rw -module "{module}" -var "{signal}"')
    (place / "options.vlt").write_text("\n".join([*lines, ""]), encoding="utf-8")
    objects = place / "objects"
    objects.mkdir()
    command = [
        *(str(verilator_program()), "--cc", "--exe", "--prefix", "Vtop", "--top-module", top),
        *("-Mdir", "objects", "-o", str(place / output)),
        *(["--hierarchical"] if blocks else []),
        *options,
        *("options.vlt", f"{top}.v", str(SRAM), str(main)),
    ]
    compile_step(place, command)
    with contextlib.suppress(FileNotFoundError):
        shutil.copytree(library, objects, copy_function=shutil.copyfile, dirs_exist_ok=True)
    makefile = "Vtop_hier.mk" if blocks else "Vtop.mk"
    jobs = str(len(os.sched_getaffinity(0)))
    compile_step(place, ["make", "-j", jobs, "-C", "objects", "-f", makefile, *make_flags], environment)
    with filled_once(library) as scratch:
        if scratch:
            for file in objects.glob("verilated*.o"):
                shutil.copyfile(file, scratch / file.name)
    shutil.rmtree(objects)


def compile_step(place: Path, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """Run a step of a build; SimulationError if it fails."""
    log = place / "build.log"
    if call(command, log, directory=place, environment=environment):
        raise SimulationError(f"{Path(command[0]).name} failed\n{end_of(log)}")
