"""Proofs about the RTL, each on the RTL and on the RTL with a fault (formal.json)."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from fusioncim.build.workers import run_all
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Run every proof."""
    from fusioncim.formal.proofs import FAMILIES

    work = {name: partial(figures, name) for family in FAMILIES.values() for name in family}
    done = run_all(work, jobs=request.jobs, title="proofs")
    families = {family: {name: done[name] for name in proofs} for family, proofs in FAMILIES.items()}
    yield "formal.json", {"families": families}


def figures(name: str) -> dict[str, Any]:
    """A proof: what it says, whether that holds, and when a fault was found."""
    from fusioncim.formal.proofs import PROOFS

    proof = PROOFS[name]
    said = {"unit": proof.unit_name, "says": proof.says, "tried": proof.tried}
    if proof.tried:
        return said | {"holds": None}
    holds, verdict, seconds = proof.run()
    broken, fault, _ = proof.run(mutated=True)
    return said | {
        "holds": holds,
        "covers": proof.covers,
        "cycles": proof.cycles,
        "claims": verdict.claims,
        "seconds": round(seconds, 1),
        "fault": proof.mutant.target,
        "found": broken is False,
        "cycle": fault.cycle,
    }


def proofs_table(formal: Stored) -> str:
    """A row for every proof."""
    head = ("about", "unit", "what is proved", "claims", "how", "seconds", "fault found")
    rows = [head, ("---", "---", "---", "---:", "---", "---:", "---")]
    for family, proofs in formal["families"].items():
        for one in proofs.values():
            if one["tried"]:
                rows.append((family, f"`{one['unit']}`", one["says"], "", f"not proved: {one['tried']}", "", ""))
                continue
            proved = "reached" if one["covers"] else f"{one['cycles']} cycles" if one["cycles"] else "unbounded"
            how = {True: proved, False: "fails", None: "not decided"}[one["holds"]]
            found = ("yes" if one["covers"] else f"in cycle {one['cycle']}") if one["found"] else "no"
            unit, seconds = f"`{one['unit']}`", f"{one['seconds']:.0f}"
            rows.append((family, unit, one["says"], f"{one['claims']}", how, seconds, found))
    return markdown(rows)


STUDY = Study(
    files={"formal.json": ("families",)},
    measure=measure,
    tables=[Table("docs/proofs.md", "proofs", proofs_table, ["formal"])],
    show=proofs_table,
)
