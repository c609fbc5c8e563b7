"""Runs Yosys in a process of its own."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from fusioncim.build.program import run_program
from fusioncim_golden.errors import InputError

LIMIT_S = 1800
"""A single mapping that takes longer is an error."""


def run_yosys(name: str, commands: Sequence[str], log: Path) -> None:
    """Run commands for the module `name` in the directory of the log.

    Errors: a flip-flop that the library lacks is one of the input; all others are RuntimeError with the end of the log.
    """
    program = f"import pyosys.libyosys as y; d = y.Design(); [y.run_pass(p, d) for p in {list(commands)!r}]"
    with log.open("w", encoding="utf-8") as output:
        try:
            done = run_program([sys.executable, "-c", program], log=output, directory=log.parent, limit_s=LIMIT_S)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"mapping {name} took more than {LIMIT_S} s") from None
    if done.returncode:
        if lacking := re.search(r"cannot be legalized: (.*)", log.read_text(encoding="utf-8")):
            raise InputError(f"the Liberty file must have the flip-flops that {name} needs: {lacking[1]}")
        raise RuntimeError(f"mapping {name} failed: {log.read_text(encoding='utf-8')[-2000:]}")
