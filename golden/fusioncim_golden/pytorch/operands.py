"""Quantized jobs as the batched arithmetic takes them, and how they are laid out from the tensors of a batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from fusioncim_golden.arith import Int
from fusioncim_golden.pytorch.segments import Places, Segment, intervals, key_places, query_places
from fusioncim_golden.sinks import check_not_centred, sinks_of
from fusioncim_golden.slopes import slope_words


@dataclass(frozen=True)
class Operands:
    """Quantized jobs: every sequence with every key head.

    Members:
        q: integers as float32 [jobs, rows, columns]; row r is head r mod group of query r div group. A job that is
            shorter than the longest has rows and keys behind its last, which take no part.
        k, v: the same [jobs, keys, columns]; v may have others than q and k.
        mantissa, shift: int32 [jobs, rows]; log2 score = q.k * mantissa / 2^shift.
        low, high: int32 [jobs, rows], the keys that a row sees. Rows behind a job's last see none: [0, 0).
        segments: the sequence of each job, with its query heads.
        group: query heads of a job.
        scale_q: float64 [jobs, rows]; scale_k: [jobs]; scale_v: [jobs, columns]; operand = integer * scale, of Q and K
            after they were equalized.
        mean_v: float64 [jobs, columns], taken off every value: what outputs are short of.
        centred: as of `quantize.Heads`, of all jobs; refused beside a sink.
        token_scales: int32 [jobs, keys, 2] or None: codes of the scales of K and V per token, whose units are scale_k
            and scale_v then.
        sinks, slopes: int64 [jobs, rows] or None: words as of `sinks` and `slopes`.
        position: int32 [jobs, rows], of the queries among the keys; None without slopes.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    mantissa: Tensor
    shift: Tensor
    low: Tensor
    high: Tensor
    segments: tuple[Segment, ...]
    group: int
    scale_q: Tensor
    scale_k: Tensor
    scale_v: Tensor
    mean_v: Tensor
    token_scales: Tensor | None = None
    sinks: Tensor | None = None
    slopes: Tensor | None = None
    position: Tensor | None = None
    centred: bool = False

    def __post_init__(self) -> None:
        if self.centred and self.sinks is not None:
            check_not_centred(self.sinks.cpu().numpy(), centred=True)

    def outputs(self, out: Tensor, unit: float) -> Tensor:
        """Outputs of a model, float64 [jobs, rows, columns], from those in units of V's scale times `unit`."""
        seen = (self.low < self.high)[..., None]
        return out * (self.scale_v * unit)[:, None] + self.mean_v[:, None] * seen

    def rows(self, of: Callable[[Tensor], Tensor], used: Tensor) -> "Operands":
        """Other rows, `of` what is [jobs, rows, ..]; those that are not used see no key."""
        names = "q", "mantissa", "shift", "scale_q", "sinks", "slopes", "position"
        parts = {name: of(x) for name in names if (x := getattr(self, name)) is not None}
        return replace(self, **parts, low=of(self.low) * used, high=of(self.high) * used)


class Queries(NamedTuple):
    """Integers as float32 [batch, key heads, group, queries, columns]; the others are [.., queries], or 1 for all."""

    q: Tensor
    mantissa: Int
    shift: Int
    scale: np.ndarray


