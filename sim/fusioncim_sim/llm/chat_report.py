"""What a chip would have taken for the tokens of a talk: cycles, seconds and energy, of the prompts and per token."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from fusioncim.asic.scaling import Point
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.errors import InputError
from fusioncim_sim.llm.chat import Step
from fusioncim_sim.llm.chip_work import ChipWork
from fusioncim_sim.system.cycles import Memory
from fusioncim_sim.system.dram import Dram, dram
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
        table, at: of energies, and the technology that they are scaled to.
    """

    chip: ChipConfig
    clock_mhz: float
    memory: Dram
    table: EnergyTable
    at: Point

    @classmethod
    def of(cls, chip: ChipConfig, clock_mhz: float) -> Self:
        """A chip with the stored energies and behind DRAM."""
        table = read_table(default_table())
        return cls(chip=chip, clock_mhz=clock_mhz, memory=dram(DRAM), table=table, at=corner(CORNER))

    @property
    def behind(self) -> Memory:
        """The memory as the chip sees it."""
        return self.memory.behind(self.chip, self.clock_mhz)

    def no_energy(self) -> str:
        """Why the table has no energies for this chip; nothing if it has."""
        try:
            self.table.check(self.chip)
        except InputError as error:
            return str(error).partition("; --no-energy")[0]
        return ""

    def figures(self, steps: Sequence[Step]) -> dict[str, Any]:
        """Of some steps, and of each token that they gave, as JSON data; energies are None where the table has none."""
        work = sum((step.work for step in steps), ChipWork())
        tokens = sum(len(step.tokens) for step in steps)
        joules = None if self.no_energy() else work.joules(self.table, self.chip, self.memory, self.clock_mhz, self.at)
        figures = {"cycles": work.counts.cycles, "seconds": work.seconds(self.clock_mhz), "energy_j": joules}
        return {
            "steps": len(steps),
            "tokens": tokens,
            "jobs": work.jobs,
            **figures,
            "per_token": {name: None if each is None else each / tokens for name, each in figures.items()},
            "counters": asdict(work.counts),
        }

    def report(self, steps: Sequence[Step]) -> dict[str, Any]:
        """The first token of every answer, with its prompt, and those after it; None where there is none."""
        return {
            "clock_mhz": self.clock_mhz,
            "dram": self.memory.name,
            "corner": CORNER,
            "no_energy": self.no_energy(),
            "first": self.figures(steps[:1]),
            "further": self.figures(steps[1:]) if steps[1:] else None,
        }
