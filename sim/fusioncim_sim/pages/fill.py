"""The tables of the documentation, from the stored figures.

A table stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`; `fusioncim measure tables` writes all of them
again, and the tests hold them to measurements/*.json.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fusioncim_golden.errors import InputError
from fusioncim_sim.studies.quality_summary import (
    alone_table,
    candidates_table,
    default_table,
    layers_table,
    moves_table,
    operands_table,
    speed_table,
    targets_table,
)
from fusioncim_sim.studies.reproduction import reproduction_table
from fusioncim_sim.studies.sensitivity import sensitivity_table, turns_table
from fusioncim_sim.studies.summary import additions, bank_rows, boards, choice_rows, clocks, costs, summary, targets
from fusioncim_sim.studies.system import ablation_table, baseline_table, system_table
from fusioncim_sim.system.published import published_table

Table = Callable[[Path], str]
"""Makes a table from the directory of the JSON files."""


def _of(name: str, table: Callable[[Any], str]) -> Table:
    """A table of one JSON file."""
    return lambda directory: table(json.loads((directory / f"{name}.json").read_bytes()))


TABLES: Mapping[str, Mapping[str, Table]] = {
    "docs/measured.md": {"measured": summary, "quality": targets_table},
    "docs/cost.md": {
        "cost": _of("cost", costs),
        "targets": _of("cost", targets),
        "additions": _of("cost", additions),
        "clocks": _of("timing", clocks),
    },
    "docs/decisions.md": {
        **{
            name: _of("choices", partial(choice_rows, name=name))
            for name in ("update_rank", "flush", "probability_bits", "accumulator_bits", "slack")
        },
        "banks": _of("banks", bank_rows),
    },
    "docs/quality.md": {
        "default": default_table,
        "speed": _of("quality", speed_table),
        "operands": _of("quality", operands_table),
        "alone": alone_table,
        "candidates": candidates_table,
        "moves": moves_table,
        "layers": _of("quality", layers_table),
    },
    "docs/fpga.md": {"boards": _of("fpga", boards)},
    "docs/system.md": {
        "system": _of("system", system_table),
        "baselines": _of("system", baseline_table),
        "published": lambda _: published_table(),
        "ablation": _of("system", ablation_table),
        "reproduction": _of("reproduction", reproduction_table),
        "sensitivity": _of("sensitivity", lambda data: f"{sensitivity_table(data)}\n\n{turns_table(data)}"),
    },
}
"""By file and name."""


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
    """Fill the pages of the repository that the directory `measurements` is in."""
    for file, tables in TABLES.items():
        path = measurements.parent / file
        if not path.exists():
            raise InputError(f"the pages must be beside the directory of the JSON files, but there is no {path}")
        path.write_text(filled(path.read_text(encoding="utf-8"), tables, measurements), encoding="utf-8")
        print(f"wrote {path}")
