"""Runs the jobs on the RTL, and times generating and simulating chips."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from fusioncim.build.program import run_program
from fusioncim.build.workers import run_all
from fusioncim.chip.chip import Chip
from fusioncim_golden import job as golden
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import check_choice
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.status import Status
from fusioncim_sim.rtl import programs
from fusioncim_sim.rtl.chip_run import ChipJob, simulate_chip
from fusioncim_sim.rtl.simulators import SIMULATORS
from fusioncim_sim.studies.chip.workloads import SMALL, WORKLOADS, Workload, operands
from fusioncim_sim.studies.study import Request, Stored


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Everything; of single jobs the figures are printed, and nothing is stored."""
    for name in request.parts:
        check_choice("workload", name, tuple(WORKLOADS))
    chosen = {name: WORKLOADS[name] for name in request.parts or WORKLOADS}
    builds = {
        f"build {chip.engines} x {chip.engine.rows} x {chip.engine.columns}": partial(build, chip)
        for chip in dict.fromkeys(workload.chip for workload in chosen.values())
    }
    run_all(builds, jobs=request.jobs, title="build")
    work = {name: partial(measured, workload) for name, workload in chosen.items()}
    done = run_all(work, jobs=request.jobs, title="measure")
    if request.parts:
        for name, value in done.items():
            print(name, value)
        return
    # Time is measured alone.
    presets = run_all({name: partial(generated, name) for name in PRESETS}, jobs=1, title="generate")
    rates = run_all({"speed": partial(speed, SMALL)}, jobs=1, title="speed")
    yield "chip.json", {"workloads": done, "generate": presets, **rates}


def build(chip: ChipConfig) -> str:
    """Build the simulation of a chip."""
    return str(programs.build(Chip(chip), simulator="verilator")[0])


def measured(workload: Workload, simulator: str = "verilator") -> dict[str, Any]:
    """Run a workload, compare every bit, and say where the cycles went."""
    chip, config = workload.chip, workload.chip.engine
    groups = operands(workload)
    jobs = [ChipJob(groups=groups, mask=workload.mask)] * workload.repeat
    began = time.monotonic()
    run = simulate_chip(chip, jobs, share=workload.share, cycles=4_000_000, simulator=simulator)
    seconds = time.monotonic() - began
    expected = golden.run(chip, groups, mask=workload.mask)
    counters = run.counters
    traffic = golden.traffic(chip, run.images[0].work)
    bus_cycles = (traffic.bytes_query + traffic.bytes_key + traffic.bytes_value + traffic.bytes_scale) / chip.bus_bytes
    cycles = counters["cycles"]
    work = expected.events.scores * workload.repeat * config.operand_bits / config.rows
    idle = {name: value for name, value in counters.items() if name.startswith("idle_")}
    return {
        "engines": chip.engines,
        "rows": config.rows,
        "columns": config.columns,
        "bus_bits": chip.bus_bits,
        "heads": workload.group * workload.kv_heads,
        "kv_heads": workload.kv_heads,
        "queries": workload.queries,
        "keys": workload.keys,
        "mask": asdict(workload.mask),
        "jobs": workload.repeat,
        "bus_share": workload.share,
        "bit_exact": run.statuses == [Status.OK] * len(jobs)
        and all(bool(np.array_equal(expected.out, out)) for out in run.outputs),
        "cycles": cycles,
        "utilization_percent": round(100 * work / (cycles * chip.engines), 2),
        "mac_cycle_percent": round(100 * counters["mac_cycles"] / (cycles * chip.engines), 2),
        "idle_percent": {name[5:]: round(100 * value / (cycles * chip.engines), 2) for name, value in idle.items()},
        "read_bus_cycles": round(bus_cycles * workload.repeat / workload.share),
        "keys_and_values_once": counters["bytes_key"] == workload.repeat * traffic.bytes_key
        and counters["bytes_value"] == workload.repeat * traffic.bytes_value,
        "counters": counters,
        "seconds": round(seconds, 2),
    }


def speed(chip: ChipConfig) -> dict[str, Any]:
    """Cycles per second of both simulators on the same job, builds and start not counted."""
    workload = Workload(chip=chip, kv_heads=1, group=4, queries=64, keys=64)
    start = replace(workload, group=1, queries=1, keys=1)
    result: dict[str, float] = {}
    for simulator in SIMULATORS:
        long, short = (measured(one, simulator) for one in (workload, start))
        rate = (long["cycles"] - short["cycles"]) / (long["seconds"] - short["seconds"])
        result[f"{simulator}_cycles_per_second"] = round(rate)
    ratio = result["verilator_cycles_per_second"] / result["icarus_cycles_per_second"]
    return {**result, "ratio": round(ratio, 1)}


GENERATE = """
import json, resource, sys, time
from fusioncim.chip.chip import Chip
from fusioncim.verilog.emit import verilog
from fusioncim_golden.presets import preset
began = time.monotonic()
text = verilog(Chip(preset(sys.argv[1])))
usage = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps({
    "bytes": len(text.encode()),
    "modules": text.count("\\nendmodule"),
    "seconds": round(time.monotonic() - began, 1),
    "memory_mb": round(max(usage) / 1024),
}))
"""
"""Generates a preset in a process of its own, for its time and memory."""


def generated(preset: str) -> dict[str, Any]:
    """Size, time and memory of a preset's Verilog."""
    done = run_program([sys.executable, "-c", GENERATE, preset])
    done.check_returncode()
    result: dict[str, Any] = json.loads(done.stdout)
    return result
