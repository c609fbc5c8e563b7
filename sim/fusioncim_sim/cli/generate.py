"""Commands that show and write a design."""

import json
from pathlib import Path
from typing import Annotated

import typer

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_sim.cli.options import Changes, ConfigFile, Preset, choose_chip, choose_config, page


def info(
    preset: Preset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a configuration, the widths that follow from it, and the presets.

    Examples: fusioncim info; fusioncim info --preset paper --set operand_bits=4 --set softmax_lanes=32 --json
    """
    from fusioncim_sim.screen.config_and_heads import describe, info_page

    chosen = choose_chip(preset, config, changes)
    if as_json:
        print(json.dumps(describe(chosen), indent=2, sort_keys=True))
    else:
        info_page(page(), chosen)


def generate(
    preset: Preset = None,
    config: ConfigFile = None,
    changes: Changes = None,
    engine: Annotated[bool, typer.Option("--engine", help="Write one engine with stream ports, no chip.")] = False,
    output: Annotated[Path | None, typer.Option(help="Directory. Default: build/verilog/ and the preset.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a directory with other or changed files, too.")
    ] = False,
) -> None:
    """Write a chip: Verilog, file list, constraints, FuseSoC core, register map, configuration and manifest.

    Example: fusioncim generate --preset small --set schedule=sink_first --output build/sink
    """
    from fusioncim.package import chip_files, engine_files
    from fusioncim_sim.files import check_directory, write_directory

    chosen = (choose_config if engine else choose_chip)(preset, config, changes)
    output = output or Path("build/verilog") / (config.stem if config else preset or "small")
    if not force:
        check_directory(output)
    files = chip_files(chosen) if isinstance(chosen, ChipConfig) else engine_files(chosen)
    write_directory(output, files, chosen.as_dict())
    for name, content in files.items():
        if Path(name).parent == Path():
            print(f"{output / name}  {len(content):,} bytes")
