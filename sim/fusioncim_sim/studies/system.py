"""Whole models on the published chip: what `evaluate` says (system.json), and the table of docs/system.md."""

import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fusioncim.build.workers import run_all
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table
from fusioncim_sim.system.ablation import MECHANISMS, Rescale, combinations, named, read_moves, shares, variants
from fusioncim_sim.system.baselines import BASELINES, Attention, baseline, energy_of
from fusioncim_sim.system.dram import dram
from fusioncim_sim.system.energy import moved
from fusioncim_sim.system.energy_table import NOMINAL_28NM, corner, default_table, read_table
from fusioncim_sim.system.model import Evaluation, evaluate
from fusioncim_sim.system.model_table import models_table
from fusioncim_sim.system.models import model
from fusioncim_sim.system.published import A100_WATTS, a100_seconds
from fusioncim_sim.system.published_designs import published_table
from fusioncim_sim.system.workload import Phase

PAPER = PRESETS["paper"]
MEMORY, CORNER = "lpddr5", NOMINAL_28NM
ABLATED = (1024, 4096)
LENGTHS = (256, 512, 1024, 2048, 4096, 8192)
"""Prefill of LLaMA-3-8B beside the baselines: the lengths of the paper's figures."""
CASES: Mapping[str, tuple[str, Phase]] = {
    **{f"llama3-8b, {n:,}": ("llama3-8b", Phase(tokens=n)) for n in (256, 1024, 2048, 4096, 8192, 32768, 131072)},
    "llama3-8b, 8,192 in chunks of 1,024": ("llama3-8b", Phase(tokens=8192, chunk=1024)),
    **{f"llama3-8b, decode of {n} over 8,192": ("llama3-8b", Phase(tokens=8192, new=n)) for n in (1, 8, 32, 128)},
    "llama3-70b, 8,192": ("llama3-70b", Phase(tokens=8192)),
    "llama2-7b, 4,096": ("llama2-7b", Phase(tokens=4096)),
    "gpt3-175b, 2,048": ("gpt3-175b", Phase(tokens=2048)),
    "next-gpt, 4,096": ("next-gpt", Phase(tokens=4096)),
    "bert-base, 512": ("bert-base", Phase(tokens=512)),
}


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Evaluate all cases; how often rescales happen is in rescales.json."""
    work: dict[str, Any] = {name: partial(case, name) for name in CASES}
    work |= {f"baselines, {tokens}": partial(compared, tokens) for tokens in LENGTHS}
    work |= {f"ablation, {tokens}": partial(ablated, tokens, request.output / "rescales.json") for tokens in ABLATED}
    done = run_all(work, jobs=request.jobs, title="evaluate")
    yield (
        "system.json",
        {
            "chip": PAPER.as_dict(),
            "memory": MEMORY,
            "corner": CORNER,
            "runs": {name: done[name] for name in CASES},
            "ablation": {str(tokens): done[f"ablation, {tokens}"] for tokens in ABLATED},
            "baselines": {str(tokens): done[f"baselines, {tokens}"] for tokens in LENGTHS},
        },
    )


def case(name: str) -> dict[str, Any]:
    """A case, and how long the model took for it."""
    which, phase = CASES[name]
    table = read_table(default_table())
    began = time.monotonic()
    result = evaluate(PAPER, model(which), phase, dram=dram(MEMORY), table=table, at=corner(CORNER))
    seconds = round(time.monotonic() - began, 2)
    found = result.as_dict()
    return {name: found[name] for name in ("layer", "whole")} | {"model_seconds": seconds}


def compared(tokens: int) -> dict[str, Any]:
    """A layer of LLaMA-3-8B on the chip, on both baselines, and on an A100 at its roofline."""
    table, at = read_table(default_table()), corner(CORNER)
    ours, where = llama(tokens)
    bytes_inside = sum(value for name, value in ours.bytes.items() if name.startswith("global buffer"))
    found = {
        "ours": {
            "cycles": ours.counters.cycles,
            "joules": ours.joules,
            "energy_j": ours.energy,
            "memory_bytes": moved(ours.counters),
            "buffer_bytes": bytes_inside,
        }
    }
    for name in BASELINES:
        effort = baseline(name, where)
        energies = energy_of(effort, table, where, at)
        found[name] = {
            "cycles": round(effort.cycles),
            "joules": sum(energies.values()),
            "energy_j": energies,
            "memory_bytes": round(effort.memory),
            "buffer_bytes": round(effort.buffer),
            "phases": {phase: round(cycles) for phase, cycles in effort.phases.items()},
        }
    this = ours.model
    once = (this.heads * 3 + this.kv_heads * 2) * tokens * PAPER.vector_bytes
    seconds = a100_seconds(ours.macs, once)
    return {**found, "A100 roofline": {"seconds": seconds, "joules": seconds * A100_WATTS}}


def llama(tokens: int) -> tuple[Evaluation, Attention]:
    """A layer of LLaMA-3-8B on the chip, and as the baselines take it."""
    where, table = attention(tokens), read_table(default_table())
    ours = evaluate(PAPER, where.model, Phase(tokens=tokens), dram=where.dram, table=table, at=corner(CORNER))
    return ours, where


def attention(tokens: int) -> Attention:
    """A layer of LLaMA-3-8B as the baselines take it."""
    return Attention(
        chip=PAPER,
        model=model("llama3-8b"),
        dram=dram(MEMORY),
        clock_mhz=CLOCK_MHZ,
        queries=tokens,
        start=0,
        keys=tokens,
    )


def ablated(tokens: int, rescales: Path) -> dict[str, Any]:
    """All combinations of the mechanisms on a layer of LLaMA-3-8B, and what each is worth."""
    table, at, moves = read_table(default_table()), corner(CORNER), read_moves(rescales)
    ours, where = llama(tokens)
    found: dict[str, Any] = {}
    for rescale in Rescale:
        each = variants(ours, where, table, at, moves, rescale)
        found[rescale] = {
            "variants": {
                named(chosen): {
                    "cycles": round(variant.cycles),
                    "joules": variant.joules,
                    "energy_j": dict(variant.energy),
                }
                for chosen, variant in each.items()
            },
            "shares": {
                "cycles": shares(each, lambda variant: variant.cycles),
                "energy": shares(each, lambda variant: variant.joules),
            },
        }
    return found


def ablation_table(system: Stored) -> str:
    """Cycles and energy of every combination over those of the whole chip, and the shares."""
    columns = [(tokens, rescale) for tokens in sorted(system["ablation"], key=int) for rescale in Rescale]
    head = (
        "mechanisms",
        *(f"{int(tokens):,} tokens, rescale {rescale}: cycles, energy" for tokens, rescale in columns),
    )
    rows: list[tuple[str, ...]] = [head, ("---", *("---:" for _ in columns))]
    for name in map(named, combinations()):
        cells = []
        for tokens, rescale in columns:
            each = system["ablation"][tokens][rescale]["variants"]
            whole = each[named(frozenset(MECHANISMS))]
            cells.append(f"{each[name]['cycles'] / whole['cycles']:.2f}, {each[name]['joules'] / whole['joules']:.2f}")
        rows.append((name, *cells))
    for name in MECHANISMS:
        parts = (system["ablation"][tokens][rescale]["shares"] for tokens, rescale in columns)
        rows.append((f"*worth of the {name}*", *(f"{x['cycles'][name]:.0%}, {x['energy'][name]:.0%}" for x in parts)))
    return markdown(rows)


def baseline_table(system: Stored) -> str:
    """A layer of LLaMA-3-8B: the chip, and the baselines over it."""
    figures = {"cycles": "cycles", "joules": "energy", "memory_bytes": "memory", "buffer_bytes": "buffer"}
    head = (
        "tokens",
        "ms",
        "mJ",
        *(f"{name}: {word}" for name in BASELINES for word in figures.values()),
        "A100: ms, mJ",
    )
    rows: list[tuple[str, ...]] = [head, tuple("---:" for _ in head)]
    for tokens in sorted(system["baselines"], key=int):
        found = system["baselines"][tokens]
        ours, gpu = found["ours"], found["A100 roofline"]
        ratios = [f"{found[name][key] / ours[key]:.2f}" for name in BASELINES for key in figures]
        times = (f"{ours['cycles'] / CLOCK_MHZ * 1e-3:.3g}", f"{ours['joules'] * 1e3:.3g}")
        rows.append((f"{int(tokens):,}", *times, *ratios, f"{gpu['seconds'] * 1e3:.3g}, {gpu['joules'] * 1e3:.3g}"))
    return markdown(rows)


def system_table(system: Stored) -> str:
    """Where cycles and energy of whole models go."""
    causes = ("working", "masked", "load", "memory", "drain", "imbalance")
    head = ("attention of", "s", "cycles of a layer", *causes, "J", "of it memory", "TOPS/W")
    rows: list[tuple[str, ...]] = [head, ("---", *("---:" for _ in head[1:]))]
    for name, run in ((name, system["runs"][name]) for name in CASES):
        layer, whole = run["layer"], run["whole"]
        joules = sum(whole["energy_j"].values())
        shares = layer["shares"] | {"working": layer["shares"]["working"] + layer["shares"]["padded"]}
        rows.append(
            (
                name,
                f"{whole['seconds']:.3g}",
                f"{'' if layer['exact'] else '~ '}{layer['cycles']:,}",
                *(f"{shares[cause]:.1%}" for cause in causes),
                f"{joules:.3g}",
                f"{whole['energy_j']['DRAM'] / joules:.0%}",
                f"{whole['tops_per_w']:.2f}",
            )
        )
    return markdown(rows)


def everything(system: Stored) -> str:
    """All tables."""
    return "\n\n".join(table(system) for table in (system_table, baseline_table, ablation_table))


PAGE, SOURCES = "docs/system.md", ["system"]
STUDY = Study(
    files={"system.json": ("ablation", "baselines", "chip", "memory", "runs")},
    measure=measure,
    tables=[
        Table(PAGE, "system", system_table, SOURCES),
        Table(PAGE, "baselines", baseline_table, SOURCES),
        Table(PAGE, "published", published_table, []),
        Table("docs/models.md", "models", models_table, []),
        Table(PAGE, "ablation", ablation_table, SOURCES),
    ],
    show=everything,
)
