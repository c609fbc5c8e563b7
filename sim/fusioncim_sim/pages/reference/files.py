"""The files that `fusioncim generate` writes, as Markdown: a table from the documentation of `fusioncim.package`."""

import inspect
import re

import fusioncim.package
from fusioncim_golden.errors import InputError
from fusioncim_sim.pages.reference.cells import cell, table

ROW = re.compile(r"^ {4}([^\s,]+(?:, [^\s,]+)*) +(.*(?:\n {8,}\S.*)*)", re.MULTILINE)
"""A line `    NAMES what they hold`, which may go on below."""


def files() -> str:
    """A row per kind of file."""
    found = ROW.findall(inspect.getdoc(fusioncim.package) or "")
    if not found:
        raise InputError("the documentation of fusioncim.package must have a line per file, not none")
    rows = [(", ".join(f"`{each}`" for each in names.split(", ")), cell(what)) for names, what in found]
    return table(["file", "what is in it"], rows)
