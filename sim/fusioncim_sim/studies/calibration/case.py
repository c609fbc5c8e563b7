"""Jobs on a chip, which both the RTL and the cycle model run."""

from dataclasses import dataclass, replace

import numpy as np

from fusioncim_golden.arith import Int
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.descriptor import Sequence
from fusioncim_golden.mask import CAUSAL, Mask
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import Heads, from_integers
from fusioncim_golden.sinks import sinks_of
from fusioncim_golden.slopes import slope_words
from fusioncim_sim.rtl.job_places import Paging
from fusioncim_sim.system.cycles import Memory


@dataclass(frozen=True, kw_only=True)
class Case:
    """Jobs on a chip.

    Members:
        chip: the chip that they run on
        kv_heads: key and value heads
        group: query heads of each
        queries: queries of a query head
        keys: keys of a key and value head
        mask: which keys a query sees
        start: position of the first query among the keys; None: the queries are the last tokens
        layout: how tensors lie in memory
        dimension: operands of a query and key; None: the columns of the chip
        value_dimension: operands of a value; None: as those
        shared: the first part of a key is its value
        kv_bits: of an operand of keys and values; 0: those of the chip
        token_scales: every key and value has a scale
        sinks: query heads have a sink
        slopes: query heads have a slope
        lse: the log-sum-exp of every row is written
        gap: bytes by which places lie behind a line, and vectors farther apart than they must
        sequences: of a batch; queries and keys are then those of all
        paging: how keys and values lie in pages
        intervals: every query has an interval of its own, the keys up to a random one
        jobs: how often the job is queued
        latency: of the memory in cycles
        share: part of the cycles in which the memory may move a beat
    """

    chip: ChipConfig = PRESETS["tiny"]
    kv_heads: int = 1
    group: int = 1
    queries: int
    keys: int
    mask: Mask = CAUSAL
    start: int | None = None
    layout: str = "head"
    dimension: int | None = None
    value_dimension: int | None = None
    shared: bool = False
    kv_bits: int = 0
    token_scales: bool = False
    sinks: bool = False
    slopes: bool = False
    lse: bool = False
    gap: int = 0
    sequences: tuple[Sequence, ...] = ()
    paging: Paging | None = None
    intervals: bool = False
    jobs: int = 1
    latency: int = 30
    share: float = 1.0

    @property
    def simulator(self) -> str:
        """The fast one, but for a memory with a phase."""
        return "verilator" if self.share == 1 else "icarus"

    @property
    def memory(self) -> Memory:
        """As the model takes it: the memory of the simulations saves no share of a cycle up for later."""
        return Memory(latency=self.latency, period=int(-(-1 // self.share)))

    def spans(self) -> Int | None:
        """The table of intervals."""
        if not self.intervals:
            return None
        high = np.random.default_rng(2).integers(0, self.keys + 1, self.queries)
        return np.stack([high // 2, high], axis=1)

    def _besides(self, heads: Heads, rng: np.random.Generator) -> Heads:
        """With what a key and value head has beside its operands."""
        if self.token_scales:
            heads = replace(heads, token_scales=rng.integers(0, 1 << 9, (self.keys, 2)))
        if self.sinks:
            heads = replace(heads, sinks=sinks_of(rng.normal(0, 3, self.group)))
        if self.slopes:
            heads = replace(heads, slopes=slope_words(rng.uniform(1 / 256, 1, self.group)))
        return heads

    def operands(self) -> list[Heads]:
        """Random ones, one `Heads` per key and value head; their weights are spread over many keys."""
        rng = np.random.default_rng(1)
        limit = (1 << (self.chip.engine.operand_bits - 1)) - 1
        shapes = (self.group, self.queries), (self.keys,), (self.keys,)
        dimension = self.dimension or self.chip.engine.columns
        step = self.chip.engine.operand_bits - (self.kv_bits or self.chip.engine.operand_bits)
        found = []
        for _ in range(self.kv_heads):
            q, k, v = (rng.integers(-limit, limit + 1, (*shape, dimension)) for shape in shapes)
            k, v = (x >> step << step for x in (k, v))
            heads = self._besides(from_integers(q, k, v, scale_q=1 / limit, scale_k=4 / limit), rng)
            found.append(replace(heads, v=(k if self.shared else v)[:, : self.value_dimension]))
        return found
