"""The page of `fusioncim info`: parameters, everything that follows from them, presets."""

import inspect
import re
from typing import Any

from rich.console import Console

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.screen.tables import table


def describe(design: ChipConfig | Config) -> dict[str, Any]:
    """Parameters, all that follows from them, and the presets, as JSON data; of a chip, or of an engine alone."""
    widths = {name: getattr(holder(design, name), name) for name in derived(design)}
    return {
        "parameters": design.as_dict(),
        "derived": {**widths, "lut": list(engine_of(design).lut)},
        "presets": {name: like(design, each).as_dict() for name, each in PRESETS.items()},
    }


def engine_of(design: ChipConfig | Config) -> Config:
    """The engine of a chip, or the engine itself."""
    return design.engine if isinstance(design, ChipConfig) else design


def like(design: ChipConfig | Config, chip: ChipConfig) -> ChipConfig | Config:
    """The chip, or its engine alone if the design is one."""
    return chip if isinstance(design, ChipConfig) else chip.alone()


def parts(design: ChipConfig | Config) -> tuple[type[ChipConfig | Config], ...]:
    """What has the parameters of the design, the chip first."""
    return (ChipConfig, Config) if isinstance(design, ChipConfig) else (Config,)


def holder(design: ChipConfig | Config, name: str) -> ChipConfig | Config:
    """The part of the configuration that has an attribute: the chip itself or its engine."""
    return design if hasattr(type(design), name) else engine_of(design)


def derived(design: ChipConfig | Config) -> dict[str, str]:
    """First sentence about everything that follows from the parameters, by name."""
    members = {
        name: member for part in parts(design) for name, member in vars(part).items() if isinstance(member, property)
    }
    return {name: (inspect.getdoc(member) or "").partition("\n")[0] for name, member in members.items()}


def meanings(design: ChipConfig | Config) -> dict[str, str]:
    """What the configuration's documentation says about each parameter, the chip's own first."""
    found: dict[str, str] = {}
    for part in parts(design):
        text = (inspect.getdoc(part) or "").partition("Members:")[2]
        found |= {
            name: " ".join(rest.split()) for name, rest in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", text, re.M)
        }
    found.pop("engine", None)
    return found


def info_page(console: Console, design: ChipConfig | Config) -> None:
    """Parameters, the widths that follow from them, and what the presets set."""
    parameters = table("parameter", "value", "meaning")
    values = design.as_dict()
    for name, meaning in meanings(design).items():
        parameters.add_row(name, str(values[name]), meaning)
    widths = table("follows", "value", "meaning")
    for name, meaning in derived(design).items():
        value = getattr(holder(design, name), name)
        widths.add_row(name, f"{len(value)} entries" if isinstance(value, tuple) else f"{value:g}", meaning)
    presets = table("preset", "meaning")
    defaults = like(design, ChipConfig()).as_dict()
    for name, each in PRESETS.items():
        changed = {key: value for key, value in like(design, each).as_dict().items() if value != defaults[key]}
        presets.add_row(name, ", ".join(f"{key} = {value}" for key, value in changed.items()) or "the defaults")
    console.print(parameters, widths, presets)
