"""Judges what an engine made of a head: bits against the golden model, the result against float attention.

`judge` compares one run; `HeadResult` holds its figures; `report` is what a file of results says.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusioncim.build.workers import run_all
from fusioncim_golden import engine as golden
from fusioncim_golden.arith import Int
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.ip_cim import scores
from fusioncim_golden.job import widened
from fusioncim_golden.mask import CAUSAL, FULL, Mask
from fusioncim_golden.metrics import in_lsb, max_error, sqnr_db
from fusioncim_golden.quantize import Heads
from fusioncim_golden.reference import dequantized_attention, visible
from fusioncim_golden.schedule import Job
from fusioncim_golden.softmax import exact_rescales
from fusioncim_sim.heads.read import Head


@dataclass(frozen=True)
class Run:
    """What the RTL did with its jobs, one after the other.

    Members:
        outputs: int64 [heads, queries, columns] per job.
        lse: int64 [heads, queries] per job.
        cycles: from the end of reset to the last output.
        activity: bool per cycle, by the names of `engine_bench.ACTIVITY`.
    """

    outputs: list[Int]
    lse: list[Int]
    cycles: int
    activity: dict[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class HeadErrors:
    """What is wrong with a head's outputs.

    Members:
        name: of the head.
        queries: rows of Q.
        keys: rows of K and V.
        dimension: of a query, a key and a value.
        outputs: how many were compared, those of columns of zeros among them.
        bit_exact: every output of the RTL is the golden model's; None without RTL.
        mismatches: outputs of the RTL that differ; None without RTL.
        sqnr_floats_db: signal to noise against float64 attention on the floats as read, dB; None if heads are integers.
        max_error_floats_lsb: largest error against the same, in units of the least significant bit of V's column; None
            as before.
        sqnr_integers_db: signal to noise against float64 attention on the integers that the engine gets, dB.
        max_error_integers_lsb: largest error against the same, in units of V's least significant bit.
    """

    name: str
    queries: int
    keys: int
    dimension: int
    outputs: int
    bit_exact: bool | None
    mismatches: int | None
    sqnr_floats_db: float | None
    max_error_floats_lsb: float | None
    sqnr_integers_db: float
    max_error_integers_lsb: float


@dataclass(frozen=True)
class HeadResult(HeadErrors):
    """The same of a head that is a job of one engine, with its figures.

    Members:
        cycles: of the whole job, from the RTL.
        active_cycles: cycles in which QK^T is computed, from the RTL.
        utilization: visible multiply-accumulates, without those of columns of zeros, per cycle and multiplier of the
            whole job.
        cycles_per_vector: active cycles per key vector of a full slot.
        rescales: times that a row of O was moved because its reference moved.
        halvings: times that a row of O was moved because its row sum was about to overflow.
        rescales_in_order_exact: rescales of exact online softmax, keys in order.
        scores: visible pairs of query and key.
        zero_probabilities: visible pairs that add nothing.
        row_updates: blocks that passed a row.
        skipped_row_updates: those of them that were too small to be added to the row.
    """

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
    head: Head,
    heads: Heads,
    job: Job,
    run_of: Run | None,
) -> HeadResult:
    """Compare a run (None: golden only) with the golden model and with float attention; heads: of `operands_of`."""
    result = golden.run(config, heads, job)
    events = result.events
    cycles = active = utilization = pace = None
    if run_of is not None:
        cycles, active = run_of.cycles, int(run_of.activity["qk"].sum())
        utilization = events.scores * head.dimension / (cycles * config.macs_per_cycle)
        pace = active / (events.slots * config.update_rank)
    found = None if run_of is None else run_of.outputs[0][0]
    errors = judge_outputs(config, head, heads, [job], result.out[0], found)
    return HeadResult(
        **vars(errors),
        cycles=cycles,
        active_cycles=active,
        utilization=utilization,
        cycles_per_vector=pace,
        rescales=events.rescales,
        halvings=events.halvings,
        rescales_in_order_exact=exact_rescales(
            scores(heads.q, heads.k), np.broadcast_to(visible(job), (job.heads, job.queries, job.keys))
        ),
        scores=events.scores,
        zero_probabilities=events.zero_probabilities,
        row_updates=events.row_updates,
        skipped_row_updates=events.skipped_row_updates,
    )


def judge_outputs(
    config: Config, head: Head, heads: Heads, jobs: Sequence[Job], expected: Int, found: Int | None
) -> HeadErrors:
    """Compare the outputs [queries, columns] of a head on its operands; columns behind its dimension are zeros.

    jobs: of its sequences. expected: of the golden model. found: of the RTL, or None.
    """
    parts = list(zip(head.parts(), jobs, strict=True))
    own = slice(head.dimension)
    reference = np.concatenate([dequantized_attention(heads.part(*part), job)[0, :, own] for part, job in parts])
    out = in_lsb(config, expected[:, own])
    sqnr_floats = error_floats = None
    if not head.is_integer:
        rewritten = head.equalized()
        exact = np.concatenate([head.part(*part).unquantized_attention(job)[0] for part, job in parts])
        floats = rewritten.outputs(out * heads.scale_v)
        lsb = heads.scale_v * rewritten.factor_v
        sqnr_floats = sqnr_db(floats / lsb.max(), exact / lsb.max())  # squares of small numbers would be 0
        error_floats = max_error(floats / lsb, exact / lsb)
    mismatches = None if found is None else int(np.count_nonzero(found != expected))
    return HeadErrors(
        name=head.name,
        queries=len(head.q),
        keys=len(head.k),
        dimension=head.dimension,
        outputs=expected.size,
        bit_exact=None if mismatches is None else mismatches == 0,
        mismatches=mismatches,
        sqnr_floats_db=sqnr_floats,
        max_error_floats_lsb=error_floats,
        sqnr_integers_db=sqnr_db(out, reference),
        max_error_integers_lsb=max_error(out, reference),
    )


def mask_of(causal: bool) -> Mask:
    """What a query sees."""
    return CAUSAL if causal else FULL


def job_of(head: Head, *, causal: bool = True) -> Job:
    """The job that computes one head."""
    return Job(queries=len(head.q), keys=len(head.k), mask=mask_of(causal))


def operands_of(config: Config, head: Head) -> Heads:
    """The operands of a head for one engine: zeros up to its columns."""
    return widened(head.quantized(config), config.columns)


def judge_golden(config: Config, head: Head, *, causal: bool = True) -> HeadResult:
    """Judge what the golden model makes of a head."""
    return judge(config, head, operands_of(config, head), job_of(head, causal=causal), None)


def judge_all(config: Config, heads: Sequence[Head], *, causal: bool, jobs: int) -> dict[str, HeadResult]:
    """Judge what the golden model makes of heads, in parallel; by name in the order of the heads."""
    work = {head.name: partial(judge_golden, config, head, causal=causal) for head in heads}
    return run_all(work, jobs=jobs, title="golden model")


def choose(
    heads: Sequence[Head], names: Sequence[str], tokens: int | None = None, *, causal: bool = True
) -> list[Head]:
    """The heads of these names, in the order of the file; all of them if no name is given.

    names: of a head, or what stands before a dot in the names of several. tokens: only so many of the first ones.
    """
    known = [head.name for head in heads]
    for name in names:
        if not any(_is_of(one, name) for one in known):
            raise InputError(f"the heads of the file are {', '.join(known)}, not {name}")
    chosen = [head for head in heads if not names or any(_is_of(head.name, name) for name in names)]
    return [head.first(tokens, causal=causal) for head in chosen] if tokens else chosen


def _is_of(head: str, name: str) -> bool:
    return head == name or head.startswith(f"{name}.")


def plain(result: Any) -> dict[str, Any]:
    """A dataclass of results as JSON data: null where a figure is missing or infinite."""
    return {name: _plain(value) for name, value in asdict(result).items()}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def report(config: Config, simulator: str, results: Sequence[HeadResult]) -> Mapping[str, Any]:
    """What `fusioncim simulate --json` writes."""
    return {"config": config.as_dict(), "simulator": simulator, "heads": [plain(result) for result in results]}
