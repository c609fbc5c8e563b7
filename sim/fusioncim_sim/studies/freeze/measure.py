"""Measures freeze.json: rows at gates with the patterns of captured heads, and what is frozen in a language model."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from statistics import fmean
from typing import Any

import numpy as np
from amaranth.lib import wiring
from numpy.typing import NDArray

from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.asic.power.power import Energy
from fusioncim.asic.synthesis.synth import synthesize
from fusioncim.build.workers import run_all
from fusioncim.comparison.held_rows import HeldRow, NibbleRow
from fusioncim.comparison.open_row import OpenRow
from fusioncim.engine.ip_cim import IpCimRow
from fusioncim.engine.op_cim import OpCimRow
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.softmax import Update
from fusioncim_sim.gates.played import PlayedUnit
from fusioncim_sim.heads.captured import captured
from fusioncim_sim.heads.read import Head
from fusioncim_sim.studies.cost.events import KINDS
from fusioncim_sim.studies.freeze.error import frozen_sqnr
from fusioncim_sim.studies.freeze.ip_rows import PlayedRow, Table, key_table, nibble_table, planes_of
from fusioncim_sim.studies.freeze.op_rows import column_table
from fusioncim_sim.studies.freeze.patterns import BOUNDS
from fusioncim_sim.studies.freeze.samples import PAPER, ROWS, Sample, captured_samples, sample
from fusioncim_sim.studies.study import Request, Stored

TOKENS = 512
HEADS: Mapping[str, Sequence[str]] = {
    "SmolLM2-135M": ("group1", "mixed", "sink"),
    "Qwen2.5-Coder-1.5B": ("qwen_local", "qwen_mixed", "qwen_sink"),
}
"""Heads whose patterns are played."""
LEFT_OUT = PAPER.centred_flush
"""Powers of two below the reference from which on a key is frozen, where rows are played."""
THRESHOLDS = (PAPER.centred_flush, PAPER.flush, PAPER.sum_flush)
"""Those that are counted: what O leaves out, the same where values are not centred, what the row sum leaves out."""
LENGTHS = (512, 1024, 2048, 4096)
"""Tokens of a language model before the end of a tile."""
EVERY = 4
"""One of so many of its heads is counted."""
PERIOD_NS = 1000 / CLOCK_MHZ

Played = Mapping[str, Callable[[Sample], Table]]
UNITS: Mapping[str, tuple[Callable[[Any], wiring.Component], str, Played]] = {
    "row": (IpCimRow, "ip_cim", {"row": lambda of: key_table(PAPER, seen(of), held=False)}),
    "held row": (
        HeldRow,
        "ip_cim",
        {
            "held row": lambda of: key_table(PAPER, seen(of), held=True),
            "held row, masked": lambda of: key_table(PAPER, of.rows(LEFT_OUT), held=True),
        },
    ),
    "nibble row": (
        NibbleRow,
        "ip_cim",
        {
            "nibble row": lambda of: nibble_table(PAPER, seen(of)),
            **{f"nibble row, {bound}": partial(lambda bound, of: nibble_table(PAPER, seen(of, bound)), bound)
               for bound in BOUNDS},
        },
    ),
    "OP row": (OpCimRow, "op_cim", {"OP row": lambda of: column_table(PAPER, of.blocks())}),
    "open OP row": (OpenRow, "op_cim", {"open OP row": lambda of: column_table(PAPER, of.blocks())}),
}  # fmt: skip
"""What is mapped, the array that it is a row of, and what it is played."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Map to the Nangate library, place and play the rows; then let a model read."""
    samples = {name: partial(sample, heads, TOKENS) for name, heads in chosen().items()}
    work: dict[str, Any] = {name: partial(unit_figures, name, samples) for name in UNITS}
    work[f"{max(LENGTHS)} tokens"] = partial(shares_by_length, request.model)
    work["error"] = error_figures
    done = run_all(work, jobs=request.jobs, title="rows")
    heads = {name: head_figures(make()) for name, make in samples.items()}
    yield (
        "freeze.json",
        {
            "library": default_liberty().name,
            "tokens": TOKENS,
            "rows": ROWS,
            "left_out": LEFT_OUT,
            "units": {name: done[name] for name in UNITS},
            "heads": {model: {name: heads[name] for name in names} for model, names in HEADS.items()},
            "lengths": done[f"{max(LENGTHS)} tokens"],
            "sqnr_db": done["error"],
        },
    )


def chosen() -> dict[str, list[Head]]:
    """Heads side by side by the name of the first, those of `HEADS`."""
    return {name: of_model[name] for model, of_model in captured_samples().items() for name in HEADS[model]}


def seen(of: Sample, bound: str = "") -> list[PlayedRow]:
    """Rows of a sample with their visible keys alone."""
    return [row.seen() for row in of.rows(LEFT_OUT, bound)]


