"""Runs heads through the engine, several at a time, and judges them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from fusioncim.engine import Engine
from fusioncim.parallel import run_all
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.schedule import Job
from fusioncim_sim import runner
from fusioncim_sim.heads import Head
from fusioncim_sim.simulate import HeadResult, Run, judge, simulate_jobs


def job_of(head: Head, *, causal: bool = True) -> Job:
    """The job that computes one head."""
    return Job(queries=len(head.q), keys=len(head.k), causal=causal)


def evaluate(config: Config, head: Head, *, causal: bool = True, rtl: bool = True) -> tuple[HeadResult, Run | None]:
    """Run one head, on the RTL too if `rtl`, and judge it."""
    heads, job = head.quantized(config), job_of(head, causal=causal)
    run = simulate_jobs(config, [(heads, job)]) if rtl else None
    return judge(config, head.name, heads, job, run, head.unquantized_attention(job)), run


def evaluate_all(
    config: Config, heads: Sequence[Head], *, causal: bool, rtl: bool, jobs: int
) -> dict[str, tuple[HeadResult, Run | None]]:
    """Run heads in parallel, the longest first; results by name in the order of the heads."""
    if rtl:
        runner.build(Engine(config))  # once, not in every process
    work = {
        head.name: partial(evaluate, config, head, causal=causal, rtl=rtl)
        for head in sorted(heads, key=lambda head: -len(head.q) * len(head.k))
    }
    done = run_all(work, jobs=jobs, title="simulate")
    return {head.name: done[head.name] for head in heads}


def choose(heads: Sequence[Head], names: Sequence[str]) -> list[Head]:
    """The heads of these names, in the order of the file; all of them if no name is given."""
    known = [head.name for head in heads]
    for name in names:
        if name not in known:
            raise InputError(f"the heads of the file are {', '.join(known)}, not {name}")
    return [head for head in heads if not names or head.name in names]


def plain(result: HeadResult) -> dict[str, Any]:
    """The result as JSON data: null where a figure is missing or infinite."""
    return {name: _plain(value) for name, value in asdict(result).items()}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def report(config: Config, simulator: str, results: Sequence[HeadResult]) -> Mapping[str, Any]:
    """What `fusioncim simulate --json` writes."""
    return {"config": config.as_dict(), "simulator": simulator, "heads": [plain(result) for result in results]}
