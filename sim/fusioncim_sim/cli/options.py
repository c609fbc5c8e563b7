"""Options that several commands have, and what they select."""

import tomllib
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from fusioncim_golden.chip_config import ChipConfig, split
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS, preset, read_toml
from fusioncim_sim.heads.axes import Axes

MOST_JOBS = 1024
"""Processes at a time."""


class Simulator(StrEnum):
    """What computes the heads."""

    icarus = "icarus"
    verilator = "verilator"
    golden = "golden"


def preset_names() -> list[str]:
    """The presets, for the completion of a shell."""
    return list(PRESETS)


Preset = Annotated[
    str | None,
    typer.Option(
        help=f"Preset to start from: {', '.join(PRESETS)}. Default: small.",
        autocompletion=preset_names,
    ),
]
PaperPreset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help=f"Preset to start from: {', '.join(PRESETS)}. Default: paper.",
        autocompletion=preset_names,
    ),
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file of parameters, instead of a preset.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one parameter; may be repeated.")
]
Jobs = Annotated[int | None, typer.Option(min=1, max=MOST_JOBS, help="Processes at a time. Default: one per core.")]
Tokens = Annotated[int | None, typer.Option(min=1, help="Take only the first tokens of every head.")]
Liberty = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Cell library. Default: Nangate 45 nm, of the extra synth.")
]
Node = Annotated[
    int | None,
    typer.Option(
        metavar="NM", min=1, help="Technology of the cells in nm; with --liberty. Only at 45 are banks added to them."
    ),
]
OneEngine = Annotated[bool, typer.Option("--engine", help="One engine with stream ports, no chip.")]
ClockMhz = Annotated[float, typer.Option(help="Clock frequency, 0.001 to 100,000 MHz.")]
WireFfUm = Annotated[
    float | None, typer.Option(help="Capacitance of wires, fF per um; 0.09 to 0.18 in the sources. Default: 0.1.")
]
Processes = Annotated[
    int | None, typer.Option("--jobs", min=1, max=MOST_JOBS, help="Modules mapped at a time. Default: one per core.")
]
JsonOut = Annotated[
    Path | None,
    typer.Option(
        "--json", metavar="FILE", help="Write the results as JSON; - is the standard output, without the tables."
    ),
]
Model = Annotated[
    str, typer.Option(help="smollm2 (from its pip package), a Hugging Face directory, or a GGUF file; float32.")
]
Text = Annotated[Path | None, typer.Option(metavar="FILE", help="Text to read. Default: chapters of Moby-Dick.")]
Names = Annotated[list[str] | None, typer.Option("--head", metavar="NAME", help="Run this head only; may be repeated.")]
HEADS = ".npz, .safetensors, .pt, or .npy for each of q, k, v: arrays q, k, v or NAME_q, NAME_k, NAME_v"
"""Files of heads."""
AxesOption = Annotated[
    Axes | None,
    typer.Option("--axes", help="Order of the axes of arrays with heads. Default: heads first; they must be fewer."),
]


UNLIMITED = 10_000
"""Columns; more than every table has."""


def choose(name: str | None, file: Path | None, changes: list[str] | None) -> tuple[str, dict[str, Any]]:
    """The preset and the values that the three options select."""
    if name is not None and file is not None:
        raise InputError("only one of --preset and --config may be given (the file may name a preset itself)")
    values = {} if file is None else read_toml(file)
    name = values.pop("preset", name or "small")
    for change in changes or []:
        key, equals, value = change.partition("=")
        if not equals:
            raise InputError(f"--set must be KEY=VALUE, not {change}")
        values[key.strip()] = parse_value(value.strip())
    return name, values


def choose_chip(name: str | None, file: Path | None, changes: list[str] | None) -> ChipConfig:
    """The chip that the three options select."""
    start, values = choose(name, file, changes)
    return preset(start).override(**values)


def choose_config(name: str | None, file: Path | None, changes: list[str] | None) -> Config:
    """The engine that the three options select, as it works alone; what they say about the chip does not matter."""
    start, values = choose(name, file, changes)
    return preset(start).alone().override(**split(values)[1])


def choose_chip_or_hint(name: str | None, file: Path | None, changes: list[str] | None) -> ChipConfig:
    """As `choose_chip`; what no chip can have, but an engine alone can, is refused with the option that shows it."""
    try:
        return choose_chip(name, file, changes)
    except InputError as error:
        _, values = choose(name, file, changes)
        try:
            choose_config(name, file, changes)
        except InputError:
            raise error from None
        if split(values)[0]:
            raise
        raise InputError(f"{error} (an engine alone may be so: --engine)") from None


def refuse(rule: str, **options: object) -> None:
    """Refuse the first of these options that was given; rule: what goes for them."""
    for name, value in options.items():
        if value is not None:
            raise InputError(f"--{name.replace('_', '-')} {value} {rule}")


def given(context: typer.Context, name: str) -> object:
    """What the command line says of a parameter; None if it says nothing."""
    source = context.get_parameter_source(name)
    return context.params[name] if source is not None and source.name == "COMMANDLINE" else None


def parse_value(text: str) -> object:
    """A TOML value; what is none is a string, so that names need no quotes."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text


def page(*, quiet: bool = False) -> Console:
    """The standard output: as wide as the terminal. Into a pipe or a file nothing is cut. Text is printed as it is."""
    console = partial(Console, highlight=False, markup=False, emoji=False, quiet=quiet)
    return console() if console().is_terminal else console(width=UNLIMITED)
