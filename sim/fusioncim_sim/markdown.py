"""Tables in Markdown."""

from collections.abc import Sequence


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table from its rows, the second of which sets the alignment."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
