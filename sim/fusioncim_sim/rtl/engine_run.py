"""Runs jobs on the engine: the golden model, and the RTL under Icarus Verilog, bit against bit."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fusioncim.build.cache import build_root
from fusioncim.engine.engine import Engine
from fusioncim.engine.normalizer import output_beat_layout
from fusioncim_golden import engine as golden
from fusioncim_golden.config import Config
from fusioncim_golden.quantize import Heads
from fusioncim_golden.schedule import Job
from fusioncim_sim.coverage import record
from fusioncim_sim.heads.judge import Run
from fusioncim_sim.rtl.engine_bench import ACTIVITY
from fusioncim_sim.rtl.runner import Program, run
from fusioncim_sim.rtl.simulators import SimulationError
from fusioncim_sim.rtl.stream_words import beat_marks, encode, output_lse, output_rows


def simulate_jobs(
    config: Config,
    jobs: Sequence[tuple[Heads, Job]],
    *,
    stall: Mapping[str, str] | None = None,
    seed: int = 0,
    cycles: int | None = None,
    program: Program | None = None,
    idle: int = 0,
) -> Run:
    """Run jobs back to back on one engine under Icarus.

    stall: pattern of `stream.STALLS` by port; cycles: limit, a multiple of what the job should take unless given;
    program: instead of the engine's own; idle: cycles that the simulation goes on after the last output.
    """
    for heads, _ in jobs:
        golden.check_operands(config, heads)
    streams = encode(config, jobs)
    marks = beat_marks(config, streams.tile_ends)
    if cycles is None:
        cycles = streams.limit(config, 20 if stall else 2)
    with tempfile.TemporaryDirectory(dir=build_root()) as scratch:
        place = Path(scratch)
        words = {name: [f"{x:x}" for x in getattr(streams, name)] for name in ("tiles", "q", "blocks", "kv")}
        case = {
            **words,
            "vectors": streams.vectors,
            "rank": config.update_rank,
            "output_bits": config.output_bits,
            "elements": config.drain_rows * config.units,
            "drain_rows": config.drain_rows,
            "mark_bits": output_beat_layout(config)["lse"].offset - output_beat_layout(config)["last"].offset,
            "beats": len(marks),
            "stall": dict(stall or {}),
            "seed": seed,
            "cycles": cycles,
            "idle": idle,
            "out": "out.npz",
        }
        run(Engine(config), "fusioncim_sim.rtl.engine_bench", "runs_job", case, results=place, program=program)
        with np.load(place / "out.npz") as file:
            rows = output_rows(config, file["outputs"], streams.tile_ends)
            seen, recorded = file["marks"], file["activity"]
            row_lse = output_lse(config, file["lse"], streams.tile_ends)
    if seen.tolist() != marks:
        raise SimulationError("the engine marked other ends of tiles, or other rows, than the schedule's")
    told = [record.engine_job(heads, job) for heads, job in jobs]
    record.keep("engine", config=config.as_dict(), jobs=told, stall=dict(stall or {}))
    outputs = [np.zeros(heads.q.shape, np.int64) for heads, _ in jobs]
    lse = [np.zeros(heads.q.shape[:2], np.int64) for heads, _ in jobs]
    for (index, head, query), row, word in zip(streams.places, rows, row_lse, strict=True):
        outputs[index][head, query], lse[index][head, query] = row, word
    activity = {name: (recorded >> n & 1).astype(bool) for n, name in enumerate(ACTIVITY)}
    last = int(np.flatnonzero(activity["drain"])[-1])
    return Run(outputs, lse, last + 1, {name: x[: last + 1] for name, x in activity.items()})
