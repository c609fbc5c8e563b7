"""What O may leave out of captured heads where values are centred, and where they are not (centred.json).

Error against float attention on the floats, and the blocks that rows add to O, by the power of two below which they do
not. Both ways get the same equalized operands.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from statistics import fmean

from fusioncim.build.workers import run_all
from fusioncim_golden import engine as golden
from fusioncim_golden.metrics import in_lsb, sqnr_db
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.heads.captured import captured, width
from fusioncim_sim.heads.judge import job_of
from fusioncim_sim.heads.read import Head
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table

PAPER = PRESETS["paper"].engine
LEFT_OUT = (7, 8, 9, 10, 11, 13)
"""O leaves out what is below 2^-this of the reference."""
WAYS = {"left out of the row sum": False, "counted in the row sum": True}
"""What O leaves out; the second one is that of values that are said to be centred."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Run the golden model."""
    work = {head.name: partial(figures, head) for heads in captured().values() for head in heads}
    done = run_all(work, jobs=request.jobs, title="centred")
    models = {model: {head.name: done[head.name] for head in heads} for model, heads in captured().items()}
    yield "centred.json", {"flush": PAPER.flush, "models": models}


def figures(head: Head) -> dict[str, dict[str, dict[str, float]]]:
    """SQNR in dB and blocks per block of keys that a row sees, of a whole causal head, by way and LEFT_OUT."""
    found: dict[str, dict[str, dict[str, float]]] = {way: {} for way in WAYS}
    job = job_of(head)
    exact = head.unquantized_attention(job)
    for way, centred in WAYS.items():
        for power in LEFT_OUT:
            flush = power + PAPER.flush - PAPER.centred_flush if centred else power
            config = PAPER.override(columns=width(head), flush=flush)
            heads = replace(head.quantized(config), centred=centred)
            result = golden.run(config, heads, job)
            out = head.equalized().outputs(in_lsb(config, result.out) * heads.scale_v)
            added = config.update_rank * result.events.additions / result.events.scores
            found[way][str(power)] = {"sqnr_db": round(sqnr_db(out, exact), 2), "added": round(added, 4)}
    return found


def centred_table(centred: Stored) -> str:
    """The mean of the heads of each model."""
    models: Mapping[str, Mapping[str, Stored]] = centred["models"]
    head = [f"{model}: {what}" for model in models for what in ("dB", "dB, counted", "blocks added")]
    rows = [("left out below 2^-", *head), ("---:", *("---:" for _ in head))]
    for power in map(str, LEFT_OUT):
        cells = []
        for heads in models.values():
            ways = [[one[way][power] for one in heads.values()] for way in WAYS]
            cells += [f"{fmean(each['sqnr_db'] for each in way):.2f}" for way in ways]
            cells.append(f"{fmean(each['added'] for each in ways[0]):.3f}")
        rows.append((power, *cells))
    return markdown(rows)


STUDY = Study(
    files={"centred.json": ("flush", "models")},
    measure=measure,
    tables=[Table("docs/decisions.md", "centred", centred_table, ["centred"])],
)
