"""Short prompts, decode steps and batches over their rooflines, by streams, walks and rows that drain (roofline.json).

Cycles are those of the cycle model, for a layer of LLaMA-3-8B on `paper` with LPDDR5 behind it unless a case says
otherwise. The chip as it is stands beside chips that differ in one parameter.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from fusioncim.build.workers import run_all
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table
from fusioncim_sim.system.cycles import run
from fusioncim_sim.system.dram import dram
from fusioncim_sim.system.models import Model, model, scores
from fusioncim_sim.system.roofline import roofline
from fusioncim_sim.system.workload import batch_of, cache_of

CHIP = PRESETS["paper"]
LLAMA = model("llama3-8b")
MULTI_QUERY = replace(LLAMA, name="64 query heads on one", heads=64, kv_heads=1)
LATENT = {"columns": 576, "buffer_bytes": 128 * 2 * 8 * 576}
"""A chip whose columns fit the latent vector with its rotary part, and a buffer of blocks of these."""
LENGTHS = (128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 32768)
CHIPS: Mapping[str, Mapping[str, Any]] = {
    "as it is": {},
    "1 walk": {"walks": 1},
    "1 stream, 1 walk": {"streams": 1, "walks": 1},
    "1 stream": {"streams": 1},
    "2 streams": {"streams": 2},
    "1 row drains": {"drain_rows": 1},
    "4 rows drain": {"drain_rows": 4},
    "in order": {"schedule": "in_order"},
}
"""Changes to the chip."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A layer's job.

    Members:
        parts: queries and keys of every sequence; the queries are the last tokens.
        model, memory: whose layer, behind which memory.
        cache: what keys and values are.
        chip: changes to the chip.
    """

    parts: Sequence[tuple[int, int]]
    model: Model = LLAMA
    memory: str = "lpddr5"
    cache: str = "int8"
    chip: Mapping[str, Any] = field(default_factory=dict)


CASES: Mapping[str, Case] = {
    **{f"decode of {queries:,} over 8,192": Case(parts=[(queries, 8192)]) for queries in (1, 8, 32, 128)},
    "decode of 1 over 8,192, INT4 cache": Case(parts=[(1, 8192)], cache="int4"),
    **{
        f"decode of 1 over 8,192, {bits} cache with scales per token": Case(
            parts=[(1, 8192)], cache=f"{bits.lower()}-per-token", chip={"token_scale_bits": 8}
        )
        for bits in ("INT8", "INT4")
    },
    "decode of 1 over 8,192, HBM2, bus of 1,024 bits": Case(parts=[(1, 8192)], memory="hbm2", chip={"bus_bits": 1024}),
    "decode of 1 over 8,192, HBM2, two read ports of 1,024 bits": Case(
        parts=[(1, 8192)], memory="hbm2", chip={"bus_bits": 1024, "read_ports": 2}
    ),
    **{
        f"decode of {queries} over 8,192, DeepSeek-V3, 576 columns": Case(
            parts=[(queries, 8192)], model=model("deepseek-v3"), chip=LATENT
        )
        for queries in (1, 4)
    },
    "16 decodes, 128 to 32,768 keys": Case(parts=[(1, keys) for keys in LENGTHS]),
    "16 decodes, the longest first": Case(parts=[(1, keys) for keys in reversed(LENGTHS)]),
    "15 decodes and a chunk of 512 over 2,048": Case(parts=[*[(1, 2048)] * 8, (512, 2048), *[(1, 2048)] * 7]),
    "16 decodes over 2,048, 64 query heads on one": Case(parts=[(1, 2048)] * 16, model=MULTI_QUERY),
    **{f"prefill of {tokens:,}": Case(parts=[(tokens, tokens)]) for tokens in (128, 256, 512, 1024, 2048, 4096, 8192)},
}


def cycles(case: Case, change: Mapping[str, Any]) -> dict[str, Any]:
    """Cycles of a case on a changed chip, its roofline and what bounds that."""
    chip = CHIP.override(**case.chip, **change)
    parts = [(queries, keys - queries, keys) for queries, keys in case.parts]
    memory = dram(case.memory).behind(chip, CLOCK_MHZ)
    counters = run(chip, [batch_of(chip, case.model, parts, cache_of(case.cache, None))], memory)
    this = case.model
    macs = sum(scores(this, *part) * (this.key_size + this.value_size) for part in parts)
    limits = roofline(chip, memory, counters, macs, max(keys for _, keys in case.parts))
    return {"cycles": counters.cycles, "roofline": round(limits.cycles), "bound": limits.bound}


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """All cases on all chips."""
    work = {
        f"{name}, {label}": partial(cycles, case, change)
        for name, case in CASES.items()
        for label, change in CHIPS.items()
    }
    done = run_all(work, jobs=request.jobs, title="walk")
    yield "roofline.json", {"cases": {name: {label: done[f"{name}, {label}"] for label in CHIPS} for name in CASES}}


def roofline_table(roofline: Stored) -> str:
    """Cycles over the roofline, a row for every case."""
    rows = [["a layer", "bound by", "roofline, cycles", *CHIPS]]
    rows.append(["---", "---", *("---:" for _ in rows[0][2:])])
    for name in CASES:
        found = roofline["cases"][name]
        own = found["as it is"]
        ratios = (f"{found[label]['cycles'] / found[label]['roofline']:.3f}" for label in CHIPS)
        rows.append([name, own["bound"], f"{own['roofline']:,}", *ratios])
    return markdown(rows)


STUDY = Study(
    files={"roofline.json": ("cases",)},
    measure=measure,
    tables=(Table("docs/system.md", "roofline", roofline_table, ("roofline",)),),
    show=roofline_table,
)
