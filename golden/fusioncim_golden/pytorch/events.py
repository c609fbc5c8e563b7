"""What happens in many jobs on PyTorch, counted."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch

from fusioncim_golden.config import Config
from fusioncim_golden.mask import blocks
from fusioncim_golden.pytorch.operands import Operands
from fusioncim_golden.pytorch.parts import Step
from fusioncim_golden.pytorch.passes import shape_of


@dataclass
class Events:
    """What happened in all jobs together: see `engine.Events`.

    Here row_updates are rows times the blocks of which they see a key, slots tiles times the blocks that pass them;
    moved_slots: slots in which a row is rescaled or halved.
    """

    scores: int = 0
    rescales: int = 0
    halvings: int = 0
    zero_probabilities: int = 0
    row_updates: int = 0
    skipped_row_updates: int = 0
    slots: int = 0
    moved_slots: int = 0

    @property
    def additions(self) -> int:
        """As of `engine.Events`."""
        return self.row_updates - self.skipped_row_updates

    def begin(self, config: Config, operands: Operands) -> None:
        """Add what the rows see."""
        low, high = operands.low.long(), operands.high.long()
        updates = int(torch.where(low < high, -(-high // config.update_rank) - low // config.update_rank, 0).sum())
        scores = int((high - low).sum())
        self.scores += scores
        self.zero_probabilities += scores
        self.row_updates += updates
        self.skipped_row_updates += updates
        for shape, count in Counter(shape_of(each.job) for each in operands.segments).items():
            first, last = (end.repeat(shape.heads) for end in shape.job.masked(np.arange(shape.queries)))
            for start in range(0, len(first), config.rows):
                tile = slice(start, start + config.rows)
                self.slots += count * len(blocks(int(first[tile].min()), int(last[tile].max()), config.update_rank))

    def count(self, config: Config, step: Step) -> None:
        """Add a chunk's; what it adds to a row is taken off what may have added nothing."""
        added = step.active.permute(1, 0, 2)
        self.zero_probabilities += int((step.block.p.clamp(max=1) & added[:, None]).sum(dtype=torch.int64).neg())
        self.skipped_row_updates += int(added.sum(dtype=torch.int64))
        self.rescales += int((step.move > 0).sum())
        self.halvings += int((step.move < 0).sum())
        block, line, row = step.move.nonzero(as_tuple=True)
        tile = step.part.tile(config, row + step.chunk.rows.start)
        self.moved_slots += torch.stack([block, line, tile]).unique(dim=1).shape[1]
