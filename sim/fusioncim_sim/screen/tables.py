"""Plain tables, pairs and numbers for a terminal."""

import math
from collections.abc import Mapping

from rich import box
from rich.table import Table


def cell(value: float | None, form: str) -> str:
    """A number, or - for none."""
    return "-" if value is None else format(value, form)


def significant(value: float, digits: int = 4) -> str:
    """A number to that many significant digits, without an exponent; whole numbers keep all of theirs."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    shown = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{value:,.{max(shown, 0)}f}"


def table(*columns: str) -> Table:
    """A plain table: the first column is text, the others are right-justified but for `meaning`.

    Where the terminal is too narrow, cells go on in the next line: no part of a name or a number is left out.
    """
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for n, column in enumerate(columns):
        left = n == 0 or column == "meaning"
        grid.add_column(column, justify="left" if left else "right", overflow="fold")
    return grid


def pairs(rows: Mapping[str, str]) -> Table:
    """Names and values without rules."""
    grid = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        grid.add_row(name, value)
    return grid
