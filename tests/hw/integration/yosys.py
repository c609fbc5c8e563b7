"""Stands for the program yosys where FuseSoC calls it: the package pyosys is Yosys, but it has no Tcl.

So the script of the target synth is read here, and its commands go to pyosys: yosys -l LOG -p 'tcl SCRIPT'.
"""

import re
import sys
from pathlib import Path


def commands(script):
    """The commands of the script, with what edalize wrote into its file of procedures."""
    procedures = Path("edalize_yosys_procs.tcl").read_text(encoding="utf-8")
    values = dict(re.findall(r"(?m)^set (top|name) (\S+)$", procedures))
    files = re.search(r"proc read_files \{\} \{\n(.*?)\n\}", procedures, re.DOTALL)[1]
    for line in script.read_text(encoding="utf-8").splitlines():
        if line == "read_files":
            yield from (re.sub("[{}]", "", file) for file in files.splitlines())
        elif line and not line.startswith(("#", "source ")) and line != "yosys -import":
            # Without `yosys ` in front, Tcl could find a procedure of edalize of that name, such as synth.
            assert line.startswith("yosys "), line
            yield re.sub(r"\$(\w+)", lambda found: values[found[1]], line.removeprefix("yosys "))


if __name__ == "__main__":
    import pyosys.libyosys as ys

    design = ys.Design()
    for command in commands(Path(sys.argv[-1].removeprefix("tcl "))):
        ys.run_pass(command, design)
