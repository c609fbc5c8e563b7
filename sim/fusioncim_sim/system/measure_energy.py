"""Energy per event of every part of the chip (energy.json), from gate-level runs and the cost table.

A tile of captured heads meets two numbers of keys (`TOKENS`) on engines with few rows (`SIZES`). Dynamic energy of a
part, leakage not included:

    E = busy * busy cycles + row * rows + idle * other cycles

busy: the slope over the keys, 8 cycles each, a line a + b rows over the two sizes. What is left for no keys are loading
and draining of the rows, and clocks while nothing happens: `idle` is what clocks and banks take of it per cycle, from
the two sizes, or 0 where they are gated (the data's part is noisy); `row` is the rest, mean of the sizes.
`deviation_percent` compares this with a run with other keys, `CHECK`.

Around the engines: energy per running cycle, a line over the number of engines, as in the cost table, at the activity
of its runs. The global buffer's accesses are counted, and their energies are the memory model's. Leakage is that of the
cost table.
"""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fusioncim.flow.liberty import default_liberty, load
from fusioncim.flow.power import Energy
from fusioncim.parallel import run_all
from fusioncim_golden.errors import InputError
from fusioncim_sim import cost
from fusioncim_sim.cost import PAPER, PERIOD_NS, ROWS, line
from fusioncim_sim.output import check_json, make_directory, write_json
from fusioncim_sim.tile import TileResult, captured_heads, run_tile

SIZES = (8, 16)
TOKENS = (64, 256)
CHECK = 128
KEY_CYCLES = PAPER.engine.operand_bits
KEYS = ("configuration", "engine", "around", "leakage_mw")
BUFFER = "global buffer"
"""The part whose accesses are counted, and are not measured here."""


def write_energy(output: Path, jobs: int) -> None:
    """Measure on the default library and write energy.json; cost.json must be there."""
    path = output / "energy.json"
    if output.exists():
        check_json(path, KEYS)
    table = read_cost(output / "cost.json")
    work: dict[str, Any] = {
        f"{rows} rows, {tokens} keys": partial(tile, default_liberty(), rows, tokens)
        for rows in reversed(SIZES)
        for tokens in (*TOKENS, CHECK)
    }
    done = run_all(work, jobs=jobs, title="gate-level runs")
    runs = {(each.config.rows, each.tokens): each for each in done.values()}
    make_directory(output)
    write_json(path, summarize(runs, table), KEYS)
    print(f"wrote {path}")


def read_cost(path: Path) -> dict[str, Any]:
    """The cost table of the same chip."""
    if not path.exists():
        raise InputError(f"the cost table must be measured first, with 'fusioncim measure --cost': {path} is missing")
    table: dict[str, Any] = json.loads(path.read_bytes())
    mine = PAPER.as_dict()
    for name, value in table["chip"].items():
        if mine[name] != value:
            raise InputError(f"{name} of the cost table must be {mine[name]}, as of the measured chip, not {value}")
    return table


def tile(liberty: Path, rows: int, tokens: int) -> TileResult:
    """A gate-level run of one tile over so many keys."""
    config = PAPER.engine.override(rows=rows, softmax_lanes=rows // PAPER.engine.operand_bits)
    return run_tile(config, load(liberty), captured_heads(config), tokens, PERIOD_NS, tiles=1)


def summarize(runs: Mapping[tuple[int, int], TileResult], table: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that energy.json holds; runs by rows and keys."""
    counts = sorted(int(n) for n in table["around"])
    around = {}
    for name in table["around"][str(counts[0])]["logic"]:
        if name == BUFFER:
            continue
        parts = [table["around"][str(n)]["logic"][name] + table["around"][str(n)]["memory"][name] for n in counts]
        per_cycle = line(counts, parts)
        around[name] = {"a": round(per_cycle.a, 1), "b": round(per_cycle.b, 1)}
    return {
        "configuration": PAPER.as_dict(),
        "library": table["library"],
        "voltage": table["voltage"],
        "clock_mhz": table["clock_mhz"],
        "tokens": list(TOKENS),
        "sizes": list(SIZES),
        "mismatches": sum(run.mismatches for run in runs.values()),
        "engine": {name: events(runs, name) for name in ROWS},
        "around": around,
        "leakage_mw": {
            name: row["measured"]["leakage_mw"]
            for name, row in table["table"].items()
            if name in (*ROWS, *around, BUFFER)
        },
    }


def dynamic(run: TileResult, part: str) -> tuple[float, float]:
    """Energy of a part in fJ, leakage not included: of everything, and of clocks and banks alone."""
    energies = [run.energies[unit] for unit in ROWS[part]]
    total = sum(each.total - each.leakage - each.memory_leakage for each in energies)
    return total, sum(clocks(each) for each in energies)


def clocks(energy: Energy) -> float:
    """Energy of clock pins, their tree and banks, in fJ."""
    return energy.clock + energy.tree + energy.memory


def events(runs: Mapping[tuple[int, int], TileResult], part: str) -> dict[str, Any]:
    """Energies of a part per event, in fJ."""
    few, many = TOKENS
    slopes, rest, steady, other = [], [], [], []
    for rows in SIZES:
        (low, low_clocks), (high, high_clocks) = (dynamic(runs[rows, tokens], part) for tokens in TOKENS)
        slopes.append((high - low) / (many - few) / KEY_CYCLES)
        rest.append(low - slopes[-1] * few * KEY_CYCLES)
        steady.append(low_clocks - (high_clocks - low_clocks) / (many - few) * few)
        other.append(runs[rows, few].clock_cycles - few * KEY_CYCLES)
    (small, large), (few_cycles, more_cycles) = SIZES, other
    idle = (steady[0] * large - steady[1] * small) / (few_cycles * large - more_cycles * small)
    idle = max(idle, 0.0)
    row = max(sum((r - idle * c) / n for r, c, n in zip(rest, other, SIZES, strict=True)) / len(SIZES), 0.0)
    busy = cost.line(SIZES, slopes)
    found = {"busy": {"a": round(busy.a, 1), "b": round(busy.b, 1)}, "row": round(row, 1), "idle": round(idle, 1)}
    cycles = CHECK * KEY_CYCLES
    deviations = [
        (slope * cycles + left) / dynamic(runs[rows, CHECK], part)[0] - 1
        for rows, slope, left in zip(SIZES, slopes, rest, strict=True)
    ]
    return {**found, "deviation_percent": round(100 * max(deviations, key=abs), 2)}
