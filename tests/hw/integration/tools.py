"""The programs that FuseSoC calls."""

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

LIMIT_S = 60
"""A program that says nothing for longer is not taken."""


@functools.cache
def yosys_with_tcl() -> str | None:
    """The program yosys on the path if it reads Tcl, else None; many builds have none."""
    found = shutil.which("yosys")
    if found is None:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        script = Path(scratch) / "says.tcl"
        script.write_text("puts [expr 6 * 7]\n", encoding="utf-8")
        try:
            done = subprocess.run(
                [found, "-Q", "-T", "-c", script], capture_output=True, encoding="utf-8", timeout=LIMIT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    return found if done.returncode == 0 and "42" in done.stdout.split() else None
