"""The first table of docs/measured.md, which draws on four studies."""

from fusioncim_sim.studies import accuracy as accuracies
from fusioncim_sim.studies import chip as chips
from fusioncim_sim.studies import engine as engines
from fusioncim_sim.studies import rescales as moves
from fusioncim_sim.studies.study import Stored, Table
from fusioncim_sim.studies.targets import targets_table


def measured(engine: Stored, accuracy: Stored, rescales: Stored, chip: Stored) -> str:
    """What was asked and what is reached; where the cycles of chips go; how often rows are rescaled."""
    rows = (
        *engines.targets(engine),
        *accuracies.targets(accuracy),
        *moves.targets(rescales),
        *chips.targets(chip),
    )
    return "\n\n".join((targets_table(rows), chips.workloads_table(chip), moves.moves_table(rescales)))


MEASURED = Table("docs/measured.md", "measured", measured, ("engine", "accuracy", "rescales", "chip"))
