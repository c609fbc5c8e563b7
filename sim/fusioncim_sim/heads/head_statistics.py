"""How a head spreads its attention, and which heads of a model contrast most.

`head_statistics` measures one head, `select_heads` names contrasting ones, `markdown_table` writes the table of the
stored heads' README.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from fusioncim_sim.markdown import markdown

SINK_KEYS = 4  # the keys of an attention sink: Xiao et al., arXiv:2309.17453, keep the first four
LOCAL_KEYS = 16  # the query's own key and the 15 before it
MIN_ENTROPY = 1.0  # bits; a purer sink or local head only copies one value, which no arithmetic gets wrong
FIRST_ROW = 64  # statistics skip the rows whose short context makes every head look local and every sink large

Floats = NDArray[np.float32]
HeadPlace = tuple[int, int]
"""Layer and query head, both from 0."""


@dataclass(frozen=True, kw_only=True)
class HeadStatistics:
    """How one head spreads its attention; every field is a mean over the rows from `FIRST_ROW` on.

    With the causal softmax weights p[i, j], j <= i, of query i on key j.
    """

    sink: float
    """Share of the weight on the first `SINK_KEYS` keys."""
    local: float
    """Share of the weight on the last `LOCAL_KEYS` keys."""
    entropy: float
    """-sum_j p log2 p, in bits; the flat limit is log2(i + 1), 8.0 bits on average over rows 64 to 511."""
    distance: float
    """sum_j p (i - j), in tokens."""
    max_sink: float
    """Share of the rows whose largest weight lies on the first `SINK_KEYS` keys."""
    max_distance: float
    """i - argmax_j p, in tokens."""

    @property
    def balance(self) -> float:
        """Smallest of the three shares sink, local and rest; 1/3 is a head that uses all three alike."""
        return min(self.sink, self.local, 1 - self.sink - self.local)


def attention_weights(q: Floats, k: Floats) -> Floats:
    """Causal softmax of q k^T / sqrt(d), shape [tokens, tokens]; row i is zero beyond column i."""
    scores = q @ k.T / np.float32(np.sqrt(q.shape[1]))
    scores[np.triu_indices(len(q), 1)] = -np.inf
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def head_statistics(q: Floats, k: Floats) -> HeadStatistics:
    """Measure one head; see `HeadStatistics` for the formulas."""
    p = attention_weights(q, k)[FIRST_ROW:].astype(np.float64)
    distance = np.arange(FIRST_ROW, len(q))[:, None] - np.arange(len(q))
    peak = p.argmax(axis=1)
    return HeadStatistics(
        sink=float(p[:, :SINK_KEYS].sum(axis=1).mean()),
        local=float((p * (distance < LOCAL_KEYS)).sum(axis=1).mean()),
        entropy=float(-(p * np.log2(p, out=np.zeros_like(p), where=p > 0)).sum(axis=1).mean()),
        distance=float((p * distance).sum(axis=1).mean()),
        max_sink=float((peak < SINK_KEYS).mean()),
        max_distance=float((np.arange(FIRST_ROW, len(q)) - peak).mean()),
    )


def select_heads(statistics: Mapping[HeadPlace, HeadStatistics], group_size: int = 3) -> dict[str, HeadPlace]:
    """Name contrasting heads.

    - ``sink``: the largest share on the first keys, among the heads of at least `MIN_ENTROPY` if there are any.
    - ``local``: the largest share on the last keys, among the same.
    - ``mixed``: the largest `HeadStatistics.balance`.
    - ``wide``: the highest entropy, the flattest weights and so the hardest for low-precision probabilities.
    - ``group0``, ``group1``, ...: the query heads of the key-value head whose entropies lie furthest apart.
    """

    def group(head: HeadPlace) -> list[HeadPlace]:
        first = head[1] - head[1] % group_size
        return [(head[0], first + i) for i in range(group_size)]

    def contrast(head: HeadPlace) -> float:
        entropies = [statistics[member].entropy for member in group(head)]
        return max(entropies) - min(entropies)

    blending = [head for head in statistics if statistics[head].entropy >= MIN_ENTROPY] or list(statistics)
    names = {
        "sink": max(blending, key=lambda head: statistics[head].sink),
        "local": max(blending, key=lambda head: statistics[head].local),
        "mixed": max(statistics, key=lambda head: statistics[head].balance),
        "wide": max(statistics, key=lambda head: statistics[head].entropy),
    }
    return names | {f"group{i}": head for i, head in enumerate(group(max(statistics, key=contrast)))}


def figures(
    names: Mapping[str, HeadPlace], statistics: Mapping[HeadPlace, HeadStatistics]
) -> dict[str, dict[str, float]]:
    """Layer, head and statistics of the named heads, as JSON data."""
    return {name: {"layer": place[0], "head": place[1], **asdict(statistics[place])} for name, place in names.items()}


def markdown_table(names: Mapping[str, HeadPlace], statistics: Mapping[HeadPlace, HeadStatistics]) -> str:
    """The same as the table in the README of the stored heads."""
    columns = ["name", "layer", "head", *(field.name for field in fields(HeadStatistics))]
    rows = [columns, ["---"] * len(columns)]
    for name, (layer, head, *values) in ((name, each.values()) for name, each in figures(names, statistics).items()):
        rows.append([f"`{name}`", f"{layer}", f"{head}", *(f"{value:.3f}" for value in values)])
    return markdown(rows)
