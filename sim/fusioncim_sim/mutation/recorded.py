"""The runs of a test file, without running them: components and benches, so that they can be run on other programs."""

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from fusioncim.build.program import run_program
from fusioncim.verilog.cached import design_key
from fusioncim.verilog.emit import Modules, module_name

RECORD = "FUSIONCIM_RECORD"
"""Environment variable with a directory: a run on a component leaves there what it is, and does not take place."""
RUNS = "runs.jsonl"


@dataclass(frozen=True)
class Run:
    """A coroutine on a component.

    Members:
        top: name of the component's module.
        design: of the directory with the modules of the component.
        module, coroutine, path, case: see `runner.run`.
        search: directories in which its modules were found.
    """

    top: str
    design: str
    module: str
    coroutine: str
    path: str | None
    case: Mapping[str, Any]
    search: Sequence[str]


def keep(
    folder: Path, component: wiring.Component, module: str, coroutine: str, path: Path | None, case: Mapping[str, Any]
) -> None:
    """Leave a run in a directory, and the modules of its component as RTLIL that names the lines of its source."""
    top = module_name(component)
    design = f"{top}-{design_key(component)}"
    place = folder / f"{design}.json"
    if not place.exists():
        modules = Modules(sources=True)
        modules.add(component)
        place.write_text(json.dumps(dict(modules.texts)), encoding="utf-8")
    run = Run(top, design, module, coroutine, str(path) if path else None, dict(case), sys.path)
    with (folder / RUNS).open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(asdict(run))}\n")


def runs_of(test: Path, folder: Path) -> list[Run]:
    """The runs of a test file; the modules of their components are in the directory then.

    Errors: the tests cannot be collected. One that goes on after its run fails then, which says nothing.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
    with tempfile.TemporaryDirectory() as scratch:
        done = run_program(command, environment={**os.environ, RECORD: str(folder), "TMPDIR": scratch})
    if done.returncode not in (0, 1) or not (folder / RUNS).exists():
        raise RuntimeError(f"no run was recorded of {test}\n{done.stdout[-2000:]}")
    lines = (folder / RUNS).read_text(encoding="utf-8").splitlines()
    return [Run(**json.loads(line)) for line in dict.fromkeys(lines)]


def texts_of(run: Run, folder: Path) -> dict[str, str]:
    """RTLIL of the modules of a run's component, by their names."""
    texts: dict[str, str] = json.loads((folder / f"{run.design}.json").read_text(encoding="utf-8"))
    return texts
