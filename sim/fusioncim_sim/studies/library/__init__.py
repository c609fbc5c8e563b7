"""Chips as libraries: how fast they are beside a bench, what building them takes (library.json)."""

from collections.abc import Iterable, Sequence

from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table
from fusioncim_sim.studies.targets import Target, targets_table


def _measure(request: Request) -> Iterable[tuple[str, Stored]]:
    from fusioncim_sim.studies.library import measure

    return measure.measure(request)


def targets(library: Stored) -> Sequence[Target]:
    """What was asked of libraries, and what is reached."""
    return (
        (
            "4 engines of 64 x 64: the library against the bench under Verilator",
            "at least 10 times the cycles per second of a processor",
            f"{library['factor']:.1f} times",
        ),
    )


def library_table(library: Stored) -> str:
    """The target; then speed, first build and memory of every chip."""
    head = ("chip", "runs in", "cycles", "cycles per second", "per second of a processor", "first build", "memory")
    rows = [head, ("---", "---", *["---:"] * (len(head) - 2))]
    for chip, one in library["chips"].items():
        for name, run in one.items():
            build = f"{run['build_seconds']:,.0f} s, {run['build_memory_mb']:,} MB" if "build_seconds" in run else ""
            rates = (f"{run[rate]:,}" for rate in ("cycles_per_second", "cycles_per_processor_second"))
            rows.append((chip, name, f"{run['cycles']:,}", *rates, build, f"{run['memory_mb']:,} MB"))
    return "\n\n".join((targets_table(targets(library)), markdown(rows)))


STUDY = Study(
    files={"library.json": ("chips", "factor")},
    measure=_measure,
    tables=(Table("docs/library.md", "library", library_table, ("library",)),),
    show=library_table,
)
