"""The command line: all commands in one list."""

import importlib.metadata
from typing import Annotated

import typer

from fusioncim_sim.cli import chat, generate, library, measure, physical, quality, simulate, soak, soc, system
from fusioncim_sim.cli.errors import Commands
from fusioncim_sim.cli.verbosity import Quiet, Verbose, set_verbosity, with_verbosity

app = typer.Typer(
    cls=Commands,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Generate, simulate and measure a compute-in-memory attention accelerator.

    Every command has its own --help with an example.

    Example: fusioncim info --preset paper
    """
    set_verbosity(verbose, quiet)
    if version:
        print(importlib.metadata.version("fusioncim"))
    elif context.invoked_subcommand is None:
        print(context.get_help())


for command in (
    generate.info,
    generate.generate,
    library.build_model,
    simulate.simulate,
    soc.soc,
    physical.synth,
    physical.timing,
    physical.power,
    physical.fpga,
    system.evaluate,
    system.explore,
    system.report,
    simulate.capture,
    quality.quality,
    chat.chat,
    simulate.demo,
    soak.soak,
    measure.measure,
):
    app.command()(with_verbosity(command))
