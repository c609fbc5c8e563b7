"""The command that runs firmware on a system on chip."""

from pathlib import Path
from typing import Annotated

import typer

from fusioncim_golden.errors import InputError
from fusioncim_golden.input_file import read_text
from fusioncim_sim.cli.options import Changes, ConfigFile, JsonOut, Preset, choose_chip
from fusioncim_sim.cli.results import Results


def soc(
    preset: Preset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    head: Annotated[str, typer.Option(metavar="NAME", help="Captured head; it must fit the columns.")] = "sink",
    tokens: Annotated[int, typer.Option(min=1, help="Take only the first tokens of the head.")] = 64,
    firmware: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your own main.c, instead of the one that comes with it.")
    ] = None,
    cycles: Annotated[int, typer.Option(min=1, help="Cycles after which the run is stopped.")] = 100_000_000,
    json_out: JsonOut = None,
) -> None:
    """Run firmware in C on a RISC-V core beside the chip, in simulation, and show what it says on its serial line.

    The firmware computes a captured head with the C driver, once with the interrupt and once by polling. Every output
    bit is compared with the golden model. Exit status 1 if one differs or the firmware fails. Needs Verilator, Clang.

    Example: fusioncim soc --preset small --head sink --tokens 64
    """
    from fusioncim.build.c_compiler import require
    from fusioncim_golden.job import check_groups
    from fusioncim_sim.heads.captured import named
    from fusioncim_sim.soc.firmware import MAIN
    from fusioncim_sim.soc.processor import core_source

    chip = choose_chip(preset, config, changes)
    results = Results(json_out, "config", "head", "text")
    captured = named(head)
    if tokens > len(captured.q):
        raise InputError(f"tokens must be 1 to {len(captured.q)}, the length of the head, not {tokens}")
    operands = captured.first(tokens).quantized(chip.engine)
    check_groups(chip, [operands])
    if firmware:
        read_text("the firmware", firmware)
    core_source()
    require("RISC-V", "soc")
    from fusioncim_sim.library.build import require_compiler
    from fusioncim_sim.screen.soc import soc_page
    from fusioncim_sim.soc.run import run_head

    require_compiler(trace=False)
    run = run_head(chip, head, operands, main=firmware or MAIN, cycles=cycles)
    soc_page(results.console, run)
    results.write(
        {
            "config": chip.as_dict(),
            "head": head,
            "tokens": tokens,
            "text": run.run.text,
            "stopped": run.run.stopped,
            "code": run.run.code,
            "cycles": run.run.cycles,
            "outputs": sum(output.size for output in run.outputs.values()),
            "mismatches": run.mismatches,
        }
    )
    if not run.good:
        raise typer.Exit(1)
