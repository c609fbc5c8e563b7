"""The cost table: area, power and efficiency of a chip of the published size, beside the paper (cost.json).

Area: every module of the chip is mapped as it is; banks are the memory model's. Energy of an engine: gate-level runs of
engines with 128 columns and few rows (`SIZES`) on captured heads, phase by phase (`events`): streaming takes so much
per cycle of work, a tile so much for its load and its drain, an idle engine so much per cycle. Each of these of a unit
is a + b rows, from the first two sizes, and `deviation_percent` says how well that predicts the last one. What a row
of the OP-CIM takes while streaming depends on the head instead: c + d additions to its O, from the heads of two runs,
with the additions of all heads of a language model (`Additions`). Power is that of an engine which always streams,
with tiles that see `TILE_KEYS` keys, and as many additions as on a text of that length. Energy of the chip around the
engines: gate-level runs with engines as RTL, extrapolated over the number of engines in the same way; accesses of the
global buffer, which engines share, are those of the run with the most of them.

Figures are at the library's corner; `scaled` holds the same by a published method (`asic.scaling`). An operation is
half of an unmasked multiply-accumulate.
"""

from collections.abc import Iterable

from fusioncim_sim.studies.cost.tables import additions_table, cost_part, lengths_table, targets_table, wires_table
from fusioncim_sim.studies.study import Request, Stored, Study, Table


def _measure(request: Request) -> Iterable[tuple[str, Stored]]:
    from fusioncim_sim.studies.cost import measure

    return measure.measure(request)


PAGE, SOURCES = "docs/cost.md", ["cost"]
STUDY = Study(
    files={"cost.json": ("additions", "around", "engine", "events", "scaling", "table")},
    measure=_measure,
    tables=[
        Table(PAGE, "cost", cost_part, SOURCES),
        Table(PAGE, "targets", targets_table, SOURCES),
        Table(PAGE, "additions", additions_table, SOURCES),
        Table(PAGE, "wires", wires_table, SOURCES),
        Table(PAGE, "lengths", lengths_table, SOURCES),
    ],
    show=cost_part,
)
