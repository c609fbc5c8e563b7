"""Jobs on whole chips, and their operands."""

from dataclasses import dataclass

import numpy as np

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.equalize import equalize
from fusioncim_golden.mask import CAUSAL, FULL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import Heads, from_integers, quantize
from fusioncim_sim.heads.read import fixture, load_heads

SMALL = PRESETS["small"]
SQUARE = SMALL.override(rows=64, columns=64, softmax_lanes=8)
"""Four engines of 64 x 64."""
PAPER_ENGINE = PRESETS["paper"].override(engines=1, buffer_bytes=1 << 16)
"""One engine of 128 x 128 with its share of the global buffer."""
MANY = PRESETS["tiny"].override(engines=16, words=4, buffer_bytes=1 << 14, bus_bits=128, schedule="folded")
"""Sixteen engines of 8 x 16, with a buffer of 256 blocks."""
UNFOLDED = MANY.override(schedule="diagonal_first")
"""The same in the published order."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A job to measure.

    Members:
        chip: the chip that it runs on
        kv_heads: key and value heads
        group: query heads of each
        queries: queries of a query head
        keys: keys of a key and value head
        mask: which keys a query sees
        captured: operands are captured heads, else random integers
        share: part of the cycles in which the memory may move a beat
        repeat: how often the job is queued
    """

    chip: ChipConfig = SMALL
    kv_heads: int
    group: int
    queries: int
    keys: int
    mask: Mask = CAUSAL
    captured: bool = False
    share: float = 1.0
    repeat: int = 1


WORKLOADS = {
    "causal prefill, grouped": Workload(kv_heads=2, group=4, queries=1024, keys=1024),
    "full prefill, grouped": Workload(kv_heads=2, group=4, queries=1024, keys=1024, mask=FULL),
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
    """Captured heads, equalized: every group has the keys and values of one, and the queries of its neighbours.

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
        rewritten = equalize(q, k, v)
        groups.append(quantize(rewritten.q, rewritten.k, rewritten.v, bits=config.operand_bits, centred=True))
    return groups
