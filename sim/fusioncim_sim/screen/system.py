"""The pages of `fusioncim evaluate` and `fusioncim explore`: where cycles, bytes and energy go; the best chips."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from fusioncim_sim.screen.tables import table
from fusioncim_sim.system.explore import lines
from fusioncim_sim.system.model import Evaluation

CAUSES = {
    "working": "unmasked multiply-accumulates",
    "masked": "masked scores, and rows without a query",
    "padded": "columns beyond the model's head dimension",
    "load": "idle while queries are loaded",
    "memory": "idle while waiting for keys and values",
    "drain": "idle while outputs leave",
    "imbalance": "idle with nothing left to do",
}


def evaluation_page(console: Console, result: Evaluation, corner: str) -> None:
    """What a model's attention takes, per layer and whole."""
    model, layers, layer = result.model, result.model.layers, result.counters
    whole = layer.cycles * layers
    shares = table("engine-cycles", "share", "meaning")
    for name, share in result.shares.items():
        shares.add_row(name, f"{share:.2%}", CAUSES[name])
    traffic = table("bytes", "per layer", "whole model")
    for name, value in result.bytes.items():
        traffic.add_row(name, f"{value:,}", f"{value * layers:,}")
    console.print(shares, traffic)
    if result.energy is not None and result.joules:
        energies = table("energy", "mJ per layer", "J, whole model", "share")
        for name, joules in result.energy.items():
            energies.add_row(name, f"{joules * 1e3:,.3f}", f"{joules * layers:,.4f}", f"{joules / result.joules:.1%}")
        energies.add_row("all", f"{result.joules * 1e3:,.3f}", f"{result.joules * layers:,.4f}", "100.0%")
        console.print(energies)
    console.print(
        f"{model.name}: {model.heads} heads on {model.kv_heads} of keys and values, {model.key_size} and "
        f"{model.value_size} elements, {layers} layers; {_phase(result)}.\n"
        f"{result.chip.engines} engines of {result.chip.engine.rows} x {result.chip.engine.columns}, "
        f"{result.clock_mhz:g} MHz, {result.dram.name}: {layer.cycles:,} cycles per layer, "
        f"{result.seconds * 1e3:,.3f} ms; whole model {whole:,} cycles, {result.seconds * layers:,.4f} s.",
        soft_wrap=True,
    )
    if result.joules:
        console.print(
            f"{2 * result.macs / result.joules * 1e-12:.2f} TOPS/W at {corner}, memory included "
            f"({2 * result.macs / (result.joules - result.energy_of_memory) * 1e-12:.2f} without), two operations per "
            "unmasked multiply-accumulate.",
            soft_wrap=True,
        )
    if not result.exact:
        console.print("Waiting was continued from shorter jobs (fusioncim_sim.system.extrapolate).", soft_wrap=True)


def front_page(console: Console, found: Sequence[Mapping[str, Any]], best: Sequence[Mapping[str, Any]]) -> None:
    """Chips that no other one beats."""
    grid = table("chip", "mm2", "mJ", "ms", "SQNR\ndB", "working", "energy")
    for line in lines(best):
        grid.add_row(*line)
    console.print(grid)
    console.print(f"{len(best):,} of {len(found):,} chips are beaten by no other one.", soft_wrap=True)


def _phase(result: Evaluation) -> str:
    phase = result.phase
    if phase.new is not None:
        return f"decode of {phase.new:,} tokens over {phase.tokens:,}"
    chunks = f" in chunks of {phase.chunk:,}" if phase.chunk else ""
    return f"prefill of {phase.tokens:,} tokens{chunks}"
