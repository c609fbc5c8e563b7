"""Requests to a language model on a chip: the attention of every step of a closed loop, as one job per layer.

A step is walked through in the cycle model once for every kind of layer; steps that are alike are walked through once.
Layers follow each other, and so do steps. All that is not attention takes no time.
"""

from collections.abc import Sequence
from functools import partial
from math import ceil

from fusioncim.asic.scaling import Point
from fusioncim.build.workers import run_all
from fusioncim.package import CLOCK_MHZ, check_clock
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.errors import InputError
from fusioncim_golden.limits import POSITIONS
from fusioncim_sim.system.cycles import run
from fusioncim_sim.system.dram import Dram
from fusioncim_sim.system.energy import energy
from fusioncim_sim.system.energy_sizes import fitted
from fusioncim_sim.system.energy_table import EnergyTable
from fusioncim_sim.system.idle_engines import idle_energy
from fusioncim_sim.system.layer_work import LayerWork
from fusioncim_sim.system.model_config import LanguageModel
from fusioncim_sim.system.models import Model, most_keys, scores
from fusioncim_sim.system.roofline import roofline
from fusioncim_sim.system.serving.closed_loop import CHUNK, SLOTS, closed_loop
from fusioncim_sim.system.serving.metrics import LayerStep, Loop, Served
from fusioncim_sim.system.serving.trace import Trace
from fusioncim_sim.system.workload import CONTIGUOUS, Cache, batch_of, check_chunk, check_fits

PIECES = 32
"""Pieces that the steps are done in, for each kind of layer."""

Size = tuple[tuple[int, int, int], ...]
"""A step as the chip sees it: queries, position of the first one and keys of every sequence."""


def serve(
    chip: ChipConfig,
    model: LanguageModel,
    trace: Trace,
    *,
    dram: Dram,
    table: EnergyTable | None,
    at: Point,
    clock_mhz: float = CLOCK_MHZ,
    slots: int = SLOTS,
    chunk: int = CHUNK,
    cache: Cache = CONTIGUOUS,
    jobs: int = 1,
) -> Served:
    """Run all requests of a trace; jobs: processes at a time; the other arguments are those of `model.evaluate`.

    Everything is checked before the first step runs.
    """
    check_clock(clock_mhz)
    if table:
        table = fitted(table, chip)
    for kind in model.kinds:
        check_chunk(kind, chunk)
    steps = closed_loop(trace.requests, slots, chunk)
    sizes = [tuple(share.size for share in step) for step in steps]
    distinct = list(dict.fromkeys(sizes))
    check_steps(chip, model, distinct, cache)
    length = ceil(len(distinct) / PIECES)
    names = {model: f"{model.name}, layers of kind {n}" if n else model.name for n, model in enumerate(model.kinds)}
    work = {
        f"{names[kind]}, from step {n + 1:,}": partial(
            layer_steps, chip, kind, distinct[n : n + length], dram, table, at, clock_mhz, cache
        )
        for kind in model.kinds
        for n in range(0, len(distinct), length)
    }
    done = iter(run_all(work, jobs=jobs, title="evaluate").values())
    pieces = ceil(len(distinct) / length)
    found = [[one for _ in range(pieces) for one in next(done)] for _ in model.kinds]
    taken = dict(zip(distinct, zip(*found, strict=True), strict=True))
    return Served(
        chip=chip, model=model, trace=trace, dram=dram, clock_mhz=clock_mhz,
        loop=Loop(slots=slots, chunk=chunk, cache=cache), steps=tuple(steps),
        layers=tuple(taken[size] for size in sizes), estimate=table.estimate if table else None,
    )  # fmt: skip


def check_steps(chip: ChipConfig, model: LanguageModel, steps: Sequence[Size], cache: Cache) -> None:
    """Refuse steps that the chip would refuse, and models whose tokens see later ones."""
    page = cache.page_tokens or 1
    for kind in model.kinds:
        if not kind.looks_back:
            raise InputError(f"the tokens of a model that serves requests must see no later ones, not so {kind.name}")
        check_fits(chip, kind)
        for step in steps:
            rooms = [-(-keys // page) * page for _, _, keys in step]
            if len(step) > 1 and sum(rooms) > POSITIONS:
                raise InputError(
                    f"the keys of all sequences of a step must be at most {POSITIONS:,} together "
                    f"(these fit with --slots {max(POSITIONS // max(rooms), 1):,}), not {sum(rooms):,}"
                )
            batch_of(chip, kind, step, cache).job.check(chip)


def layer_steps(
    chip: ChipConfig,
    model: Model,
    steps: Sequence[Size],
    dram: Dram,
    table: EnergyTable | None,
    at: Point,
    clock_mhz: float,
    cache: Cache,
) -> list[LayerStep]:
    """A layer of every step."""
    memory, found = dram.behind(chip, clock_mhz), []
    for step in steps:
        counters = run(chip, [batch_of(chip, model, step, cache)], memory)
        pairs = sum(scores(model, *part) for part in step)
        rows = model.heads * sum(queries for queries, _, _ in step)
        work = LayerWork(chip=chip, model=model, clock_mhz=clock_mhz, counters=counters, pairs=pairs)
        longest = max(most_keys(model, *part) for part in step)
        seen = table.seeing(pairs / rows, centred=not model.sinks) if table else None
        found.append(
            LayerStep(
                counters=counters,
                pairs=pairs,
                roofline=roofline(chip, memory, counters, work.macs, longest),
                energy=energy(seen, chip, counters, rows, dram, clock_mhz, at, shared=model.latent) if seen else None,
                idle=idle_energy(seen, chip, counters, clock_mhz, at) if seen else None,
            )
        )
    return found
