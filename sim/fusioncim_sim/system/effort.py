"""What a layer takes on a design that is not walked through: cycles, busy cycles, and bytes by what they are."""

from collections import defaultdict
from dataclasses import dataclass, field

QUERIES, OUTPUTS = "queries", "outputs"
ONCE, AGAIN = "keys and values, once", "keys and values, again"
TRANSPOSES = "transposes"
SCORES = "scores and probabilities"
PARTIAL_SUMS = "partial sums"
KINDS = (QUERIES, OUTPUTS, ONCE, AGAIN, TRANSPOSES, SCORES, PARTIAL_SUMS)
"""What bytes are. Keys and values, once: as often as a design must that keeps nothing."""


@dataclass
class Effort:
    """What a layer takes.

    Members:
        cycles: from begin to end
        compute: cycles that it would take if memory never had to be waited for
        array: busy cycles of an array of rows x columns, of all engines
        values: those of `array` that multiply values
        softmax: busy cycles of an engine's softmax, of all engines
        weights: rows of weights that are written
        transposed: bytes through the transposing buffer
        memory: bytes between the chip and memory
        buffer: bytes read from and written into the global buffer
        phases: cycles by phase
        memory_by, buffer_by: bytes of `memory` and `buffer` by `KINDS`, where a design names them
    """

    cycles: float = 0.0
    compute: float = 0.0
    array: float = 0.0
    values: float = 0.0
    softmax: float = 0.0
    weights: float = 0.0
    transposed: float = 0.0
    memory: float = 0.0
    buffer: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)
    memory_by: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    buffer_by: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def waiting(self) -> float:
        """Share of the cycles in which memory is waited for."""
        return 1 - self.compute / self.cycles

    def phase(self, name: str, compute: float, reads: float, writes: float, bytes_per_cycle: float) -> None:
        """A phase takes as long as the slowest of its computation, its reads and its writes."""
        self.phases[name] = max(compute, reads / bytes_per_cycle, writes / bytes_per_cycle)
        self.cycles += self.phases[name]
        self.compute += compute
        self.memory += reads + writes

    def moves(self, kind: str, *, memory: float = 0.0, buffer: float = 0.0) -> None:
        """Bytes of a kind; those of memory are counted in `phase`."""
        self.memory_by[kind] += memory
        self.buffer_by[kind] += buffer
        self.buffer += buffer

    def moves_keys(self, moved: float, once: float) -> None:
        """Keys and values that are read from memory, into the global buffer and out of it; once: the least of them."""
        least = min(moved, once)
        self.moves(ONCE, memory=least, buffer=2 * least)
        self.moves(AGAIN, memory=moved - least, buffer=2 * (moved - least))
