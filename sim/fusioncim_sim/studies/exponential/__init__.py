"""The published exponential beside that of a softmax lane: area, energy per score, error (exponential.json).

The published one takes eight Taylor steps in half precision (`comparison.taylor_exponential`). A lane looks into a
table and shifts (`comparison.table_exponential`). Both get the same scores of the captured heads.

A table of two precisions is measured, too: a score far below the block's largest takes an entry of a smaller table.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from fusioncim import package as delivery
from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.asic.netlist.mapped_design import Design
from fusioncim.asic.synthesis.synth import synthesize
from fusioncim.asic.timing import analyse
from fusioncim.build.workers import run_all
from fusioncim.comparison.table_exponential import TableExponential
from fusioncim.comparison.taylor_exponential import SEGMENTS, STEPS, TaylorExponential
from fusioncim.integration.ports import ports_of
from fusioncim.package import CLOCK_MHZ
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.exponential.error import quality, worst_error
from fusioncim_sim.studies.exponential.scores import samples, table_inputs, taylor_inputs
from fusioncim_sim.studies.exponential.units import TABLES, TAYLOR, table_weights, taylor_weights
from fusioncim_sim.studies.study import Request, Stored, Study, Table


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Map to the Nangate library, play the scores, and compare outputs."""
    work: dict[str, Callable[[], Any]] = {name: partial(table_figures, name) for name in TABLES}
    work[TAYLOR] = taylor_figures
    done = run_all(work, jobs=request.jobs, title="exponential")
    scores = sum(int(each.seen.sum()) for each in samples())
    yield (
        "exponential.json",
        {
            "library": default_liberty().name,
            "scores": scores,
            "units": {name: done[name] for name in (TAYLOR, *TABLES)},
        },
    )


def table_figures(name: str) -> dict[str, Any]:
    """A lane's exponential."""
    this = TABLES[name]
    unit, inputs = TableExponential(this.config, this.far), table_inputs(samples())
    return mapped(unit, inputs, cycles=1) | {
        "table_bytes": this.bytes,
        "error": worst_error(partial(table_weights, this)),
        "sqnr_db": quality(partial(table_weights, this)),
    }


def taylor_figures() -> dict[str, Any]:
    """The published exponential."""
    return mapped(TaylorExponential(), taylor_inputs(samples()), cycles=STEPS) | {
        "table_bytes": 2 * STEPS * SEGMENTS,
        "error": worst_error(taylor_weights),
        "sqnr_db": quality(taylor_weights),
    }


def mapped(unit: Any, inputs: Mapping[str, Sequence[str]], *, cycles: int) -> dict[str, Any]:
    """Area, energy per score and shortest period; cycles: of a score."""
    from fusioncim_sim.gates.played import PlayedUnit

    library = load(default_liberty())
    design = synthesize(unit, library)
    period = 1e3 / CLOCK_MHZ
    length = len(next(iter(inputs.values())))
    energy = PlayedUnit(unit, design).energy(inputs, period)
    return {
        "um2": round(design.area(), 1),
        "cycles_per_score": cycles,
        "fj_per_score": round(energy.total * cycles / length, 1),
        "shortest_ns": round(shortest_ns(unit, design), 3),
    }


def shortest_ns(unit: Any, design: Design) -> float:
    """Shortest clock period by OpenSTA, wires not counted."""
    names = dict.fromkeys((name for name in unit.signature.members), "a port")
    sdc = delivery.constraints(design.top, ports_of(unit, names), CLOCK_MHZ)
    return analyse(design, sdc, 1e3 / CLOCK_MHZ).shortest_ns


def exponential_table(exponential: Stored) -> str:
    """A row for every unit; area and energy of as many as take a score per cycle."""
    units = exponential["units"]
    rows = [
        (
            "exponential",
            "um2, a unit",
            "cycles per score",
            "um2 for a score per cycle",
            "fJ per score",
            "shortest period, ns",
            "table, bytes",
            "largest error of a weight",
            "SQNR of the heads, dB: worst, mean",
        ),
        ("---", *("---:" for _ in range(8))),
    ]
    for name in (TAYLOR, *TABLES):
        one = units[name]
        cycles = one["cycles_per_score"]
        rows.append(
            (
                name,
                f"{one['um2']:,.0f}",
                f"{cycles}",
                f"{one['um2'] * cycles:,.0f}",
                f"{one['fj_per_score']:,.0f}",
                f"{one['shortest_ns']:.2f}",
                f"{one['table_bytes']:g}",
                f"{one['error']:.2%}",
                f"{one['sqnr_db']['worst']:.1f}, {one['sqnr_db']['mean']:.1f}",
            )
        )
    return markdown(rows)


STUDY = Study(
    files={"exponential.json": ("library", "scores", "units")},
    measure=measure,
    tables=[Table("docs/cost.md", "exponential", exponential_table, ["exponential"])],
    show=exponential_table,
)
