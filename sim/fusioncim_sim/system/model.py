"""Attention of a language model on a chip: cycles, utilization by cause, bytes by interface, energy by component."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from fusioncim.asic.scaling import Point
from fusioncim.package import CLOCK_MHZ, check_clock
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_sim.system.cycles import Counts
from fusioncim_sim.system.dram import Dram
from fusioncim_sim.system.energy import energy
from fusioncim_sim.system.energy_sizes import fitted
from fusioncim_sim.system.energy_table import DRAM, EnergyTable, Estimate
from fusioncim_sim.system.extrapolate import Layer, Size, layer_counters
from fusioncim_sim.system.layer_work import LayerWork
from fusioncim_sim.system.models import Model, scores
from fusioncim_sim.system.workload import CONTIGUOUS, Cache, Phase, check_chunk, check_fits


@dataclass(frozen=True, kw_only=True)
class Evaluation(LayerWork):
    """A layer of a model on a chip in a phase.

    Members:
        phase, cache, dram: what was asked.
        exact: no part was continued from a smaller one.
        energy: joules by component, or None.
        estimate: of these energies, None if the chip was measured.
    """

    phase: Phase
    cache: Cache
    dram: Dram
    exact: bool
    energy: Mapping[str, float] | None
    estimate: Estimate | None = None

    @property
    def keys_per_row(self) -> float:
        """Keys that a row sees, the mean."""
        return self.pairs / self.rows

    @property
    def rows(self) -> int:
        """Rows of a layer: queries of all heads and sequences."""
        return self.phase.sequences * self.model.heads * sum(queries for _, queries in self.phase.pieces())

    @property
    def joules(self) -> float | None:
        """Energy of a layer."""
        return None if self.energy is None else sum(self.energy.values())

    @property
    def energy_of_memory(self) -> float:
        """Energy of a layer outside of the chip."""
        return 0.0 if self.energy is None else self.energy[DRAM]

    def with_energy(self, table: EnergyTable, memory: Dram, at: Point) -> "Evaluation":
        """The same cycles with energies of another table, memory or technology."""
        table = fitted(table, self.chip).seeing(self.keys_per_row, centred=not self.model.sinks)
        found = energy(table, self.chip, self.counters, self.rows, memory, self.clock_mhz, at, shared=self.model.latent)
        return replace(self, dram=memory, energy=found, estimate=table.estimate)

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        layers = self.model.layers
        one = {
            "cycles": self.counters.cycles,
            "seconds": self.seconds,
            "macs": self.macs,
            "shares": self.shares,
            "bytes": self.bytes,
            "counters": asdict(self.counters),
            "exact": self.exact,
            "energy_j": self.energy and dict(self.energy),
            "estimate": self.estimate and asdict(self.estimate),
        }
        whole = {
            "layers": layers,
            "cycles": self.counters.cycles * layers,
            "seconds": self.seconds * layers,
            "macs": self.macs * layers,
            "bytes": {name: value * layers for name, value in self.bytes.items()},
            "energy_j": self.energy and {name: value * layers for name, value in self.energy.items()},
        }
        if self.joules:
            whole["tops_per_w"] = 2 * self.macs / self.joules * 1e-12
        inputs = {"chip": self.chip.as_dict(), "clock_mhz": self.clock_mhz, "phase": asdict(self.phase)}
        inputs["cache"] = asdict(self.cache)
        return {**inputs, "model": asdict(self.model), "dram": asdict(self.dram), "layer": one, "whole": whole}


def evaluate(
    chip: ChipConfig,
    model: Model,
    phase: Phase,
    *,
    dram: Dram,
    table: EnergyTable | None,
    at: Point,
    clock_mhz: float = CLOCK_MHZ,
    cache: Cache = CONTIGUOUS,
) -> Evaluation:
    """Run a layer and judge it; table, at: of energies, and the technology that they are scaled to.

    A prefill in chunks is a job per chunk of all sequences.
    """
    check_clock(clock_mhz)
    check_fits(chip, model)
    check_chunk(model, phase.chunk)
    if table:
        fitted(table, chip)
    layer = Layer(chip=chip, model=model, memory=dram.behind(chip, clock_mhz), cache=cache)
    many = phase.sequences
    total, exact, pairs = Counts(), True, 0
    for start, queries in phase.pieces():
        keys = start + queries if model.looks_back else phase.tokens
        before = start if model.looks_back else keys
        counters, walked = layer_counters(
            layer, Size(sequences=many, heads=model.kv_heads, queries=queries, before=before)
        )
        total += counters
        exact &= walked
        pairs += many * scores(model, queries, start, keys)
    found = Evaluation(
        chip=chip, model=model, phase=phase, cache=cache, dram=dram, clock_mhz=clock_mhz, counters=total, exact=exact,
        pairs=pairs, energy=None,
    )  # fmt: skip
    return found.with_energy(table, dram, at) if table else found
