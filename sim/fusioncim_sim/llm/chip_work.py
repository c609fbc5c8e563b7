"""What a chip has done for a step of a language model, and what that takes."""

from dataclasses import dataclass, field
from typing import Any

from fusioncim.asic.scaling import Point
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.descriptor import Work
from fusioncim_sim.system.cycles import Counts
from fusioncim_sim.system.dram import Dram
from fusioncim_sim.system.energy import energy
from fusioncim_sim.system.energy_table import EnergyTable


@dataclass(frozen=True)
class ChipWork:
    """Jobs that a chip has done.

    Members:
        jobs: how many.
        rows: queries of all heads.
        pairs: keys that all these see.
        counts: the chip's event counters.
    """

    jobs: int = 0
    rows: int = 0
    pairs: int = 0
    counts: Counts = field(default_factory=Counts)
    sinks: bool = False

    def __add__(self, other: "ChipWork") -> "ChipWork":
        return ChipWork(
            jobs=self.jobs + other.jobs,
            rows=self.rows + other.rows,
            pairs=self.pairs + other.pairs,
            counts=self.counts + other.counts,
            sinks=self.sinks or other.sinks,
        )

    def seconds(self, clock_mhz: float) -> float:
        """At a clock."""
        return self.counts.cycles / (clock_mhz * 1e6)

    def joules(self, table: EnergyTable, chip: ChipConfig, memory: Dram, clock_mhz: float, at: Point) -> float:
        """Energy of chip and memory. Errors: a table that was not measured for the chip."""
        own = table.seeing(max(self.pairs / max(self.rows, 1), 1), centred=not self.sinks)
        return sum(energy(own, chip, self.counts, self.rows, memory, clock_mhz, at).values())


def size_of(work: Work) -> ChipWork:
    """A job without its counters."""
    heads = work.job.heads
    return ChipWork(
        jobs=1,
        rows=heads * sum(part.queries for part in work.parts),
        pairs=heads * sum(part.mask.pairs(part.start, part.queries, part.keys) for part in work.parts),
        sinks=work.job.sinks != 0,
    )


def counts_of(counters: dict[str, Any]) -> Counts:
    """Those of a chip's counters that do not depend on values."""
    return Counts(**{name: counters[name] for name in Counts.__dataclass_fields__})
