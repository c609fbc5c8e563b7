"""Requests served on the published chip (serving.json): the attention of LLaMA-3-8B for both sample traces."""

from collections.abc import Iterator
from typing import Any

from fusioncim_golden.presets import PRESETS
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table
from fusioncim_sim.system.dram import dram
from fusioncim_sim.system.energy_table import COMPONENTS, NOMINAL_28NM, corner, default_table, read_table
from fusioncim_sim.system.model_config import language_model
from fusioncim_sim.system.roofline import LIMITS
from fusioncim_sim.system.serving.figures import figures
from fusioncim_sim.system.serving.metrics import Served
from fusioncim_sim.system.serving.serve import serve
from fusioncim_sim.system.serving.trace import SAMPLES, read_trace

CHIP, MODEL, CORNER = "paper", "llama3-8b", NOMINAL_28NM
MEMORIES = ("lpddr5", "hbm2")
RUNS = {f"{trace}, {memory}": (trace, memory) for trace in SAMPLES for memory in MEMORIES}
PAGE_TOKENS = 16
"""As serving programs keep their caches."""
FIRST = 4
"""Steps whose cycles are stored by themselves."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Serve all requests of every trace from every memory."""
    runs: dict[str, dict[str, Any]] = {}
    for name, (trace, memory) in RUNS.items():
        found = figures(served(trace, memory, jobs=request.jobs))
        first = [step["cycles"] for step in found["steps"][:FIRST]]
        runs[name] = {**found["whole"], "cycles_of_first_steps": first}
    yield "serving.json", {"chip": CHIP, "model": MODEL, "corner": CORNER, "page_tokens": PAGE_TOKENS, "runs": runs}


def served(trace: str, memory: str, *, requests: int | None = None, jobs: int = 1) -> Served:
    """A trace from a memory."""
    return serve(
        PRESETS[CHIP],
        language_model(MODEL),
        read_trace(trace).first(requests),
        dram=dram(memory),
        table=read_table(default_table()),
        at=corner(CORNER),
        page_tokens=PAGE_TOKENS,
        jobs=jobs,
    )


def serving_table(serving: Stored) -> str:
    """A row for every trace and memory."""
    head = (
        *("trace, memory", "generated per s", "with full slots", "prompt tokens per s", "sequences per step"),
        *("step, ms: mean, 99 %", "first token, ms: median, 99 %", "later token, ms: median, 99 %"),
        *("working", "over roofline: all, 99 % of steps", "bound by"),
    )
    rows: list[tuple[str, ...]] = [head, ("---", *("---:" for _ in head[2:]), "---")]
    for name in RUNS:
        run = serving["runs"][name]
        limits = run["roofline"]
        rows.append(
            (
                name,
                f"{run['generated_per_s']:,.0f}",
                f"{run['generated_per_s_of_full_steps']:,.0f}",
                f"{run['prompt_tokens_per_s']:,.0f}",
                f"{run['sequences_per_step']:.1f} of 16",
                _milliseconds(run["step_s"], "mean"),
                _milliseconds(run["first_token_s"], "median"),
                _milliseconds(run["later_token_s"], "median"),
                f"{run['shares']['working']:.1%}",
                f"{limits['over']:.2f}, {limits['over_step']['p99']:.2f}",
                ", ".join(f"{each} {share:.0%}" for each in LIMITS if (share := limits["bounds"][each]) >= 0.005),
            )
        )
    return markdown(rows)


def _milliseconds(times: dict[str, float], middle: str) -> str:
    """The middle of some times and their 99th percentile."""
    return f"{times[middle] * 1e3:,.1f}, {times['p99'] * 1e3:,.1f}"


def energy_table(serving: Stored) -> str:
    """Energy per token by component, of all steps and of those of decode alone."""
    columns = [
        (f"{name}{of}", serving["runs"][name][key])
        for name in RUNS
        for of, key in (("", "energy_per_token_j"), (", decode", "energy_per_token_of_decodes_j"))
    ]
    rows = [["mJ per generated token", *(name for name, _ in columns)], ["---", *("---:" for _ in columns)]]
    rows += [[part, *(f"{energy[part] * 1e3:.3g}" for _, energy in columns)] for part in COMPONENTS]
    rows.append(["all", *(f"{sum(energy.values()) * 1e3:.3g}" for _, energy in columns)])
    return markdown(rows)


def both(serving: Stored) -> str:
    """Both tables."""
    return f"{serving_table(serving)}\n\n{energy_table(serving)}"


STUDY = Study(
    files={"serving.json": ("chip", "model", "page_tokens", "runs")},
    measure=measure,
    tables=(
        Table("docs/system.md", "serving", serving_table, ("serving",)),
        Table("docs/system.md", "serving_energy", energy_table, ("serving",)),
    ),
    show=both,
)
