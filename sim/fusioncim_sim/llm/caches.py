"""What quantized caches do to a language model that reads: against recomputed operands, with a window, with ALiBi.

Every query attends to keys and values as a cache stores them, each token quantized by itself, though all tokens of a
window of text pass at once. The factors of the caches come from a text that is not read.

No model with ALiBi comes from pip. So slopes are added to the scores of one that has none, in the float model, too: the
model reads worse, and what the arithmetic does to it shows in the difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fusioncim_golden.config import Config
from fusioncim_golden.pytorch.calibration import calibrated
from fusioncim_golden.pytorch.huggingface import Attention
from fusioncim_golden.pytorch.masks import OFFSET
from fusioncim_sim.llm.float_attention import ErrorAlone, float_attention
from fusioncim_sim.llm.language_model import Source, load_model
from fusioncim_sim.llm.losses import evaluate, plain

SLIDING = 256
"""Keys that a query sees with a window."""
CACHES: Mapping[str, tuple[str, int, bool]] = {
    "INT8 per token": ("int8_per_token", 8, True),
    "INT8 per token, powers of two": ("int8_per_token", 1, True),
    "INT8 per token, no mean key, not equalized": ("int8_per_token", 8, False),
    "INT4 per token": ("int4_per_token", 8, True),
    "INT4 per token, not equalized": ("int4_per_token", 8, False),
}
"""Name, bits of a scale, and whether mean key and column factors are fixed, of each cache."""
BASE = "INT8 per head, equalized, recomputed"
FEW = BASE, "INT8 per token", "INT4 per token"
"""Those that are measured with windows and slopes."""
ALONE = ("INT8 per token",)
"""Those of which the arithmetic is measured alone, too."""


@dataclass(frozen=True)
class Windowed:
    """An attention, or the model's own, with a sliding window of SLIDING keys."""

    attention: Attention | None

    def __call__(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float, **rest: Any
    ) -> tuple[Tensor, None]:
        """As `Attention`, for unpadded sequences."""
        near = torch.ones(mask.shape[-2:], dtype=torch.bool).triu(1 - SLIDING)
        seen = mask & near
        setattr(seen, OFFSET, getattr(mask, OFFSET, None))
        if self.attention is None:
            return float_attention(query, key, value, scaling, seen), None
        return self.attention(module, query, key, value, seen, scaling, **rest)


@dataclass(frozen=True)
class Sloped:
    """An attention, or the model's own, with ALiBi: head n of N has the slope 2^(-8 (n + 1) / N)."""

    attention: Attention | None

    def __call__(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float, **rest: Any
    ) -> tuple[Tensor, None]:
        """As `Attention`, for unpadded sequences."""
        heads = query.shape[1]
        slopes = torch.exp2(-8 * torch.arange(1, heads + 1) / heads)
        if self.attention is not None:
            return self.attention(module, query, key, value, mask, scaling, alibi_slopes=slopes, **rest)
        place = torch.arange(key.shape[2])
        bias = -slopes[:, None, None] * (place[:, None] - place).abs()
        return float_attention(query, key, value, scaling, bias.masked_fill(~mask, -torch.inf)), None


def measure_part(
    part: str, source: Source, chosen: NDArray[np.int64], ways: Mapping[str, Attention], jobs: int
) -> dict[str, Any]:
    """A table by its name, as JSON data; chosen: windows of the text, ways: as of `attentions`."""
    reference = f"float, {part}"
    few = {name: ways[name] for name in FEW}
    table: dict[str, Any] = dict(ways) | {f"{name}, arithmetic alone": error_alone(ways[name]) for name in ALONE}
    if part == "causal":
        reference = "float"
    elif part == "window":
        table = {reference: Windowed(None)} | {name: Windowed(one) for name, one in few.items()}
    else:
        table = {reference: Sloped(None)} | {name: Sloped(one) for name, one in few.items()}
    done = evaluate(source, chosen, table, (reference,), jobs=jobs, title=part)
    return {name: plain(each[reference]) for name, each in done.items() if reference in each}


def error_alone(attention: Attention) -> ErrorAlone:
    """The model's own attention plus the error of the arithmetic on the integers of this one."""
    return ErrorAlone(**{each.name: getattr(attention, each.name) for each in fields(attention)})


def attentions(source: Source, text: NDArray[np.int64], config: Config, engines: int) -> dict[str, Attention]:
    """The recomputed operands and every cache with its factors; text: tokens that the factors come from."""
    torch.set_num_threads(1)
    config = config.override(alibi=True)
    model, tokens = load_model(source), torch.from_numpy(text)[None]
    found = {BASE: Attention(config, engines=engines)}
    for name, (cache, bits, fixed) in CACHES.items():
        own = config.override(token_scale_bits=bits)
        attention = Attention(own, engines=engines, cache=cache, subtract_mean_k=fixed, equal=fixed)
        found[name] = calibrated(model, tokens, attention)
    return found
