"""Sequences of a batch: which queries and keys of its tensors are theirs, and what each query sees.

A row of a batch holds one sequence with its padding, or several that are packed. `Places` lays the tokens of every
sequence beside those of the others, and brings what comes out back to where the tokens were.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fusioncim_golden.arith import Int
from fusioncim_golden.schedule import Job


@dataclass(frozen=True)
class Segment:
    """A sequence.

    Members:
        job: its queries and keys, and what each query sees.
        row: in which row of the batch it is.
        queries, keys: int64 [job.queries] and [job.keys], their places in that row, ascending.
    """

    job: Job
    row: int
    queries: Int
    keys: Int


def whole(job: Job, row: int = 0) -> Segment:
    """The sequence that begins where its row does."""
    return Segment(job, row, np.arange(job.queries), np.arange(job.keys))


@dataclass(frozen=True)
class Places:
    """Tokens of all sequences: int64 [sequences, longest], the place of each in its row of the batch.

    Members:
        row: int64 [sequences, 1].
        index: [sequences, longest]; behind the last token of a shorter sequence it is 0.
        used: bool, where there is a token.
    """

    row: Tensor
    index: Tensor
    used: Tensor

    def mask(self, batch: int, tokens: int) -> Tensor:
        """Bool [batch, tokens]: which tokens are in a sequence."""
        result = torch.zeros(batch, tokens, dtype=torch.bool, device=self.index.device)
        result[self.row.expand_as(self.index)[self.used], self.index[self.used]] = True
        return result

    def gather(self, x: Tensor) -> Tensor:
        """Of x [batch, heads, tokens, ..] those tokens: [sequences * heads, longest, ..]."""
        return x.transpose(1, 2)[self.row, self.index].transpose(1, 2).flatten(0, 1)

    def scatter(self, x: Tensor, shape: torch.Size) -> Tensor:
        """The inverse: x [sequences, longest, ..] to [batch, tokens, ..], 0 where no token is in a sequence."""
        result = torch.zeros(shape, dtype=x.dtype, device=x.device)
        result[self.row.expand_as(self.index)[self.used], self.index[self.used]] = x[self.used]
        return result


def places(segments: Sequence[Segment], tokens: Sequence[Int], device: torch.device) -> Places:
    """The places of these tokens, of each sequence its own."""
    index = np.zeros((len(tokens), max(map(len, tokens), default=0)), np.int64)
    used = np.zeros(index.shape, dtype=bool)
    for n, each in enumerate(tokens):
        index[n, : len(each)], used[n, : len(each)] = each, True
    row = np.array([each.row for each in segments], np.int64)[:, None]
    return Places(*(torch.from_numpy(x).to(device) for x in (row, index, used)))


def query_places(segments: Sequence[Segment], device: torch.device) -> Places:
    """Where the queries are."""
    return places(segments, [each.queries for each in segments], device)


def key_places(segments: Sequence[Segment], device: torch.device) -> Places:
    """Where the keys are."""
    return places(segments, [each.keys for each in segments], device)


def intervals(segments: Sequence[Segment]) -> tuple[Tensor, Tensor]:
    """Low and high, int32 [sequences, queries of the longest]; behind the last query [0, 0)."""
    ends = np.zeros((2, len(segments), max((each.job.queries for each in segments), default=0)), np.int32)
    for n, each in enumerate(segments):
        ends[:, n, : each.job.queries] = each.job.interval(np.arange(each.job.queries))
    low, high = torch.from_numpy(ends)
    return low, torch.maximum(low, high)
