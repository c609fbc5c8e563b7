"""The accelerator ITA of PULP through the flow of the cost table, beside the engine of `paper` (ita.json).

Its RTL (`fusioncim.comparison.ita`) is mapped like an engine, at the same library, voltage and clock. Its dot products
are placed and simulated: a tile of 64 queries sees 128 keys, of a captured head with the operands of the cost table,
and of ITA's own generator of test vectors. Every product is checked, and `model` gives what ITA's own model gives.
"""

from collections.abc import Iterable

from fusioncim_sim.studies.ita.table import ita_part
from fusioncim_sim.studies.study import Request, Stored, Study, Table


def _measure(request: Request) -> Iterable[tuple[str, Stored]]:
    from fusioncim_sim.studies.ita import measure

    return measure.measure(request)


STUDY = Study(
    files={"ita.json": ("area_um2", "commits", "dot_product", "runs", "softmax_sqnr_db")},
    measure=_measure,
    tables=[Table("docs/cost.md", "ita", ita_part, ["cost", "timing", "ita"])],
)
