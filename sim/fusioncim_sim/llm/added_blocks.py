"""Blocks of keys that the rows of the OP-CIM add to O, in all heads of a model that reads, by the length of the text.

Values are centred, so a row skips a block that lies below 2^-centred_flush of the row's reference as a whole, and takes
next to no energy for it. The more keys a row sees, the larger is the part of them that does. The model keeps its own
float attention; beside it every layer's operands are quantized as the engine does and its rows walked under the
schedule of the chip. Where values are not centred, as in layers with sinks, it is below 2^-flush.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fusioncim.build.workers import run_all
from fusioncim_golden.errors import InputError
from fusioncim_golden.pytorch.engine import count
from fusioncim_golden.pytorch.huggingface import Attention, fitting
from fusioncim_golden.pytorch.operands import Operands
from fusioncim_sim.llm.float_attention import Beside
from fusioncim_sim.llm.language_model import Source, load_model
from fusioncim_sim.llm.losses import logits

LENGTHS = (512, 1024, 2048, 4096)
"""Tokens of a causal prefill."""


@dataclass(frozen=True)
class Counted(Beside):
    """Keeps every layer's blocks that are added, and its visible scores."""

    layers: list[tuple[int, int]] = field(default_factory=list)

    def look(self, module: Any, operands: Operands) -> None:
        """Count a layer."""
        events = count(fitting(self.config, operands.q.shape[-1]), operands, engines=self.engines)
        self.layers.append((events.additions, events.scores))


def measure_additions(
    source: Source, tokens: NDArray[np.int64], attention: Attention, lengths: Sequence[int], jobs: int
) -> dict[str, Any]:
    """The mean over all heads by length of the text, as JSON data; attention: of the chip."""
    if len(tokens) < max(lengths):
        raise InputError(f"the text must have at least {max(lengths)} tokens, not {len(tokens)}")
    ways = {"centred": attention, "not centred": replace(attention, subtract_mean_v=False)}
    work = {
        f"{n} tokens, {way}": partial(added_per_key, source, tokens[:n], each)
        for n in sorted(lengths, reverse=True)
        for way, each in ways.items()
    }
    done = run_all(work, jobs=jobs, title="additions")
    centred, uncentred = ({str(n): round(done[f"{n} tokens, {way}"], 5) for n in lengths} for way in ways)
    config = attention.config
    return {
        "flush": config.centred_flush,
        "schedule": config.schedule,
        "engines": attention.engines,
        "per_key": centred,
        "uncentred": {"flush": config.flush, "per_key": uncentred},
    }


def added_per_key(source: Source, window: NDArray[np.int64], attention: Attention) -> float:
    """Blocks that a row adds, per key that it sees."""
    torch.set_num_threads(1)
    counted = Counted(attention.config, engines=attention.engines, subtract_mean_v=attention.subtract_mean_v)
    logits(load_model(source), counted, torch.from_numpy(window)[None])
    added, scores = (sum(column) for column in zip(*counted.layers, strict=True))
    return added / scores
