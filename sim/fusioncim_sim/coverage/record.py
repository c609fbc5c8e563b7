"""What a run leaves for the functional coverage: a line of JSON with its configuration, its jobs and how they ended.

Nothing is left unless $FUSIONCIM_COVERAGE is set. Every process has a file of its own.
"""

import gzip
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from fusioncim.build.cache import build_root, kept_text
from fusioncim_golden.arith import Int
from fusioncim_golden.config import check_choice
from fusioncim_golden.descriptor import Work
from fusioncim_golden.quantize import Heads
from fusioncim_golden.schedule import Job
from fusioncim_golden.status import Status
from fusioncim_sim.rtl.job_places import JobOptions

COVERAGE = "FUSIONCIM_COVERAGE"
"""Environment variable: `jobs` to record runs, `rtl` to compile them with the coverage of their RTL besides."""
KINDS = ("jobs", "rtl")
COUNTS = "coverage.dat"
"""File of the directory of a run with what it reached, as Verilator writes it."""
Record = Mapping[str, Any]


def wanted() -> str:
    """The kind of coverage that is asked for, of KINDS, or nothing."""
    name = os.environ.get(COVERAGE, "")
    if name:
        check_choice(COVERAGE, name, KINDS)
    return name


def place() -> Path:
    """Directory of everything that is recorded."""
    return build_root() / "coverage"


def keep(kind: str, **facts: object) -> None:
    """Append a record of a kind, if records are asked for."""
    if not wanted():
        return
    folder = place() / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"kind": kind, **facts}, separators=(",", ":"))
    with (folder / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def records() -> Iterator[Record]:
    """Everything that was recorded; equal lines once."""
    files = sorted((place() / "runs").glob("*.jsonl"))
    for line in sorted({line for file in files for line in kept_text(file).splitlines()}):
        yield json.loads(line)


def keep_rtl(results: Path, design: Path) -> None:
    """Keep what a run in a directory reached of its RTL, if it tells; design: directory of the program and its RTL."""
    counts = results / COUNTS
    if wanted() != "rtl" or not counts.exists():
        return
    folder = place() / "rtl" / design.name
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".dat.gz", delete=False) as file:
        file.write(gzip.compress(counts.read_bytes(), 1))
    counts.unlink()


def status(found: Status) -> None:
    """A job of a chip ended so."""
    keep("status", status=found.name)


def chip_job(work: Work, job: JobOptions, groups: Sequence[Heads]) -> dict[str, Any]:
    """What the plan asks about a job of a chip."""
    found = work.job
    return {
        **_operands(groups, job.intervals),
        "kv_heads": found.kv_heads,
        "layout": job.layout,
        "pages": job.paging.layout if job.paging else "",
        "page_tokens": job.paging.tokens if job.paging else 0,
        "shared": found.shared,
        "kv_bits": found.kv_bits,
        "lse": found.lse is not None,
        "dimension": found.dimension,
        "outputs": found.outputs,
        "gap": job.gap,
        "base": job.base,
        "sequences": len(work.sequences),
        "parts": [_part(each.queries, each.keys, each.start, asdict(each.mask)) for each in work.parts],
    }


def engine_job(heads: Heads, job: Job) -> dict[str, Any]:
    """What the plan asks about a job of an engine."""
    return {
        **_operands([heads], job.intervals),
        "parts": [_part(job.queries, job.keys, job.first_position(), asdict(job.mask))],
    }


def _operands(groups: Sequence[Heads], intervals: Int | None) -> dict[str, Any]:
    one = groups[0]
    return {
        "heads": len(one.q),
        "centred": one.centred,
        "token_scales": one.token_scales is not None,
        "sinks": _share([heads.sinks for heads in groups]),
        "slopes": _share([heads.slopes for heads in groups]),
        "intervals": "none" if intervals is None else "empty" if (intervals[:, 0] >= intervals[:, 1]).any() else "some",
    }


def _share(words: Sequence[Int | None]) -> str:
    """Whether no head has such a word, some have one, or all: a word of 0 is none."""
    there = np.concatenate([np.zeros(1) if x is None else x for x in words]) != 0
    return "all" if there.all() else "some" if there.any() else "none"


def _part(queries: int, keys: int, start: int, mask: dict[str, int]) -> dict[str, Any]:
    return {"queries": queries, "keys": keys, "start": start, "mask": mask}
