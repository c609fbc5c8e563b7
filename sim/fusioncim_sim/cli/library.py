"""The command that builds the library of a chip."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fusioncim_sim.cli.options import Changes, ConfigFile, Preset, choose_chip

MOST_THREADS = 64


def build_model(
    preset: Preset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Library to write; its name ends in .so.")
    ] = Path("libfusioncim.so"),
    trace: Annotated[
        bool, typer.Option("--trace", help="The library can write a trace of all signals; it runs slower then.")
    ] = False,
    threads: Annotated[int, typer.Option(min=1, max=MOST_THREADS, help="Threads that compute one chip.")] = 1,
) -> None:
    """Compile a chip to a shared library with a C interface; needs Verilator, Clang. Its header is written beside it.

    The chip in it has a memory and a bus: a program lends it memory, writes its registers and lets its clock run.

    Example: fusioncim build-model --preset small -o libfusioncim.so
    """
    from fusioncim.build.c_compiler import require
    from fusioncim.build.workers import run_all

    require("C++", "library")
    from fusioncim_sim.files import write_file
    from fusioncim_sim.library.build import HEADER, build_library, check_output, require_compiler

    chip = choose_chip(preset, config, changes)
    check_output(output)
    require_compiler(trace=trace)
    build = partial(build_library, chip, threads=threads, trace=trace)
    (library,) = run_all({"library": build}, jobs=1, title="build-model").values()
    for path, source in ((output, library), (output.with_name(HEADER.name), HEADER)):
        content = source.read_bytes()
        write_file(path, content)
        print(f"{path}  {len(content):,} bytes")
