"""The chips of all presets against the clock: OpenSTA on their mapped netlists (timing.json)."""

from pathlib import Path
from typing import Any

from fusioncim.asic.liberty import default_liberty, load
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.files import check_json, make_directory, write_json
from fusioncim_sim.gates.asic_figures import time_design

KEYS = ("clock_mhz", "library", "presets")


def write_timing(output: Path, jobs: int) -> None:
    """Map and time every preset on the Nangate library, and write timing.json."""
    path, library = output / "timing.json", load(default_liberty())
    if output.exists():
        check_json(path, KEYS)
    presets = {name: timed(chip, jobs) for name, chip in PRESETS.items()}
    make_directory(output)
    write_json(path, {"clock_mhz": CLOCK_MHZ, "library": library.name, "presets": presets}, KEYS)
    print(f"wrote {path}")


def timed(chip: ChipConfig, jobs: int) -> dict[str, Any]:
    """A chip at the default clock: what it reaches, and the slowest path."""
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
