"""Where the row maxima of real attention lie, and how often a reference moves: every layer of a model that reads.

The model keeps its own float attention; beside it every layer's operands are quantized as the engine does, and its rows
walked under each schedule and rule. Rescales of exact online softmax (Milakov & Gimelshein, arXiv:1805.02867) are
counted on the same integer scores, as in `softmax.exact_rescales`: how often a key's score exceeds all earlier ones of
its row, the row's first key apart. So is the published reduction, -58.5 to -61.4 % (arXiv:2604.25317): rescales of
exact online softmax with the keys diagonal first, against those with the keys in order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fusioncim.build.workers import run_all
from fusioncim_golden.config import Config
from fusioncim_golden.key_order import ORDERS
from fusioncim_golden.mask import sees
from fusioncim_golden.pytorch.engine import count
from fusioncim_golden.pytorch.engine import scores as scores_of
from fusioncim_golden.pytorch.events import Events
from fusioncim_golden.pytorch.huggingface import fitting
from fusioncim_golden.pytorch.operands import Operands
from fusioncim_golden.pytorch.parts import parts
from fusioncim_sim.heads.head_statistics import FIRST_ROW, LOCAL_KEYS, SINK_KEYS
from fusioncim_sim.heads.rescales import rule_name
from fusioncim_sim.llm.float_attention import Beside
from fusioncim_sim.llm.language_model import Source, load_model
from fusioncim_sim.llm.losses import logits

RULES = ((0, False), (3, False), (3, True), (4, False), (5, False), (6, False))
"""Slack and seed."""
WATCHED = {order: (order, 1) for order in ORDERS} | {"folded_16_engines": ("folded", 16)}
"""Schedule and engines; only the folded order depends on these, by how many rows pass the keys together."""


@dataclass
class Layer:
    """Counts of a layer; of maxima only the rows from FIRST_ROW on count.

    Members:
        first: rows whose largest score lies on the first SINK_KEYS keys
        diagonal: rows whose largest score lies on the last LOCAL_KEYS, the row's own included
        elsewhere: all other rows
        exact: rescales of exact online softmax by order
        events: what the engine counts by order and rule
    """

    first: int = 0
    diagonal: int = 0
    elsewhere: int = 0
    exact: dict[str, int] = field(default_factory=dict)
    events: dict[str, dict[str, Events]] = field(default_factory=dict)


@dataclass(frozen=True)
class Watched(Beside):
    """Keeps what the engine would count, by layer."""

    layers: dict[int, Layer] = field(default_factory=dict)

    def look(self, module: Any, operands: Operands) -> None:
        """Count a layer."""
        self.layers[module.layer_idx] = watch(self.config, operands)


def watch(config: Config, operands: Operands) -> Layer:
    """One layer under all orders and rules."""
    fit = fitting(config, operands.q.shape[-1])
    layer = Layer()
    for order, (schedule, engines) in WATCHED.items():
        ordered = fit.override(schedule=schedule)
        layer.exact[order], place = exact_rescales(ordered, operands, engines)
        if order == "in_order":
            layer.first, layer.diagonal, layer.elsewhere = places(operands, place)
        layer.events[order] = {
            rule_name(slack, seed): count(ordered.override(slack=slack, seed=seed), operands, engines=engines)
            for slack, seed in RULES
        }
    return layer


def exact_rescales(config: Config, operands: Operands, engines: int = 1) -> tuple[int, Tensor]:
    """Rescales of exact online softmax with the keys in the order of the schedule; the key of each row's maximum."""
    lowest = -(1 << 30)
    every = torch.zeros_like(operands.low)
    count = -int((operands.low < operands.high).sum())
    for part in parts(config, operands, engines):
        low, high = part.operands.low, part.operands.high
        best, place, rises = torch.full_like(low, lowest), torch.zeros_like(low), torch.zeros_like(low)
        for chunk, scores in scores_of(config, part):
            own, at, rose = (chunk.of(each) for each in (best, place, rises))
            keys = chunk.keys.transpose(1, 2)[..., None]
            seen = sees(keys, *(chunk.of(end)[:, None, None] for end in (low, high)))
            score = scores.to(torch.int32).masked_fill_(~seen, lowest).transpose(1, 2).flatten(1, 2)
            for key, one in zip(chunk.keys.flatten(1).int().split(1, dim=1), score.unbind(dim=1), strict=True):
                higher = (own - one) >> 31  # all ones where it is
                at ^= (at ^ key) & higher
                rose -= higher
                torch.maximum(own, one, out=own)
        count += int(rises.sum())
        part.put(every, place)
    return count, every


