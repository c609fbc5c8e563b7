"""What the bytes are that the chip saves against the baselines: repeated keys and values, transposes, partial sums."""

from collections.abc import Mapping
from typing import Any

from fusioncim_golden.job import traffic
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Stored
from fusioncim_sim.studies.system import LENGTHS, PAPER, attention
from fusioncim_sim.system.baselines import BASELINES, Attention, baseline
from fusioncim_sim.system.effort import AGAIN, KINDS, ONCE, OUTPUTS, QUERIES, TRANSPOSES, Effort
from fusioncim_sim.system.workload import job_of

SHOWN = 4096
"""Tokens of the table."""
PLACES = {"memory": "off-chip", "buffer": "on-chip"}


def traffic_split(layers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """By length and design: bytes by what they are, and the share of cycles that wait for memory.

    layers: `system.compared` by length. A prefill of LLaMA-3-8B, one layer.
    """
    return {str(tokens): _of(attention(tokens), layers[str(tokens)]["ours"]) for tokens in LENGTHS}


def _of(this: Attention, ours: Mapping[str, Any]) -> dict[str, Any]:
    """All designs at one length."""
    found = {name: _baseline(baseline(name, this)) for name in BASELINES}
    return {**found, "ours": _ours(this, ours["buffer_bytes"])}


def _baseline(effort: Effort) -> dict[str, Any]:
    """A baseline; keys that are transposed pass a buffer of their own, once in and once out."""
    buffer = {**effort.buffer_by, TRANSPOSES: 2 * effort.transposed}
    return {"memory": _rounded(effort.memory_by), "buffer": _rounded(buffer), "waiting": round(effort.waiting, 4)}


def _ours(this: Attention, buffer_bytes: float) -> dict[str, Any]:
    """The chip: keys and values alone pass the buffer."""
    moved = traffic(PAPER, job_of(PAPER, this.model, this.queries, this.start, this.keys))
    keys, once = moved.bytes_key + moved.bytes_value, 2 * this.model.kv_heads * this.keys * PAPER.vector_bytes
    memory = {QUERIES: moved.bytes_query, OUTPUTS: moved.bytes_output, ONCE: once, AGAIN: keys - once}
    return {"memory": _rounded(memory), "buffer": _rounded({ONCE: 2 * once, AGAIN: buffer_bytes - 2 * once})}


def _rounded(moved: Mapping[str, float]) -> dict[str, int]:
    """All kinds, in bytes."""
    return {kind: round(moved.get(kind, 0.0)) for kind in KINDS}


def saved(split: Mapping[str, Any], name: str, place: str) -> dict[str, float]:
    """Share of each kind in the bytes that the chip moves less than a baseline."""
    theirs, ours = split[name][place], split["ours"][place]
    less = {kind: theirs[kind] - ours[kind] for kind in KINDS}
    return {kind: each / sum(less.values()) for kind, each in less.items()}


def split_table(reproduction: Stored) -> str:
    """MB by kind, and the share of each kind in what is saved."""
    split = reproduction["split"][str(SHOWN)]
    designs = [*BASELINES, "ours"]
    head = [
        "bytes of a layer",
        *(f"{name}, {word}, MB" for word in PLACES.values() for name in designs),
        *(f"of what is saved against {name}, {word}" for name in BASELINES for word in PLACES.values()),
    ]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for kind in KINDS:
        amounts = [f"{split[name][place][kind] / 1e6:,.1f}" for place in PLACES for name in designs]
        shares = [f"{saved(split, name, place)[kind]:.0%}" for name in BASELINES for place in PLACES]
        rows.append([kind, *amounts, *shares])
    return markdown(rows)