def unit_figures(name: str, samples: Mapping[str, Callable[[], Sample]]) -> dict[str, Any]:
    """Area, longest path, and energies per visible multiply-accumulate by what is played and by head."""
    make, array, tables = UNITS[name]
    unit = make(PAPER)
    design = synthesize(unit, load(default_liberty()))
    played = PlayedUnit(make(PAPER), design, row_of=array)
    energies: dict[str, dict[str, Any]] = {what: {} for what in tables}
    for head, of_head in samples.items():
        this = of_head()
        macs = sum(int(row.visible.sum()) for row in this.rows(LEFT_OUT)) * PAPER.columns
        for what, table in tables.items():
            energies[what][head] = per_mac(played.energy(table(this), PERIOD_NS), macs)
    delays = played.delays
    assert delays is not None
    return {"um2": round(design.area(), 1), "longest_ns": delays.longest_ns, "fj_per_mac": energies}


def per_mac(energy: Energy, macs: int) -> dict[str, float]:
    """By `KINDS`, leakage and all."""
    kinds = {kind: of(energy) for kind, of in KINDS.items()}
    kinds |= {"leakage": energy.leakage + energy.memory_leakage, "total": energy.total}
    return {kind: round(value / macs, 2) for kind, value in kinds.items()}


def head_figures(of: Sample) -> dict[str, Any]:
    """Of the rows that are played: masked keys and added blocks per visible key, frozen keys; edges of the planes."""
    rows = of.rows(LEFT_OUT)
    keys = sum(len(row.k) for row in rows)
    visible = sum(int(row.visible.sum()) for row in rows)
    added = sum(block.kind != Update.SKIP for block in of.blocks())
    frozen = {bound: sum(int(row.frozen.sum()) for row in of.rows(LEFT_OUT, bound)) for bound in BOUNDS}
    return {
        "masked": round(keys / visible - 1, 4),
        "added": round(added * PAPER.update_rank / visible, 4),
        "frozen": {bound: round(count / visible, 4) for bound, count in frozen.items()},
        "edges_of_nibbles": round(edges_of_nibbles(of), 4),
    }


def edges_of_nibbles(of: Sample) -> float:
    """How many times as often the planes change if high and low nibbles of two keys take turns."""
    k = of.rows(LEFT_OUT)[0].k
    planes = planes_of(PAPER, k)
    half = PAPER.operand_bits // 2
    plain = [plane for key in planes for plane in key]
    turns = [plane for n in range(0, len(planes), 2) for part in (slice(half), slice(half, None))
             for key in planes[n : n + 2] for plane in key[part]]  # fmt: skip

    def edges(order: Sequence[int]) -> int:
        return sum((a ^ b).bit_count() for a, b in pairwise(order))

    return edges(turns) / edges(plain)


def error_figures() -> dict[str, Any]:
    """Signal to noise of all captured heads in dB, the mean by model, by what is frozen; none: nothing."""
    ways = {"none": ("", LEFT_OUT)}
    ways |= {f"{bound}, {left_out}": (bound, left_out) for left_out in THRESHOLDS for bound in BOUNDS}
    return {
        model: {name: round(fmean(frozen_sqnr(head, *way) for head in heads), 2) for name, way in ways.items()}
        for model, heads in captured().items()
    }


def shares_by_length(model: str) -> dict[str, Any]:
    """Keys that are frozen, and wrongly, per visible key of the last tile of so many tokens: the mean of some heads."""
    from fusioncim_sim.llm.capture import range_of_group, run_model
    from fusioncim_sim.llm.language_model import find_model, text_of

    source = find_model(model)
    layers = run_model(source, text_of(None), max(LENGTHS))
    places = [(layer, head) for layer, heads in enumerate(layers.heads) for head in range(len(heads))][::EVERY]
    found: dict[str, Any] = {"model": source.name, "heads": len(places), "keys": {}}
    for tokens in LENGTHS:
        counts = np.zeros((len(THRESHOLDS), len(BOUNDS), 2))
        for place in places:
            attention = layers.heads[place[0]][place[1]]
            head = Head("", *attention, range_q=range_of_group(layers.members(place)))
            counts += frozen_shares(head, tokens)
        counts /= len(places)
        found["keys"][str(tokens)] = {
            str(threshold): {
                bound: {"frozen": round(float(frozen), 4), "wrong": float(f"{wrong:.3g}")}
                for bound, (frozen, wrong) in zip(BOUNDS, each, strict=True)
            }
            for threshold, each in zip(THRESHOLDS, counts, strict=True)
        }
    return found


def frozen_shares(head: Head, tokens: int) -> NDArray[np.float64]:
    """Of the last tile of a head, by `THRESHOLDS` and `BOUNDS`: frozen keys and wrongly frozen ones per visible key."""
    this = sample([head], tokens)
    table = []
    for threshold in THRESHOLDS:
        of = this.pattern(threshold)
        visible = of.visible.sum()
        table.append([[of.frozen[bound].sum() / visible, of.wrong[bound].sum() / visible] for bound in BOUNDS])
    return np.array(table)
