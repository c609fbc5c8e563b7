"""What a row of the IP-CIM saves if it holds still where a score is of no use (freeze.json).

One row of `paper` is mapped, placed as in an engine, and played at gates with the operands and the patterns of captured
heads: today's row, one with a gate for masked keys, and one whose planes come as nibbles, so that a key can be frozen
after four planes (`comparison.held_rows`). A row of the OP-CIM is played with and without the gate at its choices
(`comparison.open_row`). How many keys are frozen at other lengths is counted in a language model.

A mean is that of two models, each the mean of its heads. Energies are of cells, banks, glitches, wires, clock tree and
leakage, per multiply-accumulate whose key the row sees, of keys that are all seen unless a name says otherwise.
"""

from collections.abc import Callable, Iterable, Mapping
from statistics import fmean, linear_regression
from typing import Any

from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.cost.tables import more_mw
from fusioncim_sim.studies.freeze.patterns import BOUNDS
from fusioncim_sim.studies.study import Request, Stored, Study, Table

GROUPS = (1, 4)
"""Query heads that share the rows of a tile."""
PREFILLS = (512, 1024, 4096)
"""Tokens of a causal prefill."""
PAGE = "docs/decisions.md"


def _measure(request: Request) -> Iterable[tuple[str, Stored]]:
    from fusioncim_sim.studies.freeze import measure

    return measure.measure(request)


def mean(freeze: Stored, of: Callable[[str], float]) -> float:
    """Over the models, each the mean of its heads; of: a head by its name."""
    return fmean(fmean(of(head) for head in heads) for heads in freeze["heads"].values())


def fj(freeze: Stored, what: str, kind: str = "total") -> float:
    """Energy per multiply-accumulate of what is played."""
    unit = next(each for each in freeze["units"].values() if what in each["fj_per_mac"])
    played: Mapping[str, Mapping[str, float]] = unit["fj_per_mac"][what]
    return mean(freeze, lambda head: played[head][kind])


def figure_of_heads(freeze: Stored, name: str) -> dict[str, Any]:
    """A figure of the heads by their names."""
    return {head: one[name] for heads in freeze["heads"].values() for head, one in heads.items()}


def masked_fj(freeze: Stored) -> float:
    """What a key that is masked takes in a row with a gate, per multiply-accumulate that it would be."""
    played = freeze["units"]["held row"]["fj_per_mac"]
    masked = figure_of_heads(freeze, "masked")
    return mean(
        freeze,
        lambda head: (played["held row, masked"][head]["total"] - played["held row"][head]["total"]) / masked[head],
    )


def nibble_row_fj(freeze: Stored, frozen: float) -> float:
    """What a row with nibbles takes if so many of the keys that it sees are frozen."""
    heads = figure_of_heads(freeze, "frozen")
    bound = "halved"
    share = mean(freeze, lambda head: heads[head][bound])
    none = fj(freeze, "nibble row")
    return none - (none - fj(freeze, f"nibble row, {bound}")) * frozen / share


def engine_fj(cost: Stored, tokens: int) -> float:
    """What an engine takes for a multiply-accumulate in each macro, of a causal prefill; at most of what is stored."""
    lengths = cost["additions"]["lengths"]
    known = lengths[str(min(tokens, max(map(int, lengths))))]["fj_per_mac"]
    engine = cost["table"]["hybrid engine"]["measured"]
    return 4 * (float(engine["mw"]) + sum(more_mw(cost, known).values())) / float(engine["tops"])


def rows_table(freeze: Stored) -> str:
    """The rows of the IP-CIM."""
    units = freeze["units"]
    row, nibbles = fj(freeze, "row"), fj(freeze, "nibble row")
    cells = {
        "row": (f"{row:.1f}", f"{row:.1f}", "-", "-"),
        "held row": (f"{fj(freeze, 'held row'):.1f}", f"{masked_fj(freeze):.1f}", "-", "-"),
        "nibble row": (
            f"{nibbles:.1f}",
            "",
            *(f"{fj(freeze, f'nibble row, {bound}'):.1f}" for bound in BOUNDS),
        ),
    }
    names = {
        "row": "**as it is**",
        "held row": "128 AND gates for masked keys",
        "nibble row": "the same, nibbles of two keys, a comparison",
    }
    head = (
        "row",
        "um2",
        "longest path, ns",
        "fJ, key seen",
        "key masked",
        "frozen, exact bound",
        "frozen, halved bound",
    )
    rows = [head, ("---", *("---:" for _ in head[1:]))]
    for unit, each in cells.items():
        size = f"{units[unit]['um2']:,.0f}", f"{units[unit]['longest_ns']:.2f}"
        rows.append((names[unit], *size, *each))
    return markdown(rows)


