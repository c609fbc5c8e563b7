"""Builds the simulation of a system: its Verilog, the chip's and the core's, compiled with simulation.cpp."""

from pathlib import Path

from fusioncim.build.c_compiler import environment
from fusioncim.build.cache import build_root, filled_once, short_hash
from fusioncim.chip.chip import Chip
from fusioncim.lib.bank import SRAM
from fusioncim.verilog.cached import cached_verilog, without_comments
from fusioncim.verilog.emit import module_name, verilog
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_sim.library import build as library
from fusioncim_sim.rtl.programs import verilate
from fusioncim_sim.soc.memory_map import SHARED
from fusioncim_sim.soc.processor import core_source, core_version
from fusioncim_sim.soc.system import DIVISOR, System

HERE = Path(__file__).parent
SOURCE, RAM = HERE / "simulation.cpp", HERE / "word_ram.v"
MEMORY = library.HERE / "memory.hpp"
MAKE_FLAGS = ("OPT_FAST=-O1", *library.MAKE_FLAGS[1:])
"""For a run of seconds, compiling with more would take longer than it saves."""


def build_simulation(chip: ChipConfig) -> Path:
    """The program that simulates the system of a chip, a file of the build directory."""
    compilers = library.versions()
    tools = [*compilers, core_version(), repr(MAKE_FLAGS)]
    system = System(chip)
    name = module_name(system)
    # What is kept of Verilog is found by the sources of the generator, to which the system does not belong.
    texts = [verilog(system), cached_verilog(Chip(chip))[1], RAM.read_text(encoding="utf-8")]
    # The core comes last: its directives would go for what follows.
    design = "".join(map(without_comments, texts)) + core_source().read_text(encoding="utf-8")
    bank = without_comments(SRAM.read_text(encoding="utf-8"))
    sources = [path.read_text(encoding="utf-8") for path in (SOURCE, MEMORY)]
    place = build_root() / "systems" / f"{name}-{short_hash(design, bank, defines(chip), *sources, *tools)}"
    with filled_once(place) as scratch:
        if scratch:
            (scratch / f"{name}.v").write_text(design, encoding="utf-8")
            (scratch / "chip_config.h").write_text(defines(chip), encoding="utf-8")
            flags = [*library.COMPILER, f"-I{library.HERE}", f"-I{scratch}"]
            options = [*library.OPTIONS, "-CFLAGS", " ".join(flags), "-LDFLAGS", "-pthread"]
            runtime, clang = library.runtime(compilers), environment()
            verilate(scratch, name, "simulation", options, SOURCE, MAKE_FLAGS, runtime, environment=clang)
    return place / "simulation"


def defines(chip: ChipConfig) -> str:
    """What simulation.cpp must know, as C."""
    own = {"SHARED": f"{SHARED}u", "DIVISOR": DIVISOR}
    lines = (f"#define FUSIONCIM_{name} {value}\n" for name, value in own.items())
    return library.defines(chip, threads=1, trace=False) + "".join(lines)
