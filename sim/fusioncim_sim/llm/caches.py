"""What quantized caches do to a language model that reads: against recomputed operands, with a window, with ALiBi.

Every query attends to keys and values as a cache stores them, each token quantized by itself, though all tokens of a
window of text pass at once. The factors of the caches come from a text that is not read.

No model with ALiBi comes from pip. So slopes are added to the scores of one that has none, in the float model, too: the
model reads worse, and what the arithmetic does to it shows in the difference.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
FEW = "INT8 per token", "INT4 per token"
"""Those that are measured with windows and slopes."""
ALONE = ("INT8 per token",)
"""Those of which the arithmetic is measured alone, too."""


@dataclass(frozen=True)
class Windowed:
    """An attention, or the model's own, with a sliding window of SLIDING keys."""

    attention: Callable[..., Any] | None

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

    attention: Callable[..., Any] | None

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


AROUND: Mapping[str, Callable[[Callable[..., Any] | None], Callable[..., Any]]] = {"window": Windowed, "alibi": Sloped}
"""What is made of an attention in a part."""


def measure_part(
    part: str, source: Source, chosen: NDArray[np.int64], text: NDArray[np.int64], attention: Attention, jobs: int
) -> dict[str, Any]:
    """A table by its name, as JSON data.

    chosen: windows that are read. text: tokens that the factors come from. attention: the recomputed operands.
    """
    reference, around = "float", AROUND.get(part)
    found = attentions(source, text, attention, CACHES if around is None else FEW, around)
    ways: dict[str, Any] = {**found}
    if around is None:
        ways |= {f"{name}, arithmetic alone": error_alone(found[name]) for name in ALONE}
    else:
        reference = f"float, {part}"
        ways = {reference: around(None)} | {name: around(one) for name, one in found.items()}
    done = evaluate(source, chosen, ways, (reference,), jobs=jobs, title=part)
    return {name: plain(each[reference]) for name, each in done.items() if reference in each}


def error_alone(attention: Attention) -> ErrorAlone:
    """The model's own attention plus the error of the arithmetic on the integers of this one."""
    return ErrorAlone(**{each.name: getattr(attention, each.name) for each in fields(attention)})


def attentions(
    source: Source,
    text: NDArray[np.int64],
    attention: Attention,
    names: Iterable[str],
    around: Callable[[Any], Callable[..., Any]] | None = None,
) -> dict[str, Attention]:
    """The recomputed operands and these caches with their factors, which the model has with what is `around` it."""
    torch.set_num_threads(1)
    model, tokens = load_model(source), torch.from_numpy(text)[None]
    base = replace(attention, config=attention.config.override(alibi=True))
    found = {BASE: base}
    for name in names:
        cache, bits, fixed = CACHES[name]
        config = base.config.override(token_scale_bits=bits)
        own = replace(base, config=config, cache=cache, subtract_mean_k=fixed, subtract_mean_v=fixed, equal=fixed)
        found[name] = calibrated(model, tokens, own, around)
    return found
