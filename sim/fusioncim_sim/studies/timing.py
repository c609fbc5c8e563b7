"""The chips of all presets against the clock: OpenSTA on their mapped netlists (timing.json)."""

from collections.abc import Iterator
from typing import Any

from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Map and time every preset on the Nangate library."""
    presets = {name: timed(chip, request.jobs) for name, chip in PRESETS.items()}
    yield (
        "timing.json",
        {"clock_mhz": CLOCK_MHZ, "library": load(default_liberty()).name, "presets": presets},
    )


def timed(chip: ChipConfig, jobs: int) -> dict[str, Any]:
    """A chip at the default clock: what it reaches, and the slowest path."""
    from fusioncim_sim.gates.asic_figures import time_design

    timing = time_design(chip, load(default_liberty()), CLOCK_MHZ, jobs)
    worst = max(timing.paths, key=lambda path: path.period_ns)
    return {
        "reached": timing.reached,
        "shortest_ns": timing.shortest_ns,
        "frequency_mhz": round(timing.frequency_mhz, 1),
        "bank_ns": round(timing.bank_ns, 3),
        "slowest": worst.module,
        "start": worst.start,
        "end": worst.end,
    }


def clocks_table(timing: Stored) -> str:
    """The chips of all presets against the clock."""
    rows = [
        ("chip", "shortest period, ns", "highest clock, MHz", "banks, ns", "slowest module"),
        ("---", "---:", "---:", "---:", "---"),
    ]
    for name, one in timing["presets"].items():
        figures = f"{one['shortest_ns']:.3f}", f"{one['frequency_mhz']:.0f}", f"{one['bank_ns']:.3f}"
        rows.append((f"`{name}`", *figures, f"`{one['slowest']}`"))
    return markdown(rows)


STUDY = Study(
    files={"timing.json": ("clock_mhz", "library", "presets")},
    measure=measure,
    tables=[Table("docs/cost.md", "clocks", clocks_table, ["timing"])],
)
