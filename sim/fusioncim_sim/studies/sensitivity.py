"""How far the comparison depends on what it assumes: one assumption at a time, and the range in which a headline holds.

Headlines are the baselines over the chip, in latency and in energy, of a layer of LLaMA-3-8B. Every assumption has two
ends; each end is evaluated as it is, with the chip's own cycles. For assumptions that scale an energy, the factor at
which a headline turns (1: nobody is ahead) is solved for, as both energies are linear in it.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fusioncim.build.workers import run_all
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.mask import CAUSAL, FULL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table
from fusioncim_sim.studies.system import CORNER, MEMORY
from fusioncim_sim.system.ablation import Moves, Rescale, read_moves, variants
from fusioncim_sim.system.baselines import Attention
from fusioncim_sim.system.dram import dram
from fusioncim_sim.system.energy_table import LIBRARY_45NM, LOW_28NM, EnergyTable, corner, default_table, read_table
from fusioncim_sim.system.model import Evaluation, evaluate
from fusioncim_sim.system.models import Model, changed, model
from fusioncim_sim.system.workload import Phase

PAPER = PRESETS["paper"]
HEADLINES = ("B1: latency", "B2: latency", "B1: energy", "B2: energy")
FACTORS = ("IP-CIM energy", "OP-CIM energy", "blocks added to O", "CIM write energy", "DRAM energy", "leakage")
SEVERAL = 100.0
"""A turn is looked for up to this factor."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What the comparison assumes.

    Members:
        tokens: length of the prefill
        mask: which keys a token sees
        chip: ours
        memory: name of the memory
        corner: technology and supply by name
        rescale: what moving a reference costs
        factors: on measured or cited energies, and on what heads add to O, by name; 1 unless named
    """

    tokens: int = 4096
    mask: Mask = CAUSAL
    chip: ChipConfig = PAPER
    memory: str = MEMORY
    corner: str = CORNER
    rescale: Rescale = Rescale.FREE
    factors: tuple[tuple[str, float], ...] = ()

    def factor(self, name: str) -> float:
        """1 unless it is set."""
        return dict(self.factors).get(name, 1.0)

    def scaled(self, name: str, factor: float) -> "Setting":
        """With one factor more."""
        return replace(self, factors=(*self.factors, (name, factor)))


BASE = Setting()
ENDS: Mapping[str, Mapping[str, Setting]] = {
    **{
        f"{name} -50 % .. +50 %": {"x 0.5": BASE.scaled(name, 0.5), "x 1.5": BASE.scaled(name, 1.5)}
        for name in ("IP-CIM energy", "OP-CIM energy", "blocks added to O", "leakage")
    },
    "DRAM energy 3.97 .. 26 pJ/bit": {
        "3.97 (HBM2)": BASE.scaled("DRAM energy", 3.97 / 13),
        "26 (twice)": BASE.scaled("DRAM energy", 2.0),
    },
    "CIM write energy x 0.25 .. x 4": {
        "x 0.25": BASE.scaled("CIM write energy", 0.25),
        "x 4": BASE.scaled("CIM write energy", 4.0),
    },
    "memory lpddr4 .. hbm2": {"lpddr4": replace(BASE, memory="lpddr4"), "hbm2": replace(BASE, memory="hbm2")},
    "buffer 256 KB .. 4 MB": {
        "256 KB": replace(BASE, chip=PAPER.override(buffer_bytes=1 << 18)),
        "4 MB": replace(BASE, chip=PAPER.override(buffer_bytes=1 << 22)),
    },
    "engines 4 .. 8": {
        "4": replace(BASE, chip=PAPER.override(engines=4)),
        "8": replace(BASE, chip=PAPER.override(engines=8)),
    },
    "tile 64 .. 256 rows": {
        "64": replace(BASE, chip=PAPER.override(rows=64, softmax_lanes=8)),
        "256": replace(BASE, chip=PAPER.override(rows=256, softmax_lanes=32)),
    },
    "length 256 .. 8,192": {"256": replace(BASE, tokens=256), "8,192": replace(BASE, tokens=8192)},
    "mask causal .. full": {"causal": BASE, "full": replace(BASE, mask=FULL)},
    "rescale free .. stalls": {"free": BASE, "stalls": replace(BASE, rescale=Rescale.STALLS)},
    "corner 0.72 V .. 45 nm": {name: replace(BASE, corner=name) for name in (LOW_28NM, LIBRARY_45NM)},
}
"""Both ends of every assumption, by what they are called."""


@functools.cache
def _measured() -> EnergyTable:
    return read_table(default_table())


def table_of(setting: Setting) -> EnergyTable:
    """The energy table with the factors of its parts."""
    table = _measured()
    parts = dict(table.engine)
    for name in ("IP-CIM", "OP-CIM"):
        parts[name] *= setting.factor(f"{name} energy")
    leaks = {name: value * setting.factor("leakage") for name, value in table.leakage_mw.items()}
    addition = table.addition_fj * setting.factor("OP-CIM energy")
    factor = setting.factor("blocks added to O")
    added, uncentred = (
        {keys: per_key * factor for keys, per_key in each.items()} for each in (table.by_keys, table.uncentred)
    )
    return replace(table, engine=parts, leakage_mw=leaks, addition_fj=addition, by_keys=added, uncentred=uncentred)


@functools.lru_cache(maxsize=8)
def _evaluated(chip: ChipConfig, this: Model, tokens: int, memory: str) -> Evaluation:
    """Cycles depend on these alone."""
    return evaluate(chip, this, Phase(tokens=tokens), dram=dram(memory), table=None, at=corner(CORNER))


def headlines(setting: Setting, moves: Moves) -> dict[str, float]:
    """The baselines over the chip."""
    joules, cycles = {}, {}
    for name, variant in joules_and_cycles(setting, moves).items():
        joules[name], cycles[name] = variant
    return {
        **{f"{name}: latency": cycles[name] / cycles["ours"] for name in ("B1", "B2")},
        **{f"{name}: energy": joules[name] / joules["ours"] for name in ("B1", "B2")},
    }


def joules_and_cycles(setting: Setting, moves: Moves) -> dict[str, tuple[float, float]]:
    """Joules and cycles of the chip and of both baselines."""
    this = changed(model("llama3-8b"), {"mask": setting.mask})
    cited = dram(setting.memory)
    memory = replace(cited, pj_per_bit=cited.pj_per_bit * setting.factor("DRAM energy"))
    table, at = table_of(setting), corner(setting.corner)
    ours = _evaluated(setting.chip, this, setting.tokens, setting.memory).with_energy(table, memory, at)
    where = Attention(
        chip=setting.chip,
        model=this,
        dram=memory,
        clock_mhz=CLOCK_MHZ,
        queries=setting.tokens,
        start=0,
        keys=setting.tokens,
        write_factor=setting.factor("CIM write energy"),
    )
    each = variants(ours, where, table, at, moves, setting.rescale)
    every = {
        "B1": each[frozenset()],
        "B2": each[frozenset({"pipeline"})],
        "ours": each[frozenset({"pipeline", "dataflow", "pattern"})],
    }
    return {name: (variant.joules, variant.cycles) for name, variant in every.items()}


def turn(name: str, against: str, moves: Moves) -> float | None:
    """The factor of an energy at which a baseline takes as much as the chip; None if there is none up to SEVERAL."""

    def lead(factor: float) -> float:
        found = joules_and_cycles(BASE.scaled(name, factor), moves)
        return found[against][0] - found["ours"][0]

    at_none, slope = lead(0.0), lead(1.0) - lead(0.0)
    factor = -at_none / slope if slope else -1.0
    return factor if 0 <= factor <= SEVERAL else None


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Evaluate all ends and turns; how often rescales happen is in rescales.json."""
    moves = read_moves(request.output / "rescales.json")
    work: dict[str, Any] = {"base": partial(headlines, BASE, moves)}
    work |= {
        f"{name}: {end}": partial(headlines, setting, moves)
        for name, ends in ENDS.items()
        for end, setting in ends.items()
    }
    work |= {f"turn {name}, {by}": partial(turn, name, by, moves) for name in FACTORS for by in ("B1", "B2")}
    done = run_all(work, jobs=request.jobs, title="evaluate")
    yield (
        "sensitivity.json",
        {
            "base": done["base"],
            "ends": {name: {end: done[f"{name}: {end}"] for end in ends} for name, ends in ENDS.items()},
            "turns": {name: {by: done[f"turn {name}, {by}"] for by in ("B1", "B2")} for name in FACTORS},
        },
    )


