"""The tables and pictures of the documentation, from the stored figures.

A table stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`; `fusioncim measure tables` writes all of them
again, and the tests hold them to measurements/*.json.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from fusioncim_golden.errors import InputError
from fusioncim_sim.pages.pictures import write_pictures
from fusioncim_sim.studies.registry import pages

Table = Callable[[Path], str]
"""Makes a table from the directory of the JSON files."""
TABLES: Mapping[str, Mapping[str, Table]] = pages()
"""By page and mark."""


def filled(text: str, tables: Mapping[str, Table], measurements: Path) -> str:
    """A page with its tables made from the stored figures."""
    for name, table in tables.items():
        marks = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, begin, rest = text.partition(marks[0])
        _, end, after = rest.partition(marks[1])
        if not (begin and end):
            raise InputError(f"the page must have the lines <!-- {name}: begin --> and <!-- {name}: end -->")
        text = f"{before}{begin}{table(measurements)}\n{end}{after}"
    return text


def marked(text: str) -> set[str]:
    """Names of the tables of a page."""
    return set(re.findall(r"<!-- (\w+): begin -->", text))


def write_tables(measurements: Path) -> None:
    """Fill the pages of the repository that the directory `measurements` is in, and draw their pictures."""
    for file, tables in TABLES.items():
        path = measurements.parent / file
        if not path.exists():
            raise InputError(f"the pages must be beside the directory of the JSON files, but there is no {path}")
        path.write_text(filled(path.read_text(encoding="utf-8"), tables, measurements), encoding="utf-8")
        print(f"wrote {path}")
    write_pictures(measurements)
