"""Measures sizes.json."""

from collections.abc import Iterator, Mapping
from functools import partial
from statistics import fmean
from typing import Any

from fusioncim.asic.cells.liberty import default_liberty
from fusioncim.build.workers import run_all
from fusioncim_golden import engine as golden_engine
from fusioncim_golden.config import Config
from fusioncim_golden.schedule import Job
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.studies.cost.runs import TOKENS
from fusioncim_sim.studies.sizes.arrays import ANCHOR, ARRAYS, PAPER, ROWS, VARIED, measure_array, stored_array
from fusioncim_sim.studies.sizes.fit import config_of, deviations, fit
from fusioncim_sim.studies.study import Request, Stored, read
from fusioncim_sim.system.size_forms import LEAKAGE

ADDED_RANKS, ADDED_FLUSHES = (1, 2, 4, 8), (8, 11, 14, 17)
"""For which the added keys are counted."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Measure on the Nangate library, beside the cost.json of the directory."""
    stored = read(request.output, "cost")["engine"]["sizes"][str(ROWS)]
    liberty = default_liberty()
    others = {name: array for name, array in ARRAYS.items() if name != ANCHOR}
    work: dict[str, Any] = {name: partial(measure_array, liberty, array) for name, array in others.items()}
    done = run_all(work, jobs=request.jobs, title="arrays")
    yield "sizes.json", summarize({ANCHOR: stored_array(stored), **done}, added_shares())


def summarize(arrays: Mapping[str, Mapping[str, Any]], added: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that sizes.json holds."""
    weights, base = fit(arrays, ANCHOR), arrays[ANCHOR]
    values = {name: [getattr(config_of(each), name) for each in arrays.values()] for name in VARIED}
    return {
        "parameters": PAPER.as_dict(),
        "rows": ROWS,
        "tokens": TOKENS,
        "arrays": arrays,
        "ranges": {name: [min(each), max(each)] for name, each in values.items()},
        "weights": weights,
        "leakage_of_banks": {
            unit: round(mw["banks"] / sum(mw.values()), 4)
            for unit, mw in ((unit, events[LEAKAGE]) for unit, events in base["energies"].items())
        },
        "added": added,
        "deviation_percent": {
            name: deviations(each, base, fit(arrays, ANCHOR, without=name))
            for name, each in arrays.items()
            if name != ANCHOR
        },
    }


def added_shares() -> dict[str, dict[str, float]]:
    """Share of the keys that a row sees whose blocks it adds to O, by rank and flush: mean of the captured heads."""
    heads = load_heads(fixture(), Config())
    found: dict[str, dict[str, float]] = {}
    for rank in ADDED_RANKS:
        found[str(rank)] = {}
        for flush in ADDED_FLUSHES:
            shares = []
            for head in heads:
                tokens, columns = head.q.shape
                config = PAPER.override(columns=columns, update_rank=rank, flush=flush)
                job = Job(queries=tokens, keys=tokens)
                events = golden_engine.run(config, head.quantized(config), job).events
                shares.append(events.additions * rank / events.scores)
            found[str(rank)][str(flush)] = round(fmean(shares), 4)
    return found
