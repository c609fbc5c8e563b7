"""Commands that show and write a design."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_sim.cli.options import Changes, ConfigFile, JsonOut, Preset, choose_chip, choose_config
from fusioncim_sim.cli.results import Results


def info(
    preset: Preset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    json_out: JsonOut = None,
) -> None:
    """Show a configuration, the widths that follow from it, and the presets.

    Examples: fusioncim info; fusioncim info --preset paper --set operand_bits=4 --set softmax_lanes=32 --json -
    """
    from fusioncim_sim.screen.info import describe, info_page

    chosen = choose_chip(preset, config, changes)
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
    force: Annotated[
        bool, typer.Option("--force", help="Write into a directory with other or changed files, too.")
    ] = False,
) -> None:
    """Write a chip: Verilog, file list, constraints, FuseSoC core, register map, configuration and manifest.

    Example: fusioncim generate --preset tiny --set schedule=sink_first -o build/sink
    """
    from fusioncim.build.workers import run_all
    from fusioncim.package import chip_files, engine_files
    from fusioncim_sim.files import check_directory, write_directory

    chosen = (choose_config if engine else choose_chip)(preset, config, changes)
    output = output or Path("build/verilog") / (config.stem if config else preset or "small")
    if not force:
        check_directory(output)
    write = partial(chip_files, chosen) if isinstance(chosen, ChipConfig) else partial(engine_files, chosen)
    (files,) = run_all({"Verilog": write}, jobs=1, title="generate").values()
    write_directory(output, files, chosen.as_dict())
    for name, content in files.items():
        if Path(name).parent == Path():
            print(f"{output / name}  {len(content):,} bytes")
