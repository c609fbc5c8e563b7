"""Attention of whole models on the published chip: what `evaluate` says (system.json), and the table of docs/system.md."""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fusioncim.parallel import run_all
from fusioncim_golden.chip import CHIP_PRESETS
from fusioncim_sim.output import check_json, make_directory, write_json
from fusioncim_sim.summary import markdown
from fusioncim_sim.system.dram import dram
from fusioncim_sim.system.energy import CORNERS, corner, default_table, read_table
from fusioncim_sim.system.model import evaluate
from fusioncim_sim.system.workload import Phase, model

PAPER = CHIP_PRESETS["paper"]
MEMORY, CORNER = "lpddr4", list(CORNERS)[1]
KEYS = ("chip", "memory", "runs")
CASES: Mapping[str, tuple[str, Phase]] = {
    **{f"llama3-8b, {n:,}": ("llama3-8b", Phase(tokens=n)) for n in (256, 1024, 2048, 4096, 8192, 32768, 131072)},
    "llama3-8b, 8,192 in chunks of 1,024": ("llama3-8b", Phase(tokens=8192, chunk=1024)),
    **{f"llama3-8b, decode of {n} over 8,192": ("llama3-8b", Phase(tokens=8192, new=n)) for n in (1, 8, 32, 128)},
    "llama3-70b, 8,192": ("llama3-70b", Phase(tokens=8192)),
    "llama2-7b, 4,096": ("llama2-7b", Phase(tokens=4096)),
    "gpt3-175b, 2,048": ("gpt3-175b", Phase(tokens=2048)),
    "bert-base, 512": ("bert-base", Phase(tokens=512)),
}


def write_system(output: Path, jobs: int) -> None:
    """Evaluate all cases and write system.json."""
    path = output / "system.json"
    if output.exists():
        check_json(path, KEYS)
    done = run_all({name: partial(case, name) for name in CASES}, jobs=jobs, title="evaluate")
    data = {"chip": PAPER.as_dict(), "memory": MEMORY, "corner": CORNER, "runs": done}
    make_directory(output)
    write_json(path, data, KEYS)
    print(f"wrote {path}\n\n{system_table(data)}")


def case(name: str) -> dict[str, Any]:
    """A case, and how long the model took for it."""
    which, phase = CASES[name]
    table = read_table(default_table())
    began = time.monotonic()
    result = evaluate(PAPER, model(which), phase, dram=dram(MEMORY), table=table, at=corner(CORNER))
    seconds = round(time.monotonic() - began, 2)
    found = result.as_dict()
    return {name: found[name] for name in ("layer", "whole")} | {"model_seconds": seconds}


def system_table(data: Mapping[str, Any]) -> str:
    """Where cycles and energy of whole models go."""
    causes = ("working", "masked", "load", "memory", "drain", "imbalance")
    head = ("attention of", "s", "cycles of a layer", *causes, "J", "of it memory", "TOPS/W")
    rows: list[tuple[str, ...]] = [head, ("---", *("---:" for _ in head[1:]))]
    for name, run in data["runs"].items():
        layer, whole = run["layer"], run["whole"]
        joules = sum(whole["energy_j"].values())
        shares = layer["shares"] | {"working": layer["shares"]["working"] + layer["shares"]["padded"]}
        rows.append(
            (
                name,
                f"{whole['seconds']:.3g}",
                f"{'' if layer['exact'] else '~ '}{layer['cycles']:,}",
                *(f"{shares[cause]:.1%}" for cause in causes),
                f"{joules:.3g}",
                f"{whole['energy_j']['DRAM'] / joules:.0%}",
                f"{whole['tops_per_w']:.2f}",
            )
        )
    return markdown(rows)
