"""Which faults of the RTL and of the golden model the tests miss (mutants.json).

What did not change since it was measured is not measured again: a measurement that was stopped goes on.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fusioncim.build.workers import Workers
from fusioncim_golden.config import check_choice
from fusioncim_golden.errors import InputError
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.coverage import percent
from fusioncim_sim.studies.study import Request, Stored, Study, Table, read

LOG = logging.getLogger(__name__)

RTL, GOLDEN = "rtl", "golden"
FAULTS = {RTL: 40, GOLDEN: 6}
"""Of a unit of the RTL, of a module of the golden model."""
SEED = 1


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Put faults into the units, as many at a time as there are jobs."""
    tests = Path(__file__).parents[3] / "tests"
    if not tests.is_dir():
        raise InputError(f"faults must be measured in a checkout, which has tests, not so for {tests}")
    work = _work(tests)
    for part in request.parts:
        check_choice("part", part, (*work, *(_label(kind, name) for kind, units in work.items() for name in units)))
    stored = read(request.output, "mutants") if (request.output / "mutants.json").exists() else {}
    found = {part: dict(stored.get(part, {})) for part in work}
    stale = {}
    for part, units in work.items():
        for name, (key, score) in units.items():
            asked = not request.parts or {part, _label(part, name)} & set(request.parts)
            if asked and found[part].get(name, {}).get("key") != (now := key()):
                stale[_label(part, name)] = (part, name, now, score)
    with Workers(request.jobs) as workers:
        for label, told in workers.finished({label: score for label, (*_, score) in stale.items()}):
            part, name, now, _ = stale[label]
            found[part][name] = {"key": now, **told}
            LOG.info(
                "%s: %d faults, %d found, %d missed", label, told["faults"], told["killed"], len(told["survivors"])
            )
            yield "mutants.json", found


def _label(part: str, name: str) -> str:
    """What a unit is called: golden.ip_cim, and in the RTL ip_cim."""
    return name if part == RTL else f"{part}.{name}"


def _work(tests: Path) -> Mapping[str, Mapping[str, tuple[Callable[[], str], Callable[[], dict[str, Any]]]]]:
    """The key and the score of every unit, by part and name."""
    from fusioncim_sim.mutation import golden_score, unit_score
    from fusioncim_sim.mutation.units import UNITS

    how = {part: {"count": count, "seed": SEED} for part, count in FAULTS.items()}
    rtl = {
        name: (
            partial(unit_score.key, tests / "hw" / test, **how[RTL]),
            partial(unit_score.score, tests / "hw" / test, name, UNITS.keys() - {name}, **how[RTL]),
        )
        for name, test in UNITS.items()
    }
    golden = {
        name: (
            partial(golden_score.key, name, tests / GOLDEN, **how[GOLDEN]),
            partial(golden_score.score, name, tests / GOLDEN, **how[GOLDEN]),
        )
        for name in golden_score.modules()
    }
    return {RTL: rtl, GOLDEN: golden}


def units_table(mutants: Stored) -> str:
    """A row for every unit of the RTL, and one for all."""
    rows: list[tuple[str, ...]] = [
        ("unit", "file", "faults", "found", "equivalent", "missed", "found of those that change anything")
    ]
    rows.append(("---", "---", *("---:" for _ in rows[0][2:])))
    for name, told in mutants[RTL].items():
        rows.append((f"`{name}`", f"`{told['file']}`", *_counts([told])))
    rows.append(("**all**", "", *_counts(mutants[RTL].values())))
    return markdown(rows)


def golden_table(mutants: Stored) -> str:
    """A row for every module of the golden model, and one for all."""
    rows: list[tuple[str, ...]] = [("module", "possible", "faults", "found", "missed", "found of all")]
    rows.append(("---", *("---:" for _ in rows[0][1:])))
    for name, told in mutants[GOLDEN].items():
        rows.append((f"`{name}`", f"{told['possible']:,}", *_counts([told], equivalent=False)))
    possible = sum(told["possible"] for told in mutants[GOLDEN].values())
    rows.append(("**all**", f"{possible:,}", *_counts(mutants[GOLDEN].values(), equivalent=False)))
    return markdown(rows)


def _counts(units: Iterable[Stored], *, equivalent: bool = True) -> tuple[str, ...]:
    """Faults, those found, those equivalent, those missed, and the share."""
    units = list(units)
    faults, killed = (sum(told[name] for told in units) for name in ("faults", "killed"))
    same, missed = (sum(len(told.get(name, ())) for told in units) for name in ("equivalent", "survivors"))
    return (
        *(f"{faults:,}", f"{killed:,}"),
        *((f"{same:,}",) if equivalent else ()),
        *(f"{missed:,}", percent(killed, faults - same)),
    )


def missed_table(mutants: Stored) -> str:
    """A row for every fault that is missed."""
    rows = [("unit", "line", "fault", "another output is"), ("---", "---", "---", "---")]
    rows += [_rtl_row(name, told["file"], one) for name, told in mutants[RTL].items() for one in told["survivors"]]
    rows += [
        (f"golden `{name}`", f"{told['file']}:{one['line']}", f"`{one['new']}` for `{one['old']}`", "")
        for name, told in mutants[GOLDEN].items()
        for one in told["survivors"]
    ]
    return markdown(rows)


def _rtl_row(unit: str, file: str, one: Stored) -> tuple[str, str, str, str]:
    fault = f"{one['mode']} at `{one['module']}`, `{one['cell']}.{one['port']}[{one['bit']}]`"
    return f"`{unit}`", one["place"] or file, fault, "possible" if one["compared"] == "differs" else "not known"


STUDY = Study(
    files={"mutants.json": (RTL, GOLDEN)},
    measure=measure,
    tables=[
        Table("docs/mutation.md", "units", units_table, ["mutants"]),
        Table("docs/mutation.md", "golden", golden_table, ["mutants"]),
        Table("docs/mutation.md", "missed", missed_table, ["mutants"]),
    ],
)
