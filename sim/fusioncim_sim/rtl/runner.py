"""Runs cocotb benches on components.

What a run gives depends on its program, bench, case and simulator alone. Where $FUSIONCIM_KEEP_RUNS is 1, as in the
tests, the files of a run that passed are kept by a hash of these, and an equal run takes them instead of simulating.
"""

import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import find_libpython
from amaranth.lib import wiring
from cocotb_tools import config as cocotb_config
from cocotb_tools.check_results import get_results

from fusioncim.build.cache import BUILD, build_root, filled_once, short_hash
from fusioncim.build.sources import DESIGN, code_hash, file_of, installed
from fusioncim.verilog.emit import used
from fusioncim_sim.coverage import record
from fusioncim_sim.mutation import recorded
from fusioncim_sim.rtl.case import CASE
from fusioncim_sim.rtl.power_up import seed
from fusioncim_sim.rtl.programs import build
from fusioncim_sim.rtl.simulators import SimulationError, call, choose, end_of, require
from fusioncim_sim.rtl.sparse_file import copy, digest
from fusioncim_sim.rtl.watched_verilog import found_in

KEEP_RUNS = "FUSIONCIM_KEEP_RUNS"
"""Environment variable: 1 to keep runs that passed, and not to repeat them."""


@dataclass(frozen=True)
class Program:
    """A simulation that takes the place of a component's own, under Icarus.

    Members:
        place: directory that holds the program.
        top: name of the top module.
        options: of the simulator.
        environment: further variables.
        outputs: files that the simulation writes besides, by their names in the directory of the run, and where they
            are copied to.
    """

    place: Path
    top: str
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, Path] = field(default_factory=dict)


def run(
    component: wiring.Component,
    module: str,
    coroutine: str,
    case: Mapping[str, Any],
    *,
    path: Path | None = None,
    results: Path | None = None,
    simulator: str | None = None,
    visible: Sequence[str] = (),
    program: Program | None = None,
) -> None:
    """Run one cocotb coroutine of a module on a component.

    simulator: see `choose`; where the coverage of the RTL is asked for, Verilator if none is named. visible: see
    `build`. program: instead of the component's own. The others: see `run_bench`. Where runs are recorded, see
    `recorded`, none takes place.
    """
    used(component)
    if folder := os.environ.get(recorded.RECORD):
        recorded.keep(Path(folder), component, module, coroutine, path, case)
        return
    coverage = record.wanted() == "rtl" and not (program or simulator)
    simulator = "icarus" if program else "verilator" if coverage else choose(simulator)
    program = program or Program(*build(component, simulator, visible, coverage=coverage))
    run_bench(program, module, coroutine, case, path=path, results=results, simulator=simulator)


def run_bench(
    program: Program,
    module: str,
    coroutine: str,
    case: Mapping[str, Any],
    *,
    path: Path | None = None,
    results: Path | None = None,
    simulator: str = "icarus",
) -> None:
    """Run one cocotb coroutine of a module on a program that there is.

    case: JSON data for the bench, which reads it with `case.case`; files are named relative to the directory of the
    run. path: directory of the module when it lies in no package. results: directory to run in, with the files that
    the bench reads; else a scratch one. simulator: that of the program. Raises SimulationError with the log's end.
    """
    text = json.dumps(dict(case))
    with contextlib.ExitStack() as stack:
        if results is None:
            results = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=build_root())))
        bench = (module, coroutine, path)
        # What lies elsewhere may change between two runs; a run that is recorded has to take place.
        if os.environ.get(KEEP_RUNS) == "1" and '"/' not in text and not record.wanted():
            kept = build_root() / "runs" / _key(program, simulator, *bench, text, results)
            with filled_once(kept) as scratch:
                if scratch:
                    _simulate(program, simulator, *bench, text, results)
                    shutil.copytree(results, scratch, copy_function=copy, dirs_exist_ok=True)
            if not scratch:
                shutil.copytree(kept, results, copy_function=copy, dirs_exist_ok=True)
        else:
            _simulate(program, simulator, *bench, text, results)
            record.keep_rtl(results, program.place)
        for name, place in program.outputs.items():
            shutil.copyfile(results / name, place)


def _key(
    program: Program, simulator: str, module: str, coroutine: str, path: Path | None, case: str, results: Path
) -> str:
    """Hash of all that a run depends on."""
    roots = (path / f"{module}.py" if path else file_of(module), Path(__file__))
    given = {file.name: digest(file) for file in sorted(results.iterdir())}
    return short_hash(
        digest(program.place / "simulation"),
        repr((program.top, program.options, dict(program.environment), simulator, require(simulator), seed())),
        repr((module, coroutine, given)),
        case,
        code_hash(roots, (*DESIGN, "fusioncim_sim")),
        installed(),
    )


def _simulate(
    program: Program, simulator: str, module: str, coroutine: str, path: Path | None, case: str, results: Path
) -> None:
    """Run a coroutine in a directory; SimulationError unless it passes."""
    case_file, log, xml = (results / name for name in ("case.json", "simulation.log", "results.xml"))
    case_file.write_text(case, encoding="utf-8")
    for old in (log, xml):
        old.unlink(missing_ok=True)
    environment = {
        **os.environ,
        CASE: str(case_file),
        BUILD: str(build_root()),
        "PYTHONPATH": os.pathsep.join([*([str(path)] if path else []), *sys.path]),
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{find_libpython.find_libpython()};{cocotb_config.pygpi_entry_point()}",
        "COCOTB_TOPLEVEL": program.top,
        "COCOTB_TEST_MODULES": module,
        "COCOTB_TEST_FILTER": rf"\b{coroutine}$",
        "COCOTB_RESULTS_FILE": str(xml),
        "COCOTB_RANDOM_SEED": "1",
        "COCOTB_ANSI_OUTPUT": "0",
        # Values of failed assertions only for benches beside tests, and no plugins: else a third of the start.
        "COCOTB_REWRITE_ASSERTION_FILES": "test_*.py" if path else "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        **program.environment,
    }
    simulation = str(program.place / "simulation")
    if simulator == "icarus":
        command = ["vvp", *program.options, "-m", cocotb_config.lib_entry("vpi", "icarus"), simulation, "-none"]
    else:
        environment["COCOTB_TRUST_INERTIAL_WRITES"] = "1"
        # A bit that leaves a random value would count as one that changes.
        start = 0 if record.wanted() == "rtl" else 2
        command = [simulation, f"+verilator+seed+{seed()}", f"+verilator+rand+reset+{start}"]
    what = f"{module}.{coroutine} on {program.top} ({simulator})"
    status = call(command, log, directory=results, environment=environment)
    if unknowns := found_in(log):
        raise SimulationError(f"{what}: an unknown value got where none may be\n{unknowns}")
    if not xml.exists():
        raise SimulationError(f"{what}: the simulator stopped with exit status {status}\n{end_of(log)}")
    ran, failed = get_results(xml)
    if failed or ran != 1:
        raise SimulationError(f"{what}: {ran} ran, {failed} failed\n{end_of(log)}")
