"""Results as tables for a terminal."""

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.heads.judge import HeadResult


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


def heads_table(config: Config, results: Sequence[HeadResult]) -> Table:
    """One row per head: the RTL's bits and speed, the error against float, rescales here and of exact softmax."""
    grid = table(
        *("head", "tokens", "bit-exact\noutputs", "cycles", "per vector\nand word", "MAC utili-\nzation"),
        *("SQNR\ndB", "error\nLSB of V", "rescales\n+ halvings", "exact\nin order"),
    )
    for result in results:
        grid.add_row(
            result.name,
            f"{result.queries}" if result.queries == result.keys else f"{result.queries} x {result.keys}",
            exactness(config, result),
            *(cell(result.cycles, ","), cell(result.cycles_per_vector, ".2f"), cell(result.utilization, ".1%")),
            *(cell(result.sqnr_db, ".1f"), cell(result.max_error_lsb, ".2f")),
            *(f"{result.rescales:,} + {result.halvings:,}", cell(result.rescales_in_order_exact, ",")),
        )
    return grid


def exactness(config: Config, result: HeadResult) -> str:
    """How many outputs of the RTL are the golden model's; - without RTL."""
    outputs = result.queries * config.columns
    if result.mismatches is None:
        return "-"
    return f"NO, {result.mismatches:,} of {outputs:,} differ" if result.mismatches else f"all {outputs:,}"


def cell(value: float | None, form: str) -> str:
    """A number, or - for none."""
    return "-" if value is None else format(value, form)


def table(*columns: str) -> Table:
    """A plain table: the first column is text, the others are right-justified but for `meaning`."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for n, column in enumerate(columns):
        left = n == 0 or column == "meaning"
        grid.add_column(column, justify="left" if left else "right", no_wrap=column != "meaning")
    return grid


def pairs(rows: Mapping[str, str]) -> Table:
    """Names and values without rules."""
    grid = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        grid.add_row(name, value)
    return grid
