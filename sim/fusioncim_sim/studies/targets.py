"""Tables of what was asked and what is reached; every study says its own rows."""

from collections.abc import Iterable

from fusioncim_sim.markdown import markdown

Target = tuple[str, str, str]
"""A figure, what was asked of it, and what was measured."""


def targets_table(rows: Iterable[Target]) -> str:
    """Markdown."""
    return markdown([("figure", "target", "measured"), ("---", "---", "---"), *rows])