def places(operands: Operands, place: Tensor) -> tuple[int, int, int]:
    """How many row maxima lie on the first keys, near the diagonal, and elsewhere."""
    late = operands.high > FIRST_ROW
    first = late & (place < SINK_KEYS)
    diagonal = late & ~first & (operands.high - place <= LOCAL_KEYS)
    return int(first.sum()), int(diagonal.sum()), int((late & ~first & ~diagonal).sum())


def measure_patterns(source: Source, windows: NDArray[np.int64], config: Config, jobs: int) -> dict[str, Any]:
    """All layers and their sum, as JSON data."""
    work = {
        f"window {n + 1} of {len(windows)}": partial(watch_window, source, window, config)
        for n, window in enumerate(windows)
    }
    done = list(run_all(work, jobs=jobs, title="patterns").values())
    layers = [add(each[n] for each in done) for n in range(len(done[0]))]
    return {
        "tokens": int(windows.size),
        "window": int(windows.shape[1]),
        "rows": config.rows,
        "default": {"schedule": config.schedule, "rule": rule_name(config.slack, config.seed)},
        "layers": [shares(config, layer) for layer in layers],
        "total": figures(config, add(layers)),
    }


def watch_window(source: Source, window: NDArray[np.int64], config: Config) -> list[Layer]:
    """All layers on one window."""
    torch.set_num_threads(1)
    watched = Watched(config)
    logits(load_model(source), watched, torch.from_numpy(window)[None])
    return [watched.layers[n] for n in sorted(watched.layers)]


def add(layers: Any) -> Layer:
    """The sum of layers."""
    every: Sequence[Layer] = list(layers)
    total = Layer(*(sum(getattr(each, name) for each in every) for name in ("first", "diagonal", "elsewhere")))
    for order in every[0].exact:
        total.exact[order] = sum(each.exact[order] for each in every)
        total.events[order] = {
            rule: Events(
                **{name: sum(getattr(each.events[order][rule], name) for each in every) for name in asdict(events)}
            )
            for rule, events in every[0].events[order].items()
        }
    return total


def shares(config: Config, layer: Layer) -> dict[str, Any]:
    """Where the row maxima of a layer lie, and its rescales per row under each order, exact and by default."""
    rows = layer.first + layer.diagonal + layer.elsewhere
    rule = rule_name(config.slack, config.seed)
    moved = {order: one[rule].rescales + one[rule].halvings for order, one in layer.events.items()}
    return {
        "maxima_percent": {
            name: round(100 * getattr(layer, name) / rows, 2) for name in ("first", "diagonal", "elsewhere")
        },
        "exact": layer.exact,
        "default_rule": moved,
    }


def figures(config: Config, layer: Layer) -> dict[str, Any]:
    """Everything of the sum over layers; percentages against exact online softmax in order."""
    exact = layer.exact["in_order"]
    return shares(config, layer) | {
        "exact_below_in_order_percent": {order: below(count, exact) for order, count in layer.exact.items()},
        "rules": {
            order: {rule: described(events, exact) for rule, events in rules.items()}
            for order, rules in layer.events.items()
        },
    }


def described(events: Events, exact: int) -> Mapping[str, Any]:
    """Counts of one order and rule."""
    return {
        "rescales": events.rescales,
        "halvings": events.halvings,
        "below_exact_in_order_percent": below(events.rescales + events.halvings, exact),
        "zero_probability_percent": round(100 * events.zero_probabilities / events.scores, 2),
        "skipped_row_update_percent": round(100 * events.skipped_row_updates / events.row_updates, 2),
        "moved_slot_percent": round(100 * events.moved_slots / events.slots, 2),
    }


def below(count: int, exact: int) -> float | None:
    """Per cent by which a count lies below another, None where that is 0."""
    return round(100 * (1 - count / exact), 2) if exact else None