def masked_table(freeze: Stored, cost: Stored) -> str:
    """What a gate for masked keys saves of a causal prefill."""
    rows_of_tile = cost["chip"]["rows"]
    row, held, masked = fj(freeze, "row"), fj(freeze, "held row"), masked_fj(freeze)
    rows = [
        ("tokens", "query heads of a tile", "masked keys per key seen", "saved, fJ per MAC", "of the engine"),
        ("---:", *("---:" for _ in range(4))),
    ]
    for tokens in PREFILLS:
        for group in GROUPS:
            share = (rows_of_tile / group - 1) / (tokens + 1)
            saved = (1 + share) * row - held - share * masked
            part = saved / (engine_fj(cost, tokens) + share * row)
            rows.append((f"{tokens:,}", f"{group}", f"{share:.3f}", f"{round(saved)}", f"{round(part, 3) or 0:.1%}"))
    return markdown(rows)


def frozen_table(freeze: Stored, cost: Stored) -> str:
    """What is frozen of the keys that the last tile of a text sees, and what that saves."""
    rows = [
        (
            "keys that a tile sees, tokens",
            "frozen below",
            *(
                f"{bound} bound: {what}"
                for bound in BOUNDS
                for what in ("frozen", "saved, fJ per MAC", "of the engine")
            ),
        )
    ]
    rows.append(tuple("---:" for _ in rows[0]))
    for tokens, thresholds in sorted(freeze["lengths"]["keys"].items(), key=lambda item: int(item[0])):
        whole = engine_fj(cost, 2 * int(tokens))
        for left_out in sorted(thresholds, key=int):
            cells: list[str] = []
            for bound in BOUNDS:
                share = thresholds[left_out][bound]["frozen"]
                saved = fj(freeze, "row") - nibble_row_fj(freeze, share)
                cells += [f"{share:.1%}", f"{round(saved)}", f"{saved / whole:.1%}"]
            rows.append((f"{int(tokens):,}", f"2^-{left_out}", *cells))
    return markdown(rows)


def error_table(freeze: Stored) -> str:
    """What frozen keys cost in accuracy."""
    models = freeze["sqnr_db"]
    rows = [("frozen", *(f"{model}: dB" for model in models)), ("---", *("---:" for _ in models))]
    for name in sorted(next(iter(models.values())), key=_threshold):
        bound, _, left_out = name.partition(", ")
        words = f"{bound} bound, below 2^-{left_out}" if left_out else "nothing"
        rows.append((words, *(f"{each[name]:.2f}" for each in models.values())))
    return markdown(rows)


def _threshold(name: str) -> tuple[int, str]:
    """Order of the names of `sqnr_db`: from nothing to what is near the reference."""
    bound, _, left_out = name.partition(", ")
    return -int(left_out or 1 << 10), bound


def choices_table(freeze: Stored, cost: Stored) -> str:
    """The rows of the OP-CIM, by head, and what a line through these says of language models."""
    units, added = freeze["units"], figure_of_heads(freeze, "added")
    gated, bare = (units[name]["fj_per_mac"][name] for name in ("OP row", "open OP row"))
    rows = [
        ("head", "blocks added per eight keys", "with the gate, fJ per MAC", "without", "the gate saves"),
        ("---", *("---:" for _ in range(4))),
    ]
    found = sorted((share, gated[head]["total"], bare[head]["total"], head) for head, share in added.items())
    for share, ours, others, head in found:
        rows.append((head, f"{share:.2f}", f"{ours:.1f}", f"{others:.1f}", f"{others - ours:.1f}"))
    shares, *sides = zip(*(each[:3] for each in found), strict=True)
    for tokens, one in sorted(cost["additions"]["lengths"].items(), key=lambda item: int(item[0])):
        share = cost["parameters"]["update_rank"] * one["per_key"]
        ours, others = (linear_regression(shares, side) for side in sides)
        with_gate, without = (line.intercept + line.slope * share for line in (ours, others))
        name = f"language models, {int(tokens):,} tokens, by a line"
        rows.append((name, f"{share:.2f}", f"{with_gate:.1f}", f"{without:.1f}", f"{without - with_gate:.1f}"))
    return markdown(rows)


STUDY = Study(
    files={"freeze.json": ("heads", "lengths", "library", "sqnr_db", "units")},
    measure=_measure,
    tables=[
        Table(PAGE, "held_rows", rows_table, ["freeze"]),
        Table(PAGE, "masked_keys", masked_table, ["freeze", "cost"]),
        Table(PAGE, "frozen_keys", frozen_table, ["freeze", "cost"]),
        Table(PAGE, "frozen_error", error_table, ["freeze"]),
        Table(PAGE, "choices", choices_table, ["freeze", "cost"]),
    ],
    show=rows_table,
)
