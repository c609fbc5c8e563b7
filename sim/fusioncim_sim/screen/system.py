"""The pages of `fusioncim evaluate` and `fusioncim explore`: where cycles, bytes and energy go; the best chips."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from fusioncim_sim.screen.tables import significant, table
from fusioncim_sim.system.energy_table import DRAM
from fusioncim_sim.system.explore import Found
from fusioncim_sim.system.model import Evaluation
from fusioncim_sim.system.pareto import lines, point_name
from fusioncim_sim.system.whole_model import WholeModel
from fusioncim_sim.system.workload import BOUND

CAUSES = {
    "working": "unmasked multiply-accumulates",
    "masked": "masked scores, and rows without a query",
    "padded": "columns beyond the model's head dimension",
    "load": "idle while queries are loaded",
    "memory": "idle while waiting for keys and values",
    "drain": "idle while outputs leave",
    "imbalance": "idle with nothing left to do",
}


def evaluation_page(console: Console, result: WholeModel, corner: str) -> None:
    """What a model's attention takes: a layer of every kind, and all layers."""
    for each in result.kinds:
        _layer_page(console, each)
    one = result.kinds[0]
    left_out = "".join(f"; {number} layers of {kind} are left out" for kind, number in result.model.left_out.items())
    console.print(
        f"{result.model.name}: {result.layers} layers, {_phase(one)}{left_out}.\n"
        f"{one.chip.engines} engines of {one.chip.engine.rows} x {one.chip.engine.columns}, {one.clock_mhz:g} MHz, "
        f"{one.dram.name}: whole model {result.cycles:,} cycles, {significant(result.seconds)} s.",
        soft_wrap=True,
    )
    if result.energy and result.tops_per_w:
        joules = sum(result.energy.values())
        console.print(
            f"{significant(joules)} J, {result.tops_per_w:.2f} TOPS/W at {corner}, memory included "
            f"({2 * result.macs / (joules - result.energy[DRAM]) * 1e-12:.2f} without), two operations per "
            "unmasked multiply-accumulate.",
            soft_wrap=True,
        )
        if one.cache.rests(one.chip):
            console.print(BOUND, soft_wrap=True)
        if result.estimate:
            console.print(result.estimate.words, soft_wrap=True)
    if not all(each.exact for each in result.kinds):
        console.print("Waiting was continued from shorter jobs (fusioncim_sim.system.extrapolate).", soft_wrap=True)


def _layer_page(console: Console, result: Evaluation) -> None:
    """A layer of one kind, and all of its kind."""
    model, layers, layer = result.model, result.model.layers, result.counters
    console.print(
        f"{layers} layers of {model.heads} heads on {model.kv_heads} of keys and values, {model.key_size} and "
        f"{model.value_size} elements, {model.mask.words}: {layer.cycles:,} cycles per layer, "
        f"{significant(result.seconds * 1e3)} ms.",
        soft_wrap=True,
    )
    shares = table("engine-cycles", "share", "meaning")
    for name, share in result.shares.items():
        shares.add_row(name, f"{share:.2%}", CAUSES[name])
    traffic = table("bytes", "per layer", "these layers")
    for name, value in result.bytes.items():
        traffic.add_row(name, f"{value:,}", f"{value * layers:,}")
    console.print(shares, traffic)
    if result.energy is not None and result.joules:
        energies = table("energy", "mJ per layer", "J, these layers", "share")
        for name, joules in result.energy.items():
            part = f"{joules / result.joules:.1%}"
            energies.add_row(name, significant(joules * 1e3), significant(joules * layers), part)
        energies.add_row("all", significant(result.joules * 1e3), significant(result.joules * layers), "100.0%")
        console.print(energies)


def front_page(console: Console, found: Found, best: Sequence[Mapping[str, Any]]) -> None:
    """Chips that no other one beats, and those that cannot do the work."""
    grid = table("chip", "mm2", "mJ", "ms", "SQNR\ndB", "working", "energy")
    for line in lines(best):
        grid.add_row(*line)
    console.print(grid)
    console.print(f"{len(best):,} of {len(found.chips):,} chips are beaten by no other one.", soft_wrap=True)
    for words in dict.fromkeys(each.get("energies") for each in best):
        if words:
            console.print(words, soft_wrap=True)
    for rule, count in Counter(each["refused"] for each in found.refused).items():
        first = next(point_name(each["point"]) for each in found.refused if each["refused"] == rule)
        others = f" and {count - 1:,} others" if count > 1 else ""
        console.print(f"refused: {first}{others}: {rule}", soft_wrap=True)


def _phase(result: Evaluation) -> str:
    phase = result.phase
    many = f"{result.phase.sequences:,} sequences, " if result.phase.sequences > 1 else ""
    cache = result.cache.words
    if phase.new is not None:
        return f"{many}decode of {phase.new:,} tokens over {phase.tokens:,}{cache}"
    chunks = f" in chunks of {phase.chunk:,}" if phase.chunk else ""
    return f"{many}prefill of {phase.tokens:,} tokens{chunks}{cache}"
