"""The least cycles in which a chip can end a job, from what it reads, writes and multiplies.

    reads       bytes read / bytes that memory gives per cycle, at all read ports together
    writes      bytes written / bytes that memory takes per cycle
    multiply    unmasked multiply-accumulates / those of all engines at full use
    stream      keys that a row sees, the most of any row * operand_bits: an engine takes a key's planes one by one

No job ends before the largest of the four.
"""

from dataclasses import dataclass

from fusioncim_golden.chip_config import ChipConfig
from fusioncim_sim.system.cycles import Counts, Memory

LIMITS = ("reads", "writes", "multiply", "stream")


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """Cycles that each of the limits allows at best."""

    reads: float
    writes: float
    multiply: float
    stream: float

    @property
    def cycles(self) -> float:
        """Of the limit that binds."""
        return float(getattr(self, self.bound))

    @property
    def bound(self) -> str:
        """The limit that binds."""
        return max(LIMITS, key=lambda name: float(getattr(self, name)))


def roofline(chip: ChipConfig, memory: Memory, counters: Counts, macs: int, longest: int) -> Roofline:
    """The limits of a job; macs: unmasked multiply-accumulates; longest: most keys that a row sees."""
    engine, per_cycle = chip.engine, chip.bus_bytes / memory.period
    reads = counters.bytes_query + counters.bytes_key + counters.bytes_value + counters.bytes_scale
    peak = 2 * chip.engines * engine.rows * engine.columns / engine.operand_bits
    return Roofline(
        reads=reads / (chip.read_ports * per_cycle),
        writes=counters.bytes_output / per_cycle,
        multiply=macs / peak,
        stream=longest * engine.operand_bits,
    )
