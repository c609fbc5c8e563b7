"""The paper's tables, figures and claims: published value, ours, difference, and why (reproduction.json).

Published are the values of arXiv:2604.25317: Table I (components), Table II (efficiency), and what its text and figures
say of latency, energy, traffic and rescales on LLaMA-3-8B; and claims of the article about it. Ours follow from the
stored measurements, on the same chip at 28 nm and 0.9 V.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fusioncim_sim.studies.reproduction.claims import claim_rows
from fusioncim_sim.studies.reproduction.components import component_rows
from fusioncim_sim.studies.reproduction.curves import curves_table
from fusioncim_sim.studies.reproduction.headlines import LENGTHS, headline_rows
from fusioncim_sim.studies.reproduction.rescale_curve import rescale_curve, rescale_table
from fusioncim_sim.studies.reproduction.row import Row, rows_table
from fusioncim_sim.studies.reproduction.traffic_split import split_table, traffic_split
from fusioncim_sim.studies.study import Request, Stored, Study, Table, read

SOURCES = ("cost", "rescales", "system", "quality", "exponential")
"""Measurements that the rows follow from."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Remake everything."""
    sources = {name: read(request.output, name) for name in SOURCES}
    rescales = rescale_curve(sources["quality"], request.jobs)
    yield "reproduction.json", {**made(**sources), "rescales": rescales}


def made(cost: Stored, rescales: Stored, system: Stored, quality: Stored, exponential: Stored) -> Mapping[str, Any]:
    """All rows from the stored measurements, and what the bytes of the designs are."""
    layers = {tokens: system["baselines"][str(tokens)] for tokens in LENGTHS}
    split = traffic_split(system["baselines"])
    figures = [*component_rows(cost), *headline_rows(rescales, layers, quality)]
    claims = claim_rows(cost, rescales, system, exponential, split)
    return {"rows": _stored(figures), "claims": _stored(claims), "split": split}


def _stored(rows: list[Row]) -> list[dict[str, Any]]:
    return [row.as_dict() for row in rows]


def reproduction_table(reproduction: Stored) -> str:
    """Figures."""
    return rows_table(reproduction["rows"])


def claims_table(reproduction: Stored) -> str:
    """Claims."""
    return rows_table(reproduction["claims"])


def both_tables(reproduction: Stored) -> str:
    """Figures, then claims."""
    return f"{reproduction_table(reproduction)}\n\n{claims_table(reproduction)}"


PAGE = "docs/system.md"
STUDY = Study(
    files={"reproduction.json": ("rows", "claims", "split", "rescales")},
    measure=measure,
    tables=[
        Table(PAGE, "reproduction", reproduction_table, ["reproduction"]),
        Table(PAGE, "claims", claims_table, ["reproduction"]),
        Table(PAGE, "split", split_table, ["reproduction"]),
        Table(PAGE, "curves", curves_table, ["system"]),
        Table(PAGE, "rescale_curve", rescale_table, ["reproduction"]),
    ],
    show=both_tables,
)
