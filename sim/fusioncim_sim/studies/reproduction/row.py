"""A published value beside ours, and the table of many."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fusioncim_sim.markdown import markdown

ARTICLE = "article"
"""Where a claim stands that the article about the paper makes, not the paper."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A figure or a claim.

    Members:
        what: the figure
        where: its place in the paper
        published: lowest and highest value, the same if there is one; None without a number
        said: the published value in words
        ours: our value; None if there is none
        unit: of both
        why: the reason of the difference, or why there is no value, in a sentence
        slip: what the paper says of it in another place
    """

    what: str
    where: str
    published: tuple[float, float] | None = None
    said: str = ""
    ours: float | None = None
    unit: str = ""
    why: str
    slip: str = ""

    @property
    def difference(self) -> float | None:
        """From the nearest published value, relative."""
        if self.published is None or self.ours is None:
            return None
        low, high = self.published
        nearest = min(max(self.ours, low), high)
        return self.ours / nearest - 1

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return asdict(self) | {"difference": self.difference}


def rows_table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Published value, ours, difference, and why; rows: as of `Row.as_dict`."""
    found: list[tuple[str, ...]] = [
        ("figure", "where", "published", "ours", "difference", "why"),
        ("---", "---", "---:", "---:", "---:", "---"),
    ]
    for row in rows:
        unit = f" {row['unit']}" if row["unit"] else ""
        ours = "none" if row["ours"] is None else f"{float(format(row['ours'], '.3g')):,g}{unit}"
        difference = "" if row["difference"] is None else f"{row['difference']:+.0%}"
        why = f"{row['why']}; in the paper: {row['slip']}" if row["slip"] else row["why"]
        found.append((row["what"], row["where"], _published(row, unit), ours, difference, why))
    return markdown(found)


def _published(row: Mapping[str, Any], unit: str) -> str:
    if row["said"]:
        return str(row["said"])
    if row["published"] is None:
        return "no number"
    low, high = row["published"]
    return f"{low:.4g}{unit}" if low == high else f"{low:.4g} to {high:.4g}{unit}"
