"""The captured heads of all models: by name, and several side by side as one head of more columns."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from fusioncim_golden.config import Config, check_choice
from fusioncim_golden.errors import InputError
from fusioncim_golden.quantize import Float
from fusioncim_sim.heads.read import FIXTURES, SMOLLM2, Head, fixture, load_heads


@cache
def captured() -> dict[str, list[Head]]:
    """Heads by model, in the order of their names, which are all different."""
    return {model: load_heads(fixture(model)) for model in FIXTURES}


def model_of(name: str) -> str:
    """The model that a captured head is of."""
    return next(model for model, heads in captured().items() if name in [head.name for head in heads])


def named(name: str) -> Head:
    """The captured head of that name."""
    heads = {head.name: head for each in captured().values() for head in each}
    check_choice("the captured head", name, tuple(heads))
    return heads[name]


def captured_heads(config: Config, names: Sequence[str] = ()) -> list[Head]:
    """Heads that fill the columns of an engine side by side: those named, or the first ones of SmolLM2-135M."""
    heads = {head.name: head for each in captured().values() for head in each}
    for name in names:
        check_choice("the captured head", name, tuple(heads))
    first = captured()[SMOLLM2]
    fitting = first[: max(config.columns // width(first[0]), 1)]
    chosen = [head for name, head in heads.items() if name in names] or fitting
    columns = sum(map(width, chosen))
    if columns != config.columns:
        found = " + ".join(f"{head.name} of {width(head)}" for head in chosen)
        raise InputError(f"captured heads side by side must have columns = {config.columns}, not {columns} ({found})")
    return chosen


def captured_figures() -> dict[str, dict[str, Any]]:
    """What there is, by name."""
    return {
        head.name: {"model": model, "columns": width(head), "tokens": len(head.q)}
        for model, heads in captured().items()
        for head in heads
    }


def width(head: Head) -> int:
    """Its dimension."""
    return head.q.shape[1]


def side_by_side(heads: Sequence[Head], tokens: int) -> tuple[Float, Float, Float]:
    """Q [1, queries, columns], k and v [tokens, columns] of the first tokens of float heads, each equalized by itself.

    One head's k is divided by its largest magnitude, which multiplies q: together they become the integers that each
    becomes alone. Only the queries share a scale.
    """
    shortest = min(len(head.k) for head in heads)
    if not 1 <= tokens <= shortest:
        raise InputError(f"tokens must be 1 to {shortest}, the length of the heads, not {tokens}")
    rewritten = [head.first(tokens).equalized() for head in heads]
    units = [max(float(np.abs(each.k).max()), np.finfo(np.float64).tiny) for each in rewritten]
    q = np.concatenate([each.q * unit for each, unit in zip(rewritten, units, strict=True)], axis=-1)
    k = np.concatenate([each.k / unit for each, unit in zip(rewritten, units, strict=True)], axis=-1)
    return q, k, np.concatenate([each.v for each in rewritten], axis=-1)
