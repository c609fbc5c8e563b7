"""Commands that show and write a design."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fusioncim.integration.options import Integration
from fusioncim.verilog.reset import Reset
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_sim.cli.options import (
    Changes,
    ConfigFile,
    JsonOut,
    OneEngine,
    Preset,
    choose_chip,
    choose_chip_or_hint,
    choose_config,
)
from fusioncim_sim.cli.results import Results

FORCE = "--force"


def info(
    preset: Preset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    engine: OneEngine = False,
    json_out: JsonOut = None,
) -> None:
    """Show a configuration, the widths that follow from it, and the presets.

    Examples: fusioncim info; fusioncim info --preset paper --set operand_bits=4 --set softmax_lanes=32 --json -
    """
    from fusioncim_sim.screen.info import describe, info_page

    chosen = choose_config(preset, config, changes) if engine else choose_chip_or_hint(preset, config, changes)
    results = Results(json_out, "parameters", "derived", "presets")
    info_page(results.console, chosen)
    results.write(describe(chosen))


def generate(
    preset: Preset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    engine: Annotated[bool, typer.Option("--engine", help="Write one engine with stream ports, no chip.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Directory. Default: build/verilog/ and the preset.")
    ] = None,
    prefix: Annotated[
        str,
        typer.Option(metavar="NAME", help="Put NAME in front of all names of modules, of symbols in C, and of files."),
    ] = "",
    reset: Annotated[Reset, typer.Option(help="Level and kind of the reset.")] = Reset.ACTIVE_HIGH_SYNC,
    force: Annotated[
        bool, typer.Option(FORCE, help="Write into a directory with other or changed files, too.")
    ] = False,
) -> None:
    """Write a chip: Verilog, bench, constraints, FuseSoC core, IP-XACT, register map, driver, pages and manifest.

    Examples: fusioncim generate --preset tiny --set schedule=sink_first -o build/sink; fusioncim generate --preset tiny
    --engine --prefix npu_ --reset active-low-async -o build/npu
    """
    from fusioncim.build.workers import run_all
    from fusioncim_sim.files import check_directory, write_directory

    chosen = (choose_config if engine else choose_chip)(preset, config, changes)
    integration = Integration(prefix=prefix, reset=reset)
    output = output or Path("build/verilog") / (config.stem if config else preset or "small")
    if not force:
        check_directory(output, FORCE)
    write = partial(files_of, chosen, integration)
    (files,) = run_all({"Verilog": write}, jobs=1, title="generate").values()
    write_directory(output, files, {**chosen.as_dict(), "prefix": prefix, "reset": str(reset)})
    for name, content in files.items():
        if Path(name).parent == Path():
            print(f"{output / name}  {len(content):,} bytes")


def files_of(chosen: ChipConfig | Config, integration: Integration) -> dict[str, bytes]:
    """All files of a chip or an engine, with a bench that runs a small job."""
    from fusioncim.package import chip_files, engine_files
    from fusioncim_sim.rtl.small_job import chip_job, engine_job

    if isinstance(chosen, ChipConfig):
        return chip_files(chosen, integration=integration, job=chip_job(chosen))
    return engine_files(chosen, integration=integration, job=engine_job(chosen))
