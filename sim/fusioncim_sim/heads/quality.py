"""What the arithmetic does to heads: the error of quantized operands, that of the engine on them, and both together.

Each is the ratio of signal to noise of the outputs, in dB, against float64 attention:

    operands    float64 attention on the quantized operands, against that on the floats of the file
    engine      the engine, against that on the floats
    arithmetic  the engine, against that on the operands that it gets

What a language model makes of these errors is another matter, see `llm.losses`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fusioncim.build.workers import run_all
from fusioncim_golden.config import Config
from fusioncim_golden.mask import CAUSAL, Mask
from fusioncim_golden.metrics import sqnr_db
from fusioncim_golden.quantize import Heads
from fusioncim_golden.reference import dequantized_attention
from fusioncim_golden.schedule import Job
from fusioncim_sim.heads.judge import judge, operands_of, plain
from fusioncim_sim.heads.read import Head


@dataclass(frozen=True)
class HeadQuality:
    """A head's errors, in dB; None for integer heads, which have no floats.

    Members:
        name, queries, keys, dimension: of the head.
        operands, engine, arithmetic: see above.
    """

    name: str
    queries: int
    keys: int
    dimension: int
    operands: float | None
    engine: float | None
    arithmetic: float


def head_quality(config: Config, head: Head, mask: Mask = CAUSAL) -> HeadQuality:
    """The errors of one head on the golden model."""
    heads, job = operands_of(config, head), Job(queries=len(head.q), keys=len(head.k), mask=mask)
    judged = judge(config, head, heads, job, None)
    return HeadQuality(
        name=head.name,
        queries=judged.queries,
        keys=judged.keys,
        dimension=judged.dimension,
        operands=None if head.is_integer else _operands(head, heads, job),
        engine=judged.sqnr_floats_db,
        arithmetic=judged.sqnr_integers_db,
    )


def _operands(head: Head, heads: Heads, job: Job) -> float:
    rewritten = head.equalized()
    found = dequantized_attention(heads, job)[0, :, : head.dimension]
    unit = float((heads.scale_v * rewritten.factor_v).max())  # squares of small numbers would be 0
    return sqnr_db(rewritten.outputs(found * heads.scale_v) / unit, head.unquantized_attention(job)[0] / unit)


def heads_quality(config: Config, heads: Sequence[Head], mask: Mask, *, jobs: int) -> list[HeadQuality]:
    """The errors of heads, in parallel, in their order."""
    work = {head.name: partial(head_quality, config, head, mask) for head in heads}
    done: Mapping[str, HeadQuality] = run_all(work, jobs=jobs, title="golden model")
    return [done[head.name] for head in heads]


def quality_figures(config: Config, found: Sequence[HeadQuality], mask: Mask) -> Mapping[str, Any]:
    """What `fusioncim quality FILE --json` writes."""
    return {"config": config.as_dict(), "mask": mask.words, "heads": [plain(one) for one in found]}
