"""Requests served on the published chip (serving.json): the attention of LLaMA-3-8B for both sample traces.

Beside them are steps of decode alone, and what engines without work take of the energy of a token.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table
from fusioncim_sim.system.dram import dram
from fusioncim_sim.system.energy_table import COMPONENTS, DRAM, NOMINAL_28NM, corner, default_table, read_table
from fusioncim_sim.system.idle_engines import CLOCK, LEAKAGE, NO_TILE, WAITING, saved_by_gates, saved_by_switches
from fusioncim_sim.system.model_config import language_model
from fusioncim_sim.system.roofline import LIMITS
from fusioncim_sim.system.serving.figures import figures
from fusioncim_sim.system.serving.metrics import Served
from fusioncim_sim.system.serving.serve import layer_steps, serve
from fusioncim_sim.system.serving.trace import SAMPLES, read_trace
from fusioncim_sim.system.workload import Cache

CHIP, MODEL, CORNER = "paper", "llama3-8b", NOMINAL_28NM
MEMORIES = ("lpddr5", "hbm2")
RUNS = {f"{trace}, {memory}": (trace, memory) for trace in SAMPLES for memory in MEMORIES}
PAGE_TOKENS = 16
"""As serving programs keep their caches."""
FIRST = 4
"""Steps whose cycles are stored by themselves."""
KEYS = 8192
DECODES = {f"decode of {sequences} over {KEYS:,}": sequences for sequences in (1, 16)}
"""Sequences of steps of decode, each over so many keys, from the first memory."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Serve all requests of every trace from every memory."""
    runs: dict[str, dict[str, Any]] = {}
    for name, (trace, memory) in RUNS.items():
        found = figures(served(trace, memory, jobs=request.jobs))
        first = [step["cycles"] for step in found["steps"][:FIRST]]
        runs[name] = {**found["whole"], "cycles_of_first_steps": first}
    decodes = {name: decode(sequences) for name, sequences in DECODES.items()}
    yield (
        "serving.json",
        {"chip": CHIP, "model": MODEL, "corner": CORNER, "page_tokens": PAGE_TOKENS, "runs": runs, "decodes": decodes},
    )


def served(trace: str, memory: str, *, requests: int | None = None, jobs: int = 1) -> Served:
    """A trace from a memory."""
    return serve(
        PRESETS[CHIP],
        language_model(MODEL),
        read_trace(trace).first(requests),
        dram=dram(memory),
        table=read_table(default_table()),
        at=corner(CORNER),
        cache=Cache(page_tokens=PAGE_TOKENS),
        jobs=jobs,
    )


def decode(sequences: int) -> dict[str, Mapping[str, float]]:
    """Joules per token, by component and of engines without work, of a step in which so many sequences decode."""
    (this,) = language_model(MODEL).kinds
    step = ((1, KEYS - 1, KEYS),) * sequences
    memory, table, at = dram(MEMORIES[0]), read_table(default_table()), corner(CORNER)
    (layer,) = layer_steps(PRESETS[CHIP], this, [step], memory, table, at, CLOCK_MHZ, Cache(page_tokens=PAGE_TOKENS))
    found = {"energy_per_token_j": layer.energy or {}, "idle_engines_per_token_j": layer.idle or {}}
    return {
        kind: {name: each * this.layers / sequences for name, each in joules.items()} for kind, joules in found.items()
    }


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


def idle_table(serving: Stored) -> str:
    """What engines without work take of the energy of a token without memory, and what could be saved of it."""
    kinds = [f"{what}, {kind}" for what in (CLOCK, LEAKAGE) for kind in (NO_TILE, WAITING)]
    head = ("per generated token", "mJ", "mJ without memory", *kinds, "clock gates save", "power switches save")
    rows: list[tuple[str, ...]] = [head, ("---", *("---:" for _ in head[1:]))]
    cases = {
        **{name: serving["decodes"][name] for name in DECODES},
        **{name: serving["runs"][name] for name, (_, memory) in RUNS.items() if memory == MEMORIES[0]},
    }
    for name, case in cases.items():
        energy, idle = case["energy_per_token_j"], case["idle_engines_per_token_j"]
        whole = sum(energy.values())
        chip = whole - energy[DRAM]
        shown = [*(idle[kind] for kind in kinds), *saved_by_gates(idle), saved_by_switches(idle)]
        *shares, least, most, switches = (f"{round(joules / chip, 3) + 0:.1%}" for joules in shown)  # + 0: no -0.0
        rows.append((name, f"{whole * 1e3:.3g}", f"{chip * 1e3:.3g}", *shares, f"{least} to {most}", switches))
    return markdown(rows)


def all_tables(serving: Stored) -> str:
    """All three tables."""
    return "\n\n".join(table(serving) for table in (serving_table, energy_table, idle_table))


STUDY = Study(
    files={"serving.json": ("chip", "model", "page_tokens", "runs", "decodes")},
    measure=measure,
    tables=(
        Table("docs/system.md", "serving", serving_table, ("serving",)),
        Table("docs/system.md", "serving_energy", energy_table, ("serving",)),
        Table("docs/system.md", "idle_engines", idle_table, ("serving",)),
    ),
    show=all_tables,
)
