"""The accelerator ITA of PULP through the flow of the cost table, beside the engine of `paper` (ita.json).

Its RTL (`fusioncim.comparison.ita`) is mapped and simulated like an engine, at the same library, voltage and clock. Its
dot products and its softmax are placed, each alone. A tile of 64 queries sees 128 keys: of a captured head, with the
operands of the cost table, and, on the dot products alone, of ITA's own generator of test vectors. Every output is
compared with `model`, and that with ITA's own model.
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
