"""What numbers of real caches cost an engine: area of its cells, and energy of a tile of a real head, from gates.

Each chip is measured with jobs that use what it has, and with one that does not. Banks are left out of the area.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.asic.synthesis.synth import synthesize
from fusioncim.build.workers import run_all
from fusioncim.engine.engine import Engine
from fusioncim_golden.config import Config
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import Heads, quantize
from fusioncim_golden.schedule import Job
from fusioncim_golden.sinks import sinks_of
from fusioncim_golden.slopes import slope_words
from fusioncim_sim.heads.captured import captured_heads, side_by_side
from fusioncim_sim.heads.read import Head
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table

PAPER = PRESETS["paper"].engine
SMALL = PAPER.override(rows=8, softmax_lanes=1)
"""The same with as few rows as a lane has."""
TOKENS, CLOCK_NS = 256, 2.5
CHIPS: Mapping[str, Mapping[str, Any]] = {
    "neither": {},
    "powers of two per token": {"token_scale_bits": 1},
    "scales per token": {"token_scale_bits": 8},
    "slopes": {"alibi": True},
    "both": {"token_scale_bits": 8, "alibi": True},
}
"""What an engine is generated with."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Map to the Nangate library, and run the gates."""
    liberty = default_liberty()
    work: dict[str, Any] = {}
    for chip, changes in CHIPS.items():
        work[f"area: {chip}"] = partial(area, PAPER.override(**changes), liberty)
        for job in jobs_of(chip):
            work[f"energy: {chip}: {job}"] = partial(energy, SMALL.override(**changes), job, liberty)
    done = run_all(work, jobs=request.jobs, title="formats")
    chips = {
        chip: {**done[f"area: {chip}"], "jobs": {job: done[f"energy: {chip}: {job}"] for job in jobs_of(chip)}}
        for chip in CHIPS
    }
    yield "formats.json", {"library": liberty.name, "tokens": TOKENS, "rows": SMALL.rows, "chips": chips}


def jobs_of(chip: str) -> list[str]:
    """The jobs that a chip is measured with, the first one without anything besides."""
    own = {"neither": ["INT4 cache", "sinks"], "slopes": ["slopes"], "both": ["scales per token, slopes, sinks"]}
    return ["INT8 cache", *own.get(chip, [chip])]


def area(config: Config, liberty: Path) -> dict[str, float]:
    """Area of the cells of an engine in um2."""
    return {"um2": round(synthesize(Engine(config), load(liberty)).area())}


def energy(config: Config, job: str, liberty: Path) -> dict[str, Any]:
    """Energy per multiply-accumulate of a tile, and whether every bit is the golden model's."""
    from fusioncim_sim.gates.tile_energy import last_queries, run_job

    heads = captured_heads(config)
    queries = last_queries(operands(config, heads, job), config.rows)
    task = Job(queries=config.rows, keys=TOKENS)
    found = run_job(config, load(liberty), [head.name for head in heads], queries, task, CLOCK_NS)
    parts = {unit: round(one.total / found.macs, 2) for unit, one in found.energies.items()}
    return {"fj_per_mac": round(found.energy.total / found.macs, 1), "parts": parts, "bit_exact": found.bit_exact}


def operands(config: Config, heads: Sequence[Head], job: str) -> Heads:
    """Captured heads as a job has them."""
    scaled = config.token_scale_bits if "token" in job else 0
    found = quantize(*side_by_side(heads, TOKENS), token_scale_bits=scaled, centred="sinks" not in job)
    if job == "INT4 cache":
        found = replace(found, k=found.k // 16 * 16, v=found.v // 16 * 16)
    if "slopes" in job:
        found = replace(found, slopes=slope_words(np.array([0.25])))
    if "sinks" in job:
        found = replace(found, sinks=sinks_of(np.array([1.0])))
    return found


def formats_table(formats: Stored) -> str:
    """A row for every chip and job."""
    chips = formats["chips"]
    base = chips["neither"]
    plain = base["jobs"]["INT8 cache"]["fj_per_mac"]
    rows = [
        ("engine of `paper` with", "cells, um2", "more", "job", "fJ per MAC", "to the INT8 cache of the first row"),
        ("---", "---:", "---:", "---", "---:", "---:"),
    ]
    for chip in CHIPS:
        one = chips[chip]
        for n, job in enumerate(jobs_of(chip)):
            each = one["jobs"][job]
            more = "" if chip == "neither" else f"{one['um2'] / base['um2'] - 1:+.1%}"
            size = (chip, f"{one['um2']:,}", more) if n == 0 else ("", "", "")
            rows.append((*size, job, f"{each['fj_per_mac']:,.1f}", f"{each['fj_per_mac'] / plain - 1:+.1%}"))
    return markdown(rows)


STUDY = Study(
    files={"formats.json": ("chips", "library", "rows", "tokens")},
    measure=measure,
    tables=[Table("docs/cost.md", "formats", formats_table, ["formats"])],
)
