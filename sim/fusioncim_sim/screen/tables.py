"""Plain tables, pairs and numbers for a terminal."""

from collections.abc import Mapping

from rich import box
from rich.table import Table


def cell(value: float | None, form: str) -> str:
    """A number, or - for none."""
    return "-" if value is None else format(value, form)


def table(*columns: str) -> Table:
    """A plain table: the first column is text, the others are right-justified but for `meaning`."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for n, column in enumerate(columns):
        left = n == 0 or column == "meaning"
        grid.add_column(column, justify="left" if left else "right", no_wrap=column != "meaning")
    return grid


def pairs(rows: Mapping[str, str]) -> Table:
    """Names and values without rules."""
    grid = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        grid.add_row(name, value)
    return grid