@dataclass(frozen=True)
class Layout:
    """From [batch, heads, tokens, ..] to jobs.

    Members:
        segments: the sequences.
        shape: of the queries, batch, key heads, query heads of a key head, and queries.
        keys: of a row of the batch.
        of_queries, of_keys: where those of each sequence are.
    """

    segments: Sequence[Segment]
    shape: tuple[int, int, int, int]
    keys: int
    of_queries: Places
    of_keys: Places

    @classmethod
    def of(cls, segments: Sequence[Segment], q: Tensor, k: Tensor) -> Self:
        """Of q [batch, heads, queries, columns] and k [batch, key heads, keys, ..]."""
        batch, heads, queries, _ = q.shape
        kv_heads, keys = k.shape[1:3]
        places = query_places(segments, q.device), key_places(segments, k.device)
        return cls(segments, (batch, kv_heads, heads // kv_heads, queries), keys, *places)

    @property
    def real(self) -> tuple[Tensor, Tensor]:
        """Which queries and which keys are no padding, bool [batch, 1, tokens, 1]."""
        batch, _, _, queries = self.shape
        masks = self.of_queries.mask(batch, queries), self.of_keys.mask(batch, self.keys)
        return masks[0][:, None, :, None], masks[1][:, None, :, None]

    def grouped(self, q: Tensor) -> Tensor:
        """Queries [batch, heads, queries, columns] as [batch, key heads, group, queries, columns]."""
        return q.reshape(*self.shape, q.shape[-1])

    def rows(self, x: np.ndarray) -> Tensor:
        """What broadcasts to [batch, key heads, group, queries] as [jobs, rows]."""
        every = torch.from_numpy(np.broadcast_to(x, self.shape).swapaxes(2, 3).copy())
        return self.of_queries.gather(every.to(self.of_queries.row.device)).flatten(1, 2)

    def of_heads(self, words: Int) -> Tensor:
        """A word per query head [heads] as [jobs, rows]."""
        _, kv_heads, group, _ = self.shape
        return self.rows(words.reshape(kv_heads, group, 1))

    def per_job(self, x: np.ndarray) -> Tensor:
        """What is [batch, key heads, ..] as [jobs, ..]."""
        return torch.from_numpy(x).to(self.of_keys.row.device)[self.of_keys.row[:, 0]].flatten(0, 1)

    def operands(
        self,
        queries: Queries,
        *,
        k: Tensor,
        v: Tensor,
        scale_k: np.ndarray,
        scale_v: np.ndarray,
        mean_v: np.ndarray,
        token_scales: Tensor | None = None,
        sinks: Tensor | None = None,
        slopes: Tensor | None = None,
        centred: bool,
    ) -> Operands:
        """The jobs.

        k, v, token_scales: [batch, key heads, keys, ..].
        scale_k: [batch, key heads]; scale_v, mean_v: [batch, key heads, columns].
        sinks, slopes: as the model has them [heads].
        """
        _, kv_heads, group, _ = self.shape
        low, high = (
            end.to(k.device)[:, None, :, None].expand(-1, kv_heads, -1, group).flatten(2, 3).flatten(0, 1)
            for end in intervals(self.segments)
        )
        shared = [replace(each, job=replace(each.job, heads=group)) for each in self.segments]
        return Operands(
            q=self.of_queries.gather(queries.q.transpose(2, 3)).flatten(1, 2),
            k=self.of_keys.gather(k),
            v=self.of_keys.gather(v),
            mantissa=self.rows(queries.mantissa).to(torch.int32),
            shift=self.rows(queries.shift).to(torch.int32),
            low=low,
            high=high,
            segments=tuple(each for each in shared for _ in range(kv_heads)),
            group=group,
            scale_q=self.rows(queries.scale),
            scale_k=self.per_job(scale_k),
            scale_v=self.per_job(scale_v),
            mean_v=self.per_job(mean_v),
            token_scales=None if token_scales is None else self.of_keys.gather(token_scales),
            sinks=None if sinks is None else self.of_heads(sinks_of(per_head(sinks))),
            slopes=None if slopes is None else self.of_heads(slope_words(per_head(slopes))),
            position=None if slopes is None else self.position(k.device),
            centred=centred,
        )

    def position(self, device: torch.device) -> Tensor:
        """Of each row's query among the keys of its job, int32 [jobs, rows]."""
        _, kv_heads, group, _ = self.shape
        first = torch.tensor([each.job.first_position() for each in self.segments], dtype=torch.int32, device=device)
        longest = torch.arange(self.of_queries.index.shape[1], dtype=torch.int32, device=device)
        every = first[:, None] + longest.repeat_interleave(group)
        return every.repeat_interleave(kv_heads, dim=0)


def per_head(x: Tensor) -> np.ndarray:
    """Floats of a model in float64."""
    return x.detach().double().cpu().numpy()
