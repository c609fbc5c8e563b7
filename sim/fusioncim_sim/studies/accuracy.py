"""Error of the arithmetic: of captured heads, and of the sum of the weights of many equal keys (accuracy.json)."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from fusioncim.build.workers import run_all
from fusioncim_golden import engine as golden
from fusioncim_golden.config import Config
from fusioncim_golden.mask import FULL
from fusioncim_golden.metrics import in_lsb
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.schedule import Job
from fusioncim_sim.heads.judge import judge_golden
from fusioncim_sim.heads.read import Head, fixture, load_heads
from fusioncim_sim.studies.study import Request, Stored, Study
from fusioncim_sim.studies.targets import Target, targets_table

SMALL = Config()
EQUAL_KEYS = 2048


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Run the golden model."""
    work: dict[str, Any] = {head.name: partial(errors, head) for head in load_heads(fixture(), SMALL)}
    done = run_all(work | {"equal keys": equal_keys}, jobs=request.jobs, title="accuracy")
    yield "accuracy.json", {"flat": done.pop("equal keys"), "heads": done}


def errors(head: Head) -> dict[str, Any]:
    """Error of one whole causal head with the default configuration."""
    result = judge_golden(SMALL, head)
    figures = {
        "sqnr_floats_db": (result.sqnr_floats_db, 2),
        "max_error_floats_lsb": (result.max_error_floats_lsb, 3),
        "sqnr_integers_db": (result.sqnr_integers_db, 2),
        "max_error_integers_lsb": (result.max_error_integers_lsb, 3),
    }
    return {name: None if value is None else round(value, digits) for name, (value, digits) in figures.items()}


def equal_keys() -> dict[str, Any]:
    """Equal keys and constant values: an output over the value is the sum of the normalized weights."""
    generator = np.random.default_rng(1)
    value = 100
    q = generator.integers(-127, 128, (1, SMALL.rows, SMALL.columns))
    k = np.tile(generator.integers(-127, 128, SMALL.columns), (EQUAL_KEYS, 1))
    heads = from_integers(q, k, np.full_like(k, value), scale_q=1 / 127, scale_k=4 / 127)
    out = golden.run(SMALL, heads, Job(queries=SMALL.rows, keys=EQUAL_KEYS, mask=FULL)).out
    error = np.abs(in_lsb(SMALL, out) / value - 1).max()
    return {"keys": EQUAL_KEYS, "weight_sum_error_percent": round(100 * float(error), 3)}


def targets(accuracy: Stored) -> Sequence[Target]:
    """What was asked of the error, and what is reached."""
    heads = accuracy["heads"].values()

    def reached(reference: str) -> str:
        sqnr, error = (
            sorted(head[key] for head in heads) for key in (f"sqnr_{reference}_db", f"max_error_{reference}_lsb")
        )
        return f"{sqnr[0]} to {sqnr[-1]} dB, at most {error[-1]} LSB"

    return (
        (f"error of {len(heads)} real heads against float64 attention on their floats", "", reached("floats")),
        (
            "the same against float64 attention on the integers that the engine gets",
            "SQNR at least 40 dB, at most 1 LSB of V",
            reached("integers"),
        ),
        (
            f"{accuracy['flat']['keys']:,} equal keys: sum of the weights, distance from 1",
            "at most 1 %",
            f"{accuracy['flat']['weight_sum_error_percent']} %",
        ),
    )


STUDY = Study(
    files={"accuracy.json": ("heads", "flat")},
    measure=measure,
    show=lambda data: targets_table(targets(data)),
)
