"""How often captured heads move the reference of a row (rescales.json).

By rule and order of the keys; and with ALiBi on both sides.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

from fusioncim.build.workers import run_all
from fusioncim_golden.config import Config
from fusioncim_golden.key_order import ORDERS
from fusioncim_sim.heads.alibi import HEADS, AlibiMoves, count_alibi, standard_slopes
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.heads.rescales import RULES, Moves, as_dict, below_exact, count_moves, rule_name, total
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study
from fusioncim_sim.studies.targets import Target

SMALL = Config()
ALIBI = Config(alibi=True)


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Count on the golden model."""
    heads = load_heads(fixture(), SMALL)
    work = {head.name: partial(count_moves, SMALL, head) for head in heads}
    moves = run_all(work, jobs=request.jobs, title="rescales")
    sloped = {
        f"{head.name}, slope {slope:.4f}": partial(count_alibi, ALIBI, head, slope)
        for head in heads
        for slope in standard_slopes(HEADS)
    }
    yield "rescales.json", summed(moves) | {"alibi": with_slopes(run_all(sloped, jobs=request.jobs, title="ALiBi"))}


def with_slopes(moves: Mapping[str, AlibiMoves]) -> dict[str, int]:
    """The sum over heads and slopes."""
    return {each.name: sum(getattr(one, each.name) for one in moves.values()) for each in fields(AlibiMoves)}


def summed(moves: Mapping[str, Moves]) -> dict[str, Any]:
    """Per head and in total, with the percentage below exact in-order softmax."""
    every = total(moves.values())
    below = {
        order: {name: round(below_exact(every, order, name), 2) for name in rules}
        for order, rules in every.rules.items()
    }
    return {
        "heads": {name: as_dict(one) for name, one in moves.items()},
        "total": as_dict(every) | {"below_exact_in_order_percent": below},
    }


def targets(rescales: Stored) -> Sequence[Target]:
    """What was asked of rescales, and what is reached."""
    total, default = rescales["total"], Config()
    rule = rule_name(default.slack, default.seed)
    count = total["rules"][default.schedule][rule]
    below = total["below_exact_in_order_percent"][default.schedule][rule]
    return (
        (
            "rescales and halvings of these heads, against exact online softmax in order",
            "at least 90 % fewer",
            f"{below} % fewer ({count['rescales']:,} + {count['halvings']:,} against {total['exact']['in_order']:,})",
        ),
    )


def moves_table(rescales: Stored) -> str:
    """Rescales + halvings of all heads by rule and order."""
    total = rescales["total"]
    rows = [("reference rule", *(order.replace("_", " ") for order in ORDERS)), ("---", *("---:" for _ in ORDERS))]
    rows.append(("exact online softmax", *(f"{total['exact'][order]:,}" for order in ORDERS)))
    for name in (rule_name(*rule) for rule in RULES):
        counts = (total["rules"][order][name] for order in ORDERS)
        rows.append((name, *(f"{count['rescales']:,} + {count['halvings']:,}" for count in counts)))
    return markdown(rows)


STUDY = Study(files={"rescales.json": ("heads", "total", "alibi")}, measure=measure, show=moves_table)
