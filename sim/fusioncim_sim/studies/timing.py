"""Against the clock: the chips of all presets without wires, engines of the published one with theirs (timing.json)."""

from collections.abc import Iterator
from typing import Any

from fusioncim.asic.cells.liberty import default_liberty, load
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import check_choice
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Request, Stored, Study, Table, read

FILE = "timing"
PARTS = ("presets", "wires")
ROWS = (8, 128)
"""Of the engines that are placed."""
RUN, TOKENS = 8, 32
"""Rows of the engine that runs a tile with buffers and without, and the tokens of that."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Map and time every preset, and place and time engines, on the Nangate library."""
    for part in request.parts:
        check_choice("part", part, PARTS)
    stored: dict[str, Any] = {"clock_mhz": CLOCK_MHZ, "library": load(default_liberty()).name}
    if (request.output / f"{FILE}.json").exists():
        stored = read(request.output, FILE) | stored
    for part in request.parts or PARTS:
        if part == "presets":
            stored[part] = {name: timed(chip, request.jobs) for name, chip in PRESETS.items()}
            yield f"{FILE}.json", stored
        else:
            for rows in ROWS:
                stored[part] = stored.get(part, {}) | {str(rows): placed(rows, request.jobs)}
                yield f"{FILE}.json", stored


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


def placed(rows: int, jobs: int) -> dict[str, Any]:
    """An engine of `paper` with these rows at the default clock, placed."""
    from fusioncim_sim.gates.placed_energy import repair_energies
    from fusioncim_sim.gates.placed_figures import placed_figures, time_placed
    from fusioncim_sim.studies.cost.runs import engine_of

    config, library = engine_of(rows), load(default_liberty())
    timed = time_placed(config, library, CLOCK_MHZ, jobs=jobs)
    figures = placed_figures(timed, config, library)
    found = {name: figures[name] for name in ("reached", "wire_ff_um", "wire_ohm_um", "paths", "buffers", "load_pf")}
    if rows == RUN:
        found["energy"] = repair_energies(config, library, timed, TOKENS, jobs)
    return found


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


def wires_table(timing: Stored) -> str:
    """Placed engines against the clock: without wires, with them, with buffers for them."""
    rows = [
        ("engine of `paper`", "shortest period, ns", "highest clock, MHz", "slowest path"),
        ("---", "---:", "---:", "---"),
    ]
    for name, one in sorted(timing["wires"].items(), key=lambda each: int(each[0])):
        for what, path in one["paths"].items():
            way = " to ".join(f"`{_unit(path[end])}`" for end in ("start", "end"))
            rows.append((f"{name} rows, {what}", f"{path['shortest_ns']:.3f}", f"{path['frequency_mhz']:.0f}", way))
    return markdown(rows)


def buffers_table(timing: Stored) -> str:
    """What the buffers of placed engines take."""
    rows = [
        ("engine of `paper`", "buffers of synthesis", "by place", "cells of another strength", "cells, um2", "more",
         "pins and wires, pF", "energy, fJ per MAC"),
        ("---", "---:", "---:", "---:", "---:", "---:", "---:", "---:"),
    ]  # fmt: skip
    for name, one in sorted(timing["wires"].items(), key=lambda each: int(each[0])):
        buffers = one["buffers"]
        before, after = buffers["cells_um2"]
        old, new = (f"{sum(buffers[kind].values()):,}" for kind in ("of_synthesis", "by_place"))
        strong, areas = f"{buffers['other_strength']:,}", f"{before:,.0f} to {after:,.0f}"
        loads = " to ".join(f"{load:,.0f}" for load in one["load_pf"])
        energy = " to ".join(f"{fj:,.1f}" for fj in one.get("energy", {}).get("fj_per_mac", ()))
        rows.append((f"{name} rows", old, new, strong, areas, f"{after / before - 1:+.1%}", loads, energy))
    return markdown(rows)


def _unit(pin: str) -> str:
    """The module around a pin: names of registers say nothing."""
    return pin.rsplit("/", 2)[0] if pin.count("/") > 1 else "engine" if "/" in pin else pin


STUDY = Study(
    files={f"{FILE}.json": ("clock_mhz", "library")},
    measure=measure,
    tables=[
        Table("docs/cost.md", "clocks", clocks_table, [FILE]),
        Table("docs/cost.md", "clocks_wires", wires_table, [FILE]),
        Table("docs/cost.md", "clocks_buffers", buffers_table, [FILE]),
    ],
)
