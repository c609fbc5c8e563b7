"""Builds the library of a chip: its Verilog compiled by Verilator and Clang, with the memory and bus of library.cpp.

A library is found again by what it is compiled from, and appears whole or not at all.
"""

import json
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from fusioncim.build.c_compiler import CLANGXX, PACKAGE, environment
from fusioncim.build.c_compiler import require as require_clang
from fusioncim.build.cache import build_root, filled_once, short_hash
from fusioncim.build.program import run_program
from fusioncim.chip.axi import BURST_BEATS, DATA_NONSECURE, INCREMENTING, NORMAL_BUFFERABLE
from fusioncim.chip.chip import Chip
from fusioncim.chip.registers import REGISTER_ADDRESS_BITS
from fusioncim.lib.bank import SRAM
from fusioncim.package import to_toml
from fusioncim.verilog.cached import cached_verilog, without_comments
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.errors import InputError
from fusioncim_sim.files import check_file
from fusioncim_sim.rtl import programs
from fusioncim_sim.rtl.programs import BLOCKS, verilate
from fusioncim_sim.rtl.simulators import verilator_version

LIBRARY = "libfusioncim.so"
HERE = Path(__file__).parent
HEADER = HERE / "fusioncim_model.h"
SOURCE = HERE / "library.cpp"
SOURCES = (HEADER, SOURCE, HERE / "memory.hpp", HERE / "disturbances.hpp", HERE / "exported.map")

OPTIONS = (
    *("--timescale", "1ns/1ns", "-Wno-fatal", "-Wno-lint", "--x-assign", "fast", "--x-initial", "fast"),
    "+define+SYNTHESIS",  # without what only marks words as undefined
)
MAKE_FLAGS = (
    *programs.MAKE_FLAGS,
    *(f"{tool}={shlex.join(CLANGXX)}" for tool in ("CXX", "LINK")),
    f"AR={shlex.join([*PACKAGE, 'ar'])}",
)
"""Clang computes several columns of a row in one instruction: twice as many cycles per second as with g++."""
COMPILER = ("-fPIC", "-fvisibility=hidden", "-std=gnu++17", "-g0")
LINKER = ("-shared", "-s", "-Wl,-Bsymbolic", f"-Wl,--version-script={HERE / 'exported.map'}", "-pthread")
TRACE_HEADERS = "#include <lz4.h>\n#include <zlib.h>\n"


def build_library(chip: ChipConfig, *, threads: int = 1, trace: bool = False) -> Path:
    """The library of a chip, a file of the build directory.

    threads: that evaluate the chip. trace: it can write what its signals do, which costs speed.
    """
    tools = versions(threads=threads, trace=trace)
    name, text = cached_verilog(Chip(chip))
    text, bank = without_comments(text), without_comments(SRAM.read_text(encoding="utf-8"))
    values, sources = defines(chip, threads, trace), [source.read_text(encoding="utf-8") for source in SOURCES]
    parts = [text, bank, values, *sources, *tools]
    place = build_root() / "libraries" / f"{name}-{short_hash(*parts)}"
    with filled_once(place) as scratch:
        if scratch:
            (scratch / f"{name}.v").write_text(text, encoding="utf-8")
            (scratch / "chip_config.h").write_text(values, encoding="utf-8")
            options = [
                *OPTIONS,
                *(["--threads", str(threads)] if threads > 1 else []),
                *(["--trace-fst"] if trace else []),
                *("-CFLAGS", " ".join([*COMPILER, f"-I{HERE}", f"-I{scratch}"])),
                *("-LDFLAGS", " ".join(LINKER)),
            ]
            blocks = () if trace else BLOCKS
            own, clang = runtime(tools), environment()
            verilate(scratch, name, LIBRARY, options, SOURCE, MAKE_FLAGS, own, blocks=blocks, environment=clang)
            shutil.copyfile(HEADER, scratch / HEADER.name)
    return place / LIBRARY


def versions(*, threads: int = 1, trace: bool = False) -> list[str]:
    """What compiles a library, with its options."""
    return [require_compiler(trace=trace), repr((OPTIONS, COMPILER, MAKE_FLAGS, BLOCKS, threads, trace))]


def runtime(tools: Sequence[str]) -> Path:
    """Directory of Verilator's own object files, as of `programs.verilate`; tools: their `versions`."""
    return build_root() / "libraries" / f"verilator-{short_hash(*tools)}"


def require_compiler(*, trace: bool) -> str:
    """Versions of Verilator and of the compiler; without these, or what a trace needs, an error: how to get them."""
    found = f"{verilator_version(('make', 'perl'))}, {require_clang('C++', 'library')}"
    preprocess = [*CLANGXX, "-E", "-x", "c++", "-"]
    if trace and run_program(preprocess, text=TRACE_HEADERS, environment=environment()).returncode:
        raise InputError(
            "a trace needs the headers lz4.h and zlib.h: install what is missing with "
            "'apt-get install liblz4-dev zlib1g-dev'"
        )
    return found


def check_output(path: Path) -> None:
    """Refuse a place where no library can be written, or where something else is that would be lost."""
    if path.suffix != ".so":
        raise InputError(f"the output file must end in .so, not {path}")
    check_file(path, b"fusioncim_model_open")
    check_file(path.with_name(HEADER.name), b"FUSIONCIM_MODEL_H")


def defines(chip: ChipConfig, threads: int, trace: bool) -> str:
    """What library.cpp must know of a chip, as C."""
    values = {
        "BUS_BYTES": chip.bus_bytes,
        "READ_PORTS": chip.read_ports,
        "ADDRESS_BITS": chip.address_bits,
        "REGISTER_ADDRESS_BITS": REGISTER_ADDRESS_BITS,
        "BURST_BEATS": BURST_BEATS,
        "BURST": INCREMENTING,
        "CACHE": NORMAL_BUFFERABLE,
        "PROT": DATA_NONSECURE,
        "THREADS": threads,
        "TRACE": int(trace),
        "CONFIG": json.dumps(to_toml(chip.as_dict())),
    }
    return "".join(f"#define FUSIONCIM_{name} {value}\n" for name, value in values.items())
