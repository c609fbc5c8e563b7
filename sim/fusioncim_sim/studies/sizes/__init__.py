"""How an engine's energy grows with columns, bits and rank, from arrays of other sizes (sizes.json).

Engines of eight rows are mapped, placed and run at gates, one for every size of `ARRAYS`; that of `paper` is taken from
cost.json. Each event of a unit, of logic, wires and glitches apart, is a sum of forms (`system.size_forms`), whose
weights are made from all arrays. Each array but that of `paper` is also predicted by weights of the others:
`deviation_percent`. Banks follow the memory model. How large the share of the keys is whose blocks are added to O is
counted on captured heads.
"""

from collections.abc import Iterable

from fusioncim_sim.studies.sizes.tables import sizes_table
from fusioncim_sim.studies.study import Request, Stored, Study, Table


def _measure(request: Request) -> Iterable[tuple[str, Stored]]:
    from fusioncim_sim.studies.sizes import measure

    return measure.measure(request)


STUDY = Study(
    files={"sizes.json": ("added", "arrays", "deviation_percent", "parameters", "ranges", "weights")},
    measure=_measure,
    tables=[Table("docs/cost.md", "sizes", sizes_table, ["sizes"])],
    show=sizes_table,
)
