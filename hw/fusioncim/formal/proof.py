"""What a proof is, and how it is run: on the RTL, and on the RTL with a fault, where it has to fail."""

import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from amaranth.lib import wiring

from fusioncim.formal.bench import Bench
from fusioncim.formal.decide import Verdict, decide
from fusioncim.formal.mutant import Mutant, constant
from fusioncim.verilog.emit import used

LIMIT_S = 400
"""Of a proof, for ABC."""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Claims about a unit.

    Members:
        unit: makes the unit, in a small configuration.
        says: the claims, in a sentence.
        properties: states them on a bench.
        mutant: the fault with which they do not hold.
        covers: it is shown that things happen, not that they never do; each claim has to fail.
        prepare: commands of ABC that make the graph smaller before.
        steps: cycles of an induction over all claims together; 0: ABC finds an invariant.
        cycles: in how many it is proved, the reset's among them, and its fault found; 0: in every number of them.
        stored: memories are not written, they have their contents.
        constants: of the RTL, as `module:NAME`, and their smaller values.
        tried: what was, where no proof is found yet; empty for a proof.
    """

    unit: Callable[[], wiring.Component]
    says: str
    properties: Callable[[Bench], None]
    mutant: Mutant
    covers: bool = False
    prepare: str = ""
    steps: int = 0
    cycles: int = 0
    stored: bool = False
    constants: Mapping[str, int] = field(default_factory=dict)
    tried: str = ""

    @property
    def unit_name(self) -> str:
        """Class of the unit."""
        unit = self.unit()
        used(unit)
        return type(unit).__name__

    def run(self, *, mutated: bool = False, limit_s: int = LIMIT_S) -> tuple[bool | None, Verdict, float]:
        """Whether what is said holds, or None if that is not known; ABC's verdict; seconds."""
        begin = time.perf_counter()
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for name, value in self.constants.items():
                stack.enter_context(constant(name, value))
            if mutated:
                stack.enter_context(self.mutant.applied())
            bench = Bench(self.unit(), self.properties)
            verdict = decide(
                bench,
                scratch,
                limit_s=limit_s,
                prepare=self.prepare,
                steps=self.steps,
                cycles=self.cycles,
                search=mutated and not self.covers,
                stored=self.stored,
            )
        holds = {"proved": True, "refuted": False, "open": None}[verdict.answer]
        if self.covers:
            holds = verdict.refuted == verdict.claims
        return holds, verdict, time.perf_counter() - begin
