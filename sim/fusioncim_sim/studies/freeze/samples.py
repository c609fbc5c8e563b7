"""The captured heads as rows are played with them: the operands of an array's width, the pattern of one head.

A head of 64 columns stands beside the next one of its file. What is masked, frozen or added is that of the first of the
two, so that every row has the pattern of a real head.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusioncim_golden.config import Config
from fusioncim_golden.engine import TileTrace, trace
from fusioncim_golden.ip_cim import resident
from fusioncim_golden.mask import sees
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import Heads, quantize
from fusioncim_golden.schedule import Job
from fusioncim_sim.gates.tile_energy import last_queries
from fusioncim_sim.heads.captured import captured, side_by_side, width
from fusioncim_sim.heads.read import Head
from fusioncim_sim.studies.freeze.ip_rows import PlayedRow
from fusioncim_sim.studies.freeze.op_rows import PlayedBlock
from fusioncim_sim.studies.freeze.patterns import Pattern, pattern

PAPER = PRESETS["paper"].engine
ROWS = (32, 96)
"""Rows of the last tile of a head that are played."""


@dataclass(frozen=True)
class Sample:
    """A head's last tile.

    Members:
        operands: as wide as the array.
        step: of the head alone.
        job: of the head.
        heads: the head alone.
        config: of its width.
    """

    operands: Heads
    step: TileTrace
    job: Job
    heads: Heads
    config: Config

    def pattern(self, left_out: int) -> Pattern:
        """What its rows need not look at."""
        return pattern(self.config, self.heads, self.job, self.step, left_out)

    def rows(self, left_out: int, bound: str = "") -> list[PlayedRow]:
        """Rows of the IP-CIM; without a bound nothing is frozen."""
        of, found = self.pattern(left_out), []
        k = self.operands.k[of.position]
        for row in ROWS:
            q = resident(self.operands.q[0, of.query[row]], PAPER.operand_bits)
            frozen = of.frozen[bound][row] if bound else np.zeros(len(k), bool)
            least = of.least[bound or next(iter(of.least))][row]
            found.append(PlayedRow(q, k, of.visible[row], frozen, least))
        return found

    def blocks(self) -> list[PlayedBlock]:
        """Blocks of the same rows for the OP-CIM, one row after the other."""
        step, updates = self.step, self.step.updates
        passing = step.tile.blocks(PAPER.update_rank)
        (here,) = np.nonzero(sees(step.key_blocks.blocks, passing.start, passing.stop))
        position = step.key_blocks.positions(PAPER)
        return [
            PlayedBlock(
                self.operands.v[position[t]],
                step.block.p[row, t],
                int(updates.kind[row, t]),
                int(updates.shift[row, t]),
                bool(updates.halve[row, t]),
            )
            for row in ROWS
            for t in here
        ]


def sample(heads: Sequence[Head], tokens: int) -> Sample:
    """The last tile of the first tokens of heads side by side, with the pattern of the first head."""
    operands = quantize(*side_by_side(heads, tokens), bits=PAPER.operand_bits, centred=True)
    config = PAPER.override(columns=width(heads[0]))
    alone = last_queries(heads[0].first(tokens).quantized(config), PAPER.rows)
    job = Job(queries=PAPER.rows, keys=tokens)
    (step,) = trace(config, alone, job)
    return Sample(last_queries(operands, PAPER.rows), step, job, alone, config)


def beside(head: Head, heads: Sequence[Head]) -> list[Head]:
    """A head, and the next ones that fill the array with it."""
    names = [each.name for each in heads]
    count = PAPER.columns // width(head)
    return [heads[(names.index(head.name) + n) % len(heads)] for n in range(count)]


def captured_samples() -> dict[str, dict[str, list[Head]]]:
    """Heads side by side, by model and by the name of the first."""
    return {model: {head.name: beside(head, heads) for head in heads} for model, heads in captured().items()}
