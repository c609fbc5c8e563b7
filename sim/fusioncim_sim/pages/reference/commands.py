"""Every command with its arguments and options, as Markdown."""

import inspect
import re
from typing import Any

from typer import Context
from typer.main import get_command

from fusioncim_sim.cli.app import app
from fusioncim_sim.pages.reference.cells import cell, table

EXAMPLES = re.compile(r"^Examples?: (.*)", re.DOTALL | re.MULTILINE)
"""Where the help of a command shows how it is called; the calls end with semicolons."""


def every_command() -> dict[str, Any]:
    """The commands by name, in the order of `fusioncim --help`."""
    found: dict[str, Any] = vars(get_command(app))["commands"]
    return found


def commands() -> str:
    """A section per command."""
    return "\n".join(section(name, each) for name, each in every_command().items())


def section(name: str, command: Any) -> str:
    """What a command does, how it is called, what it takes."""
    context = Context(command, info_name=f"fusioncim {name}")
    words = inspect.cleandoc(command.help or "").replace("\\[", "[")
    calls = [" ".join(each.split()) for found in EXAMPLES.findall(words) for each in found.split(";")]
    records = [record for each in command.get_params(context) if (record := each.get_help_record(context))]
    rows = [(f"`{names}`".replace("|", r"\|"), cell(what.replace("\\[", "["))) for names, what in records]
    parts = [
        f"## `fusioncim {name}`",
        "\n\n".join(cell(each) for each in EXAMPLES.sub("", words).strip().split("\n\n")),
        "\n".join(["```sh", *calls, "```"]) if calls else "",
        table(["takes", "what it does"], rows),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
