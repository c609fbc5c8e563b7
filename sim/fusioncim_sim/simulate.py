"""Runs jobs on the engine: the golden model, and the RTL under Icarus Verilog, bit against bit."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusioncim.engine import Engine
from fusioncim.store import build_root
from fusioncim_golden import engine as golden
from fusioncim_golden.arith import Int
from fusioncim_golden.config import Config
from fusioncim_golden.ip_cim import scores
from fusioncim_golden.metrics import in_lsb, max_error, sqnr_db
from fusioncim_golden.quantize import Heads
from fusioncim_golden.reference import dequantized_attention, visible
from fusioncim_golden.schedule import Job
from fusioncim_golden.softmax import exact_rescales
from fusioncim_sim.encode import encode
from fusioncim_sim.engine_bench import ACTIVITY
from fusioncim_sim.runner import Program, SimulationError, run


@dataclass(frozen=True)
class Run:
    """What the RTL did with its jobs, one after the other.

    Members: outputs int64 [heads, queries, columns] per job; cycles from the end of reset to the last output; activity:
    bool per cycle, by the names of `engine_bench.ACTIVITY`.
    """

    outputs: list[Int]
    cycles: int
    activity: dict[str, NDArray[np.bool_]]


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
    beats_per_row = config.columns // config.units
    if cycles is None:
        ideal = streams.slots * config.block_cycles + len(streams.places) * (beats_per_row + 30)
        cycles = (20 if stall else 2) * ideal + 2000
    build_root().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build_root()) as scratch:
        place = Path(scratch)
        words = {name: [f"{x:x}" for x in getattr(streams, name)] for name in ("tiles", "q", "blocks", "kv")}
        case = {
            **words,
            "vectors": streams.vectors,
            "rank": config.update_rank,
            "output_bits": config.output_bits,
            "units": config.units,
            "beats": len(streams.places) * beats_per_row,
            "stall": dict(stall or {}),
            "seed": seed,
            "cycles": cycles,
            "idle": idle,
            "out": str(place / "out.npz"),
        }
        run(Engine(config), "fusioncim_sim.engine_bench", "runs_job", case, results=place, program=program)
        with np.load(place / "out.npz") as file:
            rows = file["outputs"].reshape(len(streams.places), config.columns)
            ends, record = file["ends"], file["activity"]
    if (ends + 1).tolist() != [row * beats_per_row for row in streams.tile_ends]:
        raise SimulationError("the engine marked the ends of tiles at other beats than the schedule's")
    outputs = [np.zeros(heads.q.shape, np.int64) for heads, _ in jobs]
    for (index, head, query), row in zip(streams.places, rows, strict=True):
        outputs[index][head, query] = row
    activity = {name: (record >> n & 1).astype(bool) for n, name in enumerate(ACTIVITY)}
    last = int(np.flatnonzero(activity["drain"])[-1])
    return Run(outputs, last + 1, {name: x[: last + 1] for name, x in activity.items()})


@dataclass(frozen=True)
class HeadResult:
    """One head's figures.

    Members: bit_exact (RTL equals golden; None without RTL); sqnr_db and max_error_lsb against float64 attention on the
    same integers, in units of V's least significant bit; sqnr_float_db against float64 attention on the operands before
    quantization (None if they were integers); cycles, active_cycles, utilization (visible multiply-accumulates per
    cycle and multiplier of the whole job) and cycles_per_vector (of a full slot) from the RTL; rescales, halvings (O
    moved because its row sum was about to overflow) and rescales_in_order_exact (exact online softmax, keys in order).
    """

    name: str
    queries: int
    keys: int
    bit_exact: bool | None
    mismatches: int | None
    sqnr_db: float
    max_error_lsb: float
    sqnr_float_db: float | None
    cycles: int | None
    active_cycles: int | None
    utilization: float | None
    cycles_per_vector: float | None
    rescales: int
    halvings: int
    rescales_in_order_exact: int
    scores: int
    zero_probabilities: int
    row_updates: int
    skipped_row_updates: int


def judge(
    config: Config,
    name: str,
    heads: Heads,
    job: Job,
    run_of: Run | None,
    unquantized: NDArray[np.float64] | None = None,
) -> HeadResult:
    """Compare a head's run (None: golden only) with the golden model and with float attention.

    unquantized: float attention on the operands before quantization, in V's own units.
    """
    result = golden.run(config, heads, job)
    counters = result.counters
    reference = dequantized_attention(heads, job)
    out = in_lsb(config, result.out)
    mismatches = cycles = active = utilization = pace = None
    if run_of is not None:
        mismatches = int(np.count_nonzero(run_of.outputs[0] != result.out))
        cycles, active = run_of.cycles, int(run_of.activity["qk"].sum())
        utilization = counters.scores * config.operand_bits / (cycles * config.rows)
        pace = active / (counters.slots * config.update_rank)
    return HeadResult(
        name=name,
        queries=job.queries,
        keys=job.keys,
        bit_exact=None if mismatches is None else mismatches == 0,
        mismatches=mismatches,
        sqnr_db=sqnr_db(out, reference),
        max_error_lsb=max_error(out, reference),
        sqnr_float_db=None if unquantized is None else sqnr_db(out * heads.scale_v, unquantized),
        cycles=cycles,
        active_cycles=active,
        utilization=utilization,
        cycles_per_vector=pace,
        rescales=counters.rescales,
        halvings=counters.halvings,
        rescales_in_order_exact=exact_rescales(
            scores(heads.q, heads.k), np.broadcast_to(visible(job), (job.heads, job.queries, job.keys))
        ),
        scores=counters.scores,
        zero_probabilities=counters.zero_probabilities,
        row_updates=counters.row_updates,
        skipped_row_updates=counters.skipped_row_updates,
    )
