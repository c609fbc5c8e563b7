"""What a chip would have taken for the tokens of a talk: cycles, seconds and energy, of the prompts and per token."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from fusioncim.asic.scaling import Point
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_sim.llm.chat import Step
from fusioncim_sim.llm.chip_work import ChipWork
from fusioncim_sim.system.cycles import Memory
from fusioncim_sim.system.dram import Dram, dram
from fusioncim_sim.system.energy_sizes import fitted
from fusioncim_sim.system.energy_table import NOMINAL_28NM, EnergyTable, corner, default_table, read_table

DRAM, CORNER = "lpddr5", NOMINAL_28NM
"""The memory behind the chip, and the technology of its energies, as of `evaluate`."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Under which a chip works.

    Members:
        chip: the chip.
        clock_mhz: of it.
        memory: behind it.
        table, at: of the chip's energies, and the technology that they are scaled to.
    """

    chip: ChipConfig
    clock_mhz: float
    memory: Dram
    table: EnergyTable
    at: Point

    @classmethod
    def of(cls, chip: ChipConfig, clock_mhz: float) -> Self:
        """A chip behind DRAM, with the stored energies, scaled to it where they are another chip's."""
        table = fitted(read_table(default_table()), chip)
        return cls(chip=chip, clock_mhz=clock_mhz, memory=dram(DRAM), table=table, at=corner(CORNER))

    @property
    def behind(self) -> Memory:
        """The memory as the chip sees it."""
        return self.memory.behind(self.chip, self.clock_mhz)

    def figures(self, steps: Sequence[Step]) -> dict[str, Any]:
        """Of some steps, and of each token that they gave, as JSON data."""
        work = sum((step.work for step in steps), ChipWork())
        tokens = sum(len(step.tokens) for step in steps)
        joules = work.joules(self.table, self.chip, self.memory, self.clock_mhz, self.at)
        figures = {"cycles": work.counts.cycles, "seconds": work.seconds(self.clock_mhz), "energy_j": joules}
        return {
            "steps": len(steps),
            "tokens": tokens,
            "jobs": work.jobs,
            **figures,
            "per_token": {name: each / tokens for name, each in figures.items()},
            "counters": asdict(work.counts),
        }

    def report(self, steps: Sequence[Step]) -> dict[str, Any]:
        """The first token of every answer, with its prompt, and those after it; None where there is none."""
        return {
            "clock_mhz": self.clock_mhz,
            "dram": self.memory.name,
            "corner": CORNER,
            "estimate": self.table.estimate.words if self.table.estimate else "",
            "first": self.figures(steps[:1]),
            "further": self.figures(steps[1:]) if steps[1:] else None,
        }
