"""Runs heads through the engine, several at a time, and judges them."""

from collections.abc import Sequence
from functools import partial

from fusioncim.build.workers import run_all
from fusioncim.engine.engine import Engine
from fusioncim_golden.config import Config
from fusioncim_sim.heads.judge import HeadResult, Run, job_of, judge, operands_of
from fusioncim_sim.heads.read import Head
from fusioncim_sim.rtl.engine_run import simulate_jobs
from fusioncim_sim.rtl.programs import build


def evaluate(config: Config, head: Head, *, causal: bool = True, rtl: bool = True) -> tuple[HeadResult, Run | None]:
    """Run one head, on the RTL too if `rtl`, and judge it."""
    heads, job = operands_of(config, head), job_of(head, causal=causal)
    run = simulate_jobs(config, [(heads, job)]) if rtl else None
    return judge(config, head, heads, job, run), run


def evaluate_all(config: Config, heads: Sequence[Head], *, causal: bool, jobs: int) -> dict[str, HeadResult]:
    """Run heads on the RTL in parallel, the longest first; results by name in the order of the heads."""
    # Once, not in every process.
    run_all({"build": partial(build, Engine(config))}, jobs=1, title="simulate")
    work = {
        head.name: partial(evaluate, config, head, causal=causal)
        for head in sorted(heads, key=lambda head: -len(head.q) * len(head.k))
    }
    done = run_all(work, jobs=jobs, title="simulate")
    return {head.name: done[head.name][0] for head in heads}
