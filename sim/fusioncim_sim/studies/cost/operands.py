"""What the rows of the IP-CIM take with the operands of real heads: of two models, the mean of both.

The lines over the rows are those of one pair of heads. How much the rows take while streaming depends on how often the
bits of successive keys differ, and on the queries. So runs with other heads at FIT_ROWS rows give the mean.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from fusioncim_sim.gates.tile_energy import TileResult
from fusioncim_sim.studies.cost.additions import PER_MAC
from fusioncim_sim.studies.cost.events import KINDS, of_units
from fusioncim_sim.studies.cost.runs import size_figures
from fusioncim_sim.system.energy_table import STREAM

OTHERS: Sequence[Sequence[str]] = (("qwen_sink",), ("qwen_mixed",))
"""Heads of `QWEN`, each as wide as the array."""


class Operands:
    """Energy of the IP-CIM's rows while streaming, per row and cycle of work, by the heads of each model."""

    UNIT = "IP-CIM rows"

    def __init__(self, base: TileResult, models: Mapping[str, Sequence[TileResult]]) -> None:
        """base: the run that the lines go through."""
        self.base, self.models = base, models

    def measured(self, kind: str, run: TileResult) -> float:
        """Of a run."""
        return of_units(run, [self.UNIT], kind)[STREAM] / run.config.rows

    def mean(self, kind: str) -> float:
        """Of the models, each the mean of its heads."""
        return fmean(fmean(self.measured(kind, run) for run in runs) for runs in self.models.values())

    def more(self, kind: str) -> float:
        """Than the run that the lines go through."""
        return self.mean(kind) - self.measured(kind, self.base)

    def as_dict(self) -> dict[str, Any]:
        """For a file; rows_fj_per_mac: of the rows while they stream."""
        return {
            model: {
                " ".join(run.heads): {
                    "rows_fj_per_mac": {kind: round(self.measured(kind, run) * PER_MAC, 1) for kind in KINDS},
                    **size_figures(run),
                }
                for run in runs
            }
            for model, runs in self.models.items()
        }
