"""The page of `fusioncim evaluate --batch`: tokens per second, times, energy per token, distance from the roofline."""

from collections.abc import Mapping
from functools import partial

from rich.console import Console

from fusioncim_sim.screen.system import CAUSES
from fusioncim_sim.screen.tables import cell, significant, table
from fusioncim_sim.system.energy_table import DRAM
from fusioncim_sim.system.idle_engines import CLOCK, LEAKAGE, NO_TILE, WAITING
from fusioncim_sim.system.serving.figures import spread
from fusioncim_sim.system.serving.metrics import Served
from fusioncim_sim.system.workload import BOUND

LIMITS = {
    "reads": "bytes read",
    "writes": "bytes written",
    "multiply": "unmasked multiply-accumulates",
    "stream": "keys of the longest row",
}


def serving_page(console: Console, result: Served, corner: str) -> None:
    """What the attention of all requests takes."""
    _times(console, result)
    grid = table("engine-cycles", "share", "meaning")
    for name, share in result.shares.items():
        grid.add_row(name, f"{share:.2%}", CAUSES[name])
    console.print(grid)
    grid = table("bytes", "all layers and steps", "per generated token")
    for name, value in result.bytes.items():
        grid.add_row(name, f"{value:,}", f"{value / result.generated:,.0f}")
    console.print(grid)
    energy = result.per_token(result.all)
    if energy:
        _energy(console, energy, result.per_token(result.decodes))
    _summary(console, result, energy, corner)


def _times(console: Console, result: Served) -> None:
    """Times of steps and tokens."""
    first, later = result.waits
    steps, least = result.cycles, result.least_cycles
    grid = table("time", "mean", "median", "99 %")
    for name, values, unit in (
        ("step, ms", result.step_seconds, 1e3),
        ("first token of a request, ms", first, 1e3),
        ("each later token, ms", later, 1e3),
        ("cycles of a step over its roofline", [n / m for n, m in zip(steps, least, strict=True)], 1.0),
    ):
        found = spread(values) or {}
        grid.add_row(name, *(cell(found[each] * unit if found else None, ",.3f") for each in ("mean", "median", "p99")))
    console.print(grid)


def _energy(console: Console, energy: Mapping[str, float], decodes: Mapping[str, float] | None) -> None:
    """Energy per token by component."""
    grid = table("energy", "mJ per generated token", "share", "in steps of decode alone", "their share")
    joules, alone = sum(energy.values()), sum((decodes or {}).values())
    for name, one in (*energy.items(), ("all", joules)):
        other = alone if name == "all" else (decodes or {}).get(name)
        own = ("-", "-") if not alone or other is None else (f"{other * 1e3:,.4f}", f"{other / alone:.1%}")
        grid.add_row(name, f"{one * 1e3:,.4f}", f"{one / joules:.1%}", *own)
    console.print(grid)


def _summary(console: Console, result: Served, energy: Mapping[str, float] | None, corner: str) -> None:
    """What was asked, and the answer in sentences."""
    chip, loop, model = result.chip, result.loop, result.model
    layers = sum(each.layers for each in model.kinds)
    left_out = "".join(f"; {number} layers of {kind} are left out" for kind, number in model.left_out.items())
    bounds = ", ".join(f"{LIMITS[name]} {share:.0%}" for name, share in result.bounds.items() if share)
    full = result.generated_per_s(result.full)
    whole = f", {full:,.1f} in the {len(result.full):,} steps that fill all slots" if full else ""
    say = partial(console.print, soft_wrap=True)
    say(
        f"{result.trace.name}: {len(result.trace.requests):,} requests ({result.trace.source}), "
        f"{result.prompt_tokens:,} prompt tokens, {result.generated:,} generated."
    )
    say(
        f"{model.name}: {layers} layers{left_out}, attention alone; {loop.slots:,} slots, chunks of {loop.chunk:,} "
        f"tokens{loop.cache.words}."
    )
    say(
        f"{chip.engines} engines of {chip.engine.rows} x {chip.engine.columns}, {result.clock_mhz:g} MHz, "
        f"{result.dram.name}: {len(result.steps):,} steps, {sum(map(len, result.steps)) / len(result.steps):.1f} "
        f"sequences each, {sum(result.cycles):,} cycles, {significant(result.seconds)} s."
    )
    say(
        f"{result.generated / result.seconds:,.1f} generated tokens per second{whole}; "
        f"{result.prompt_tokens / result.seconds:,.1f} prompt tokens per second."
    )
    say(f"{result.over_roofline:.3f} times the roofline, which is bound by: {bounds}.")
    if energy:
        joules = sum(energy.values())
        say(
            f"{joules * 1e3:,.3f} mJ per generated token at {corner}, memory included "
            f"({(joules - energy[DRAM]) * 1e3:,.3f} without)."
        )
        if loop.cache.rests(chip):
            say(BOUND)
        if result.estimate:
            say(result.estimate.words)
    if idle := result.idle_per_token(result.all):
        clock, leakage = (sum(idle[f"{what}, {kind}"] for kind in (NO_TILE, WAITING)) for what in (CLOCK, LEAKAGE))
        say(
            f"Of it engines without work take {clock * 1e3:,.3f} mJ by their clock and {leakage * 1e3:,.3f} by leakage."
        )