def sensitivity_table(sensitivity: Stored) -> str:
    """Headlines at both ends of every assumption."""
    head = ("assumption", *HEADLINES)
    found: list[tuple[str, ...]] = [head, ("---", *("---:" for _ in HEADLINES))]
    found.append(("as it is", *(f"{sensitivity['base'][name]:.2f}" for name in HEADLINES)))
    for name, ends in ENDS.items():
        each = [sensitivity["ends"][name][end] for end in ends]
        cells = [" .. ".join(f"{end[headline]:.2f}" for end in each) for headline in HEADLINES]
        found.append((name, *cells))
    return markdown(found)


def turns_table(sensitivity: Stored) -> str:
    """Factors at which energies are equal."""
    found: list[tuple[str, ...]] = [
        ("factor on", "energy equals B1's at", "energy equals B2's at"),
        ("---", "---:", "---:"),
    ]
    for name in FACTORS:
        each = sensitivity["turns"][name]
        found.append((name, *("never" if each[by] is None else f"x {each[by]:.2f}" for by in ("B1", "B2"))))
    return markdown(found)


def both_tables(sensitivity: Stored) -> str:
    """Headlines, then factors."""
    return f"{sensitivity_table(sensitivity)}\n\n{turns_table(sensitivity)}"


STUDY = Study(
    files={"sensitivity.json": ("base", "ends", "turns")},
    measure=measure,
    tables=[Table("docs/system.md", "sensitivity", both_tables, ["sensitivity"])],
    show=both_tables,
)
