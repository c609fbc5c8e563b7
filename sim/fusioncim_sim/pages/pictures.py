"""The pictures of the pages, from the stored figures: `fusioncim measure tables` writes them again."""

from collections.abc import Callable, Mapping
from pathlib import Path

from fusioncim_sim.pages import charts
from fusioncim_sim.studies.study import read

PLACE = "docs/pictures"
"""Where they are, below the directory that `measurements` is in."""
PICTURES: Mapping[str, Callable[[Path], str]] = {
    "architecture.svg": lambda _: charts.architecture(),
    "energy.svg": lambda measurements: charts.stacked(charts.by_length(read(measurements, "system"))),
    "mechanisms.svg": lambda measurements: charts.stacked(charts.by_mechanism(read(measurements, "system"))),
    "cycles.svg": lambda measurements: charts.shares(read(measurements, "system")),
}
"""By file name, makes SVG from the directory of the JSON files."""


def picture(name: str, measurements: Path) -> str:
    """A picture as the text of its file."""
    return "\n".join(line.rstrip() for line in PICTURES[name](measurements).splitlines()) + "\n"


def write_pictures(measurements: Path) -> None:
    """Write all pictures of the repository that the directory `measurements` is in."""
    for name in PICTURES:
        path = measurements.parent / PLACE / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(picture(name, measurements), encoding="utf-8")
        print(f"wrote {path}")
