"""The page of `fusioncim info`: parameters, everything that follows from them, presets."""

import inspect
import re
from typing import Any

from rich.console import Console

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.screen.tables import table


def describe(chip: ChipConfig) -> dict[str, Any]:
    """Parameters, everything that follows from them, and the presets, as JSON data."""
    widths = {name: getattr(holder(chip, name), name) for name in derived()}
    return {
        "parameters": chip.as_dict(),
        "derived": {**widths, "lut": list(chip.engine.lut)},
        "presets": {name: each.as_dict() for name, each in PRESETS.items()},
    }


def holder(chip: ChipConfig, name: str) -> ChipConfig | Config:
    """The part of the configuration that has an attribute: the chip itself or its engine."""
    return chip if hasattr(ChipConfig, name) else chip.engine


def derived() -> dict[str, str]:
    """First sentence about everything that follows from the parameters, by name."""
    members = {
        name: member
        for part in (ChipConfig, Config)
        for name, member in vars(part).items()
        if isinstance(member, property)
    }
    return {name: (inspect.getdoc(member) or "").partition("\n")[0] for name, member in members.items()}


def meanings() -> dict[str, str]:
    """What the configuration's documentation says about each parameter, the chip's own first."""
    found: dict[str, str] = {}
    for part in (ChipConfig, Config):
        text = (inspect.getdoc(part) or "").partition("Members:")[2]
        found |= {
            name: " ".join(rest.split()) for name, rest in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", text, re.M)
        }
    del found["engine"]
    return found


def info_page(console: Console, chip: ChipConfig) -> None:
    """Parameters, the widths that follow from them, and what the presets set."""
    parameters = table("parameter", "value", "meaning")
    values = chip.as_dict()
    for name, meaning in meanings().items():
        parameters.add_row(name, str(values[name]), meaning)
    widths = table("follows", "value", "meaning")
    for name, meaning in derived().items():
        value = getattr(holder(chip, name), name)
        widths.add_row(name, f"{len(value)} entries" if isinstance(value, tuple) else f"{value:g}", meaning)
    presets = table("preset", "meaning")
    defaults = ChipConfig().as_dict()
    for name, each in PRESETS.items():
        changed = {key: value for key, value in each.as_dict().items() if value != defaults[key]}
        presets.add_row(name, ", ".join(f"{key} = {value}" for key, value in changed.items()) or "the defaults")
    console.print(parameters, widths, presets)
