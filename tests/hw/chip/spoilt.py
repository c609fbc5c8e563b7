"""Jobs with a bad entry in one of their tables."""

from dataclasses import dataclass

import numpy as np

from fusioncim_golden.limits import INTERVAL_BYTES, PAGE_BYTES, SCALE_BYTES
from fusioncim_sim.rtl.chip_run import ChipJob

TABLES = {
    "pages": (lambda job: job.pages.list, PAGE_BYTES),
    "intervals": (lambda job: job.intervals, INTERVAL_BYTES),
    "scales": (lambda job: job.scales, SCALE_BYTES),
    "sinks": (lambda job: job.sinks, SCALE_BYTES),
    "slopes": (lambda job: job.slopes, SCALE_BYTES),
}
"""Where they lie, by the descriptor, and bytes of an entry."""


@dataclass(frozen=True, kw_only=True)
class Spoilt(ChipJob):
    """A job with another entry in one of TABLES, as a number."""

    table: str
    index: int
    entry: int

    def place(self, chip, memory, behind):
        image = super().place(chip, memory, behind)
        start, size = TABLES[self.table]
        place = start(image.descriptor) + self.index * size
        memory[place : place + size] = np.frombuffer(self.entry.to_bytes(size, "little"), np.uint8)
        return image
