"""What of the engine's arithmetic matters to a language model (quality.json, and quality_MODEL.json of other models).

Parts: `default`, the chip `paper` over the whole text; `long`, over longer pieces of it; `speed`, its time beside the
model's own eager attention; `operands`, what shares a scale, as float attention on rounded operands
(`RoundedOperands`); `patterns`; `additions`, by the length of the text; and the tables of `variants.VARIANTS`, the
preset with changes, as the engine's error alone (`ErrorAlone`); `candidates` are those for the preset.
"""

from collections.abc import Iterable
from pathlib import Path

from fusioncim_sim.studies.quality.candidates import alone_table, candidates_table
from fusioncim_sim.studies.quality.tables import (
    default_table,
    layers_table,
    moves_table,
    operands_table,
    speed_table,
    targets_table,
)
from fusioncim_sim.studies.study import Request, Stored, Study, Table


def _measure(request: Request) -> Iterable[tuple[str, Stored]]:
    from fusioncim_sim.studies.quality import measure

    return measure.measure(request)


def _draw(directory: Path) -> None:
    from fusioncim_sim.studies.quality.picture import write_picture

    if (directory / "quality.json").exists():
        write_picture(directory)


PAGE, OWN, ALL = "docs/quality.md", "quality", "quality*"
STUDY = Study(
    files={"quality*.json": ("model",)},
    measure=_measure,
    tables=[
        Table("docs/measured.md", "quality", targets_table, [ALL]),
        Table(PAGE, "default", default_table, [ALL]),
        Table(PAGE, "speed", speed_table, [OWN]),
        Table(PAGE, "operands", operands_table, [OWN]),
        Table(PAGE, "alone", alone_table, [OWN, "parameters"]),
        Table(PAGE, "candidates", candidates_table, [ALL, "parameters"]),
        Table(PAGE, "moves", moves_table, [ALL]),
        Table(PAGE, "layers", layers_table, [OWN]),
    ],
    also=_draw,
)
