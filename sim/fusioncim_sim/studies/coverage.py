"""What the recorded runs of the tests reach of the plan and of the RTL (coverage.json)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fusioncim_golden.config import check_choice
from fusioncim_golden.errors import InputError
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table, read

TARGETS = {"line": 98, "branch": 98, "toggle": 95}
"""Percent of the points of a kind that are to be reached or left out with a reason."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Read what runs left; a part that is not asked for stays as it is stored."""
    from fusioncim_sim.coverage import record

    for part in request.parts:
        check_choice("part", part, tuple(PARTS))
    if not next(record.records(), None):
        raise InputError(
            f"runs must be recorded first, as make test-coverage does with {record.COVERAGE}=rtl: there are none in "
            f"{record.place()}"
        )
    asked = request.parts or tuple(PARTS)
    stored = {} if set(asked) == set(PARTS) else read(request.output, "coverage")
    yield "coverage.json", {part: told() if part in asked else stored[part] for part, told in PARTS.items()}


def _plan() -> dict[str, Any]:
    """What the runs reach of the plan."""
    from fusioncim_sim.coverage import functional, record

    return {name: section.figures() for name, section in functional.measured(list(record.records())).items()}


def _rtl() -> dict[str, Any]:
    """What the runs reach of the RTL."""
    from fusioncim_sim.coverage import rtl
    from fusioncim_sim.coverage.exclusions import exclusions, reasons, stale

    found, excluded = rtl.reached(), exclusions()
    missed = [point for point, hit in found.points.items() if not hit]
    return {
        "designs": found.designs,
        "runs": found.runs,
        "units": rtl.figures(found, reasons(missed, excluded)),
        "excluded": [vars(one) for one in excluded],
        "stale": [vars(one) for one in stale(found.points, excluded)],
    }


PARTS: Mapping[str, Callable[[], dict[str, Any]]] = {"plan": _plan, "rtl": _rtl}


def plan_table(coverage: Stored) -> str:
    """A row for every part of the plan."""
    rows = [("plan", "points", "reached", "", "left out"), ("---", "---:", "---:", "---:", "---")]
    for name, part in coverage["plan"].items():
        why = "; ".join(f"{count}: {reason}" for reason, count in part["left_out"].items())
        rows.append(
            (name, f"{part['points']:,}", f"{part['reached']:,}", percent(part["reached"], part["points"]), why)
        )
    return markdown(rows)


def rtl_table(coverage: Stored) -> str:
    """A row for every unit, and one for all."""
    kinds = tuple(TARGETS)
    rows = [("unit", "file", *kinds, "left out"), ("---", "---", *("---:" for _ in kinds), "---:")]
    units = coverage["rtl"]["units"]
    for unit, told in units.items():
        rows.append((f"`{unit}`", f"`{told['file']}`", *_row(kinds, [told])))
    rows.append(("**all**", "", *_row(kinds, units.values())))
    return markdown(rows)


def _row(kinds: Iterable[str], units: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    units = list(units)
    parts = []
    for kind in kinds:
        counts = [sum(unit[kind][name] for unit in units) for name in ("points", "reached", "left_out")]
        parts.append(percent(counts[1], counts[0] - counts[2]))
    left_out = sum(unit[kind]["left_out"] for unit in units for kind in kinds)
    return (*parts, f"{left_out:,}" if left_out else "")


def percent(part: int, whole: int) -> str:
    """A share, cut, so that only all of it is 100 %."""
    return f"{1000 * part // whole / 10:.1f} %" if whole else ""


def show(coverage: Stored) -> str:
    """Both tables."""
    return f"{plan_table(coverage)}\n\n{rtl_table(coverage)}"


STUDY = Study(
    files={"coverage.json": ("plan", "rtl")},
    measure=measure,
    tables=[
        Table("docs/coverage.md", "plan", plan_table, ["coverage"]),
        Table("docs/coverage.md", "units", rtl_table, ["coverage"]),
    ],
    show=show,
)
