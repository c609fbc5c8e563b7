"""What ends a command: every error in what the user gave is one line, `error: ...`, and exit status 2."""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from fusioncim_golden.errors import InputError

OPTIONAL = {
    "cocotb": "sim",
    "cocotb_tools": "sim",
    "liberty": "synth",
    "pyosys": "synth",
    "torch": "llm",
    "transformers": "llm",
    "distributed": "explore",
    "amaranth_boards": "fpga",
}
"""Extra that brings a package which the default install leaves out."""


class Commands(TyperGroup):
    """Turns errors of the user's input into one line and an exit status; everything else keeps its traceback."""

    def main(self, *args: Any, **extra: Any) -> Any:
        try:
            status = super().main(*args, **{**extra, "standalone_mode": False})
        except typer.TyperException as error:
            fail(error.format_message())
        except InputError as error:
            fail(str(error))
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in OPTIONAL:
                raise
            fail(
                f"the Python package {package} is missing: install it with pip install 'fusioncim[{OPTIONAL[package]}]'"
            )
        sys.exit(status if isinstance(status, int) else 0)


def fail(message: str) -> None:
    """End with a message on one line."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
