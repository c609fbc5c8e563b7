"""All layers of a language model on a chip: the sum over the kinds of layers that it has.

cycles = sum over kinds of number of layers * cycles of a layer          bytes, energy, multiply-accumulates alike
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fusioncim.asic.scaling import Point
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_sim.system.dram import Dram
from fusioncim_sim.system.energy_table import EnergyTable, Estimate
from fusioncim_sim.system.model import Evaluation, evaluate
from fusioncim_sim.system.model_config import LanguageModel
from fusioncim_sim.system.workload import CONTIGUOUS, Cache, Phase


@dataclass(frozen=True, kw_only=True)
class WholeModel:
    """A language model on a chip.

    Members:
        model: what was evaluated.
        kinds: a layer of each kind; how many there are is in its model.
    """

    model: LanguageModel
    kinds: tuple[Evaluation, ...]

    @property
    def layers(self) -> int:
        """Layers with attention."""
        return sum(each.model.layers for each in self.kinds)

    @property
    def cycles(self) -> int:
        """Of all layers."""
        return sum(each.counters.cycles * each.model.layers for each in self.kinds)

    @property
    def seconds(self) -> float:
        """Of all layers."""
        return sum(each.seconds * each.model.layers for each in self.kinds)

    @property
    def macs(self) -> int:
        """Unmasked multiply-accumulates of all layers."""
        return sum(each.macs * each.model.layers for each in self.kinds)

    @property
    def bytes(self) -> dict[str, int]:
        """Bytes by interface of all layers."""
        return {name: sum(each.bytes[name] * each.model.layers for each in self.kinds) for name in self.kinds[0].bytes}

    @property
    def energy(self) -> Mapping[str, float] | None:
        """Joules by component of all layers, or None."""
        parts = [(each.energy, each.model.layers) for each in self.kinds if each.energy is not None]
        return {name: sum(energy[name] * layers for energy, layers in parts) for name in parts[0][0]} if parts else None

    @property
    def estimate(self) -> Estimate | None:
        """Of the energies, None if the chip was measured."""
        return self.kinds[0].estimate

    @property
    def working(self) -> float:
        """Share of the engine-cycles of all layers that are unmasked multiply-accumulates."""
        busy = (each.shares["working"] * each.counters.cycles * each.model.layers for each in self.kinds)
        return sum(busy) / self.cycles

    @property
    def tops_per_w(self) -> float | None:
        """Two operations per unmasked multiply-accumulate, memory included."""
        joules = sum((self.energy or {}).values())
        return 2 * self.macs / joules * 1e-12 if joules else None

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        first = self.kinds[0].as_dict()
        whole: dict[str, Any] = {
            "layers": self.layers,
            "cycles": self.cycles,
            "seconds": self.seconds,
            "macs": self.macs,
            "bytes": self.bytes,
            "energy_j": self.energy,
        }
        if self.tops_per_w:
            whole["tops_per_w"] = self.tops_per_w
        return {
            **{name: first[name] for name in ("chip", "clock_mhz", "phase", "cache", "dram")},
            "model": {"name": self.model.name, "left_out": dict(self.model.left_out)},
            "kinds": [{name: each.as_dict()[name] for name in ("model", "layer")} for each in self.kinds],
            "whole": whole,
        }


def evaluate_whole(
    chip: ChipConfig,
    model: LanguageModel,
    phase: Phase,
    *,
    dram: Dram,
    table: EnergyTable | None,
    at: Point,
    clock_mhz: float = CLOCK_MHZ,
    cache: Cache = CONTIGUOUS,
) -> WholeModel:
    """Run a layer of every kind; the arguments are those of `model.evaluate`."""
    kinds = [
        evaluate(chip, each, phase, dram=dram, table=table, at=at, clock_mhz=clock_mhz, cache=cache)
        for each in model.kinds
    ]
    return WholeModel(model=model, kinds=tuple(kinds))
