"""The measured figures of whole chips: utilization, memory traffic, idle causes, simulation speed (chip.json)."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from fusioncim.build.workers import run_all
from fusioncim.chip.chip import Chip
from fusioncim_golden import job as golden
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import check_choice
from fusioncim_golden.descriptor import Descriptor, Status
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import Heads, from_integers, quantize
from fusioncim_sim.files import check_json, make_directory, write_json
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.rtl import programs
from fusioncim_sim.rtl.chip_run import ChipJob, simulate_chip
from fusioncim_sim.rtl.simulators import SIMULATORS

SMALL = PRESETS["small"]
SQUARE = SMALL.override(rows=64, columns=64, softmax_lanes=8)
"""Four engines of 64 x 64."""
PAPER_ENGINE = PRESETS["paper"].override(engines=1, buffer_bytes=1 << 16)
"""One engine of 128 x 128 with its share of the global buffer."""
MANY = PRESETS["tiny"].override(engines=16, words=4, buffer_bytes=1 << 14, bus_bits=128, schedule="folded")
"""Sixteen engines of 8 x 16, with a buffer of 256 blocks."""
UNFOLDED = MANY.override(schedule="diagonal_first")
"""The same in the published order."""
KEYS = ("workloads", "generate", "speed")


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A job to measure. operands: random integers, or the heads of the fixture."""

    chip: ChipConfig = SMALL
    kv_heads: int
    group: int
    queries: int
    keys: int
    causal: bool = True
    captured: bool = False
    share: float = 1.0
    repeat: int = 1


WORKLOADS = {
    "causal prefill, grouped": Workload(kv_heads=2, group=4, queries=1024, keys=1024),
    "full prefill, grouped": Workload(kv_heads=2, group=4, queries=1024, keys=1024, causal=False),
    "causal prefill, one head": Workload(kv_heads=1, group=1, queries=1024, keys=1024),
    "causal prefill, short jobs": Workload(kv_heads=2, group=4, queries=128, keys=128, repeat=4),
    "decode of 8 tokens": Workload(kv_heads=2, group=4, queries=8, keys=4096),
    "decode of 8 tokens, slow memory": Workload(kv_heads=2, group=4, queries=8, keys=4096, share=0.5),
    "chunk of 256 at 768": Workload(kv_heads=2, group=4, queries=256, keys=1024),
    "causal prefill, one head, 16 engines": Workload(chip=MANY, kv_heads=1, group=1, queries=1024, keys=1024),
    "causal prefill, one head, 16 engines, diagonal first": Workload(
        chip=UNFOLDED, kv_heads=1, group=1, queries=1024, keys=1024
    ),
    "captured heads, 4 engines of 64 x 64": Workload(
        chip=SQUARE, kv_heads=2, group=3, queries=512, keys=512, captured=True
    ),
    "captured heads, one engine of 128 x 128": Workload(
        chip=PAPER_ENGINE, kv_heads=1, group=2, queries=256, keys=256, captured=True
    ),
}


def operands(workload: Workload) -> list[Heads]:
    """The operands of a workload, one `Heads` per key and value head."""
    shape = (workload.group, workload.queries), (workload.keys,), (workload.keys,)
    if workload.captured:
        return captured(workload)
    rng = np.random.default_rng(1)
    columns = workload.chip.engine.columns
    return [
        from_integers(*(rng.integers(-127, 128, (*part, columns)) for part in shape), scale_q=1 / 127, scale_k=4 / 127)
        for _ in range(workload.kv_heads)
    ]


def captured(workload: Workload) -> list[Heads]:
    """Captured heads: every group has the keys and values of one, and the queries of its neighbours.

    Columns beyond the dimension of a captured head are filled by the next head.
    """
    config = workload.chip.engine
    heads = load_heads(fixture(), SMALL.engine)
    parts = config.columns // SMALL.engine.columns

    def joined(name: str, n: int, count: int) -> np.ndarray:
        part = [getattr(heads[(n + m) % len(heads)], name)[:count] for m in range(parts)]
        return np.concatenate(part, axis=-1).astype(np.float64)

    groups = []
    for n in range(workload.kv_heads):
        q = np.stack([joined("q", n + m, workload.queries) for m in range(workload.group)])
        k, v = (joined(name, n, workload.keys) for name in "kv")
        groups.append(quantize(q, k, v, bits=config.operand_bits, subtract_mean_k=True))
    return groups


def measured(workload: Workload, simulator: str = "verilator") -> dict[str, Any]:
    """Run a workload, compare every bit, and say where the cycles went."""
    chip, config = workload.chip, workload.chip.engine
    groups = operands(workload)
    jobs = [ChipJob(groups=groups, causal=workload.causal)] * workload.repeat
    descriptors: list[Descriptor] = []

    def remember(_: int, descriptor: Descriptor) -> Descriptor:
        descriptors.append(descriptor)
        return descriptor

    began = time.monotonic()
    run = simulate_chip(chip, jobs, change=remember, share=workload.share, cycles=4_000_000, simulator=simulator)
    seconds = time.monotonic() - began
    expected = golden.run(chip, groups, causal=workload.causal)
    counters = run.counters
    traffic = golden.traffic(chip, descriptors[0])
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
        "causal": workload.causal,
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
    done = subprocess.run([sys.executable, "-c", GENERATE, preset], capture_output=True, encoding="utf-8", check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def run_chip_measurements(console: Console, *, output: Path, jobs: int, names: Sequence[str] = ()) -> None:
    """Measure and write chip.json; names: these workloads only, printed and not written."""
    path = output / "chip.json"
    if path.exists():
        check_json(path, KEYS)
    for name in names:
        check_choice("workload", name, tuple(WORKLOADS))
    chosen: Mapping[str, Workload] = {name: WORKLOADS[name] for name in names or WORKLOADS}
    builds = {
        f"build {chip.engines} x {chip.engine.rows} x {chip.engine.columns}": partial(build, chip)
        for chip in dict.fromkeys(workload.chip for workload in chosen.values())
    }
    run_all(builds, jobs=jobs, title="build")
    done = run_all({name: partial(measured, workload) for name, workload in chosen.items()}, jobs=jobs, title="measure")
    if names:
        for name, value in done.items():
            console.print(name, value)
        return
    # Time is measured alone.
    presets = run_all({name: partial(generated, name) for name in PRESETS}, jobs=1, title="generate")
    rates = run_all({"speed": partial(speed, SMALL)}, jobs=1, title="speed")
    make_directory(output)
    write_json(path, {"workloads": done, "generate": presets, **rates}, KEYS)
    console.print(f"wrote {path}", soft_wrap=True)


def build(chip: ChipConfig) -> str:
    """Build the simulation of a chip."""
    return str(programs.build(Chip(chip), simulator="verilator")[0])
