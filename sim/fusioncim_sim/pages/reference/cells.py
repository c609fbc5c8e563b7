"""Text inside of Markdown tables."""

import re
from collections.abc import Iterable, Sequence

from fusioncim_sim.markdown import markdown


def cell(text: str) -> str:
    """Plain text as a cell: what Markdown would take for markup is escaped, but for backticks."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(
        part if part.startswith("`") else re.sub(r"([*_<>\[\]$~])", r"\\\1", part) for part in parts
    ).replace("|", r"\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of text, whose cells are Markdown already."""
    return markdown([head, ["---"] * len(head), *rows])
