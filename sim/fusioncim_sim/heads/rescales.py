"""How often a row of O is moved, for every schedule and every rule of the row reference.

A rule is a `slack` (0: the integer reference) and a `seed` of the configuration. A move is a rescale or a halving: both
shift O. The baseline is exact online softmax, where O is rescaled whenever the running maximum of a row rises.
`count_moves` counts them for one head, `find_moves` says where they happen.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusioncim_golden.config import Config
from fusioncim_golden.engine import TileTrace, trace
from fusioncim_golden.key_order import ORDERS
from fusioncim_golden.quantize import Heads
from fusioncim_golden.schedule import Job
from fusioncim_golden.softmax import Rows, exact_rescales, merge
from fusioncim_sim.heads.judge import job_of
from fusioncim_sim.heads.read import Head

SLACKS = (0, 2, 4, 5)
RULES = tuple((slack, seed) for slack in SLACKS for seed in (False, True))


def rule_name(slack: int, seed: bool) -> str:
    """A rule in words."""
    return f"slack {slack}" + (", seeded" if seed else "")


@dataclass(frozen=True)
class Moves:
    """Rescales and halvings of one head.

    Members:
        exact: rescales of exact online softmax, by order.
        rules: (rescales, halvings), by order and rule.
    """

    exact: dict[str, int]
    rules: dict[str, dict[str, tuple[int, int]]]


def count_moves(config: Config, head: Head) -> Moves:
    """All orders and rules on one causal head."""
    heads, job = head.quantized(config), job_of(head)
    exact: dict[str, int] = {}
    rules: dict[str, dict[str, tuple[int, int]]] = {}
    for order in ORDERS:
        ordered = config.override(schedule=order)
        tiles = list(trace(ordered, heads, job))
        exact[order] = sum(exact_rescales(*scores_in_order(ordered, tile)) for tile in tiles)
        rules[order] = {
            rule_name(slack, seed): _replay(ordered.override(slack=slack, seed=seed), tiles) for slack, seed in RULES
        }
    return Moves(exact, rules)


def scores_in_order(config: Config, tile: TileTrace) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Scores and their visibility [rows, keys] in the order in which the keys pass."""
    visible = tile.tile.sees(tile.key_blocks.positions(config))
    return tile.score.reshape(config.rows, -1), visible.reshape(config.rows, -1)


def _replay(config: Config, tiles: Iterable[TileTrace]) -> tuple[int, int]:
    """Rescales and halvings under a rule; the blocks themselves do not depend on it."""
    state: dict[int, Rows] = {}
    rescales = halvings = 0
    for tile in tiles:
        word = tile.tile.word
        state[word] = state[word].next_tile() if word in state else Rows.fresh((config.rows,))
        updates = merge(config, state[word], tile.block)
        rescales += int(updates.rescale.sum())
        halvings += int(updates.halve.sum())
    return rescales, halvings


@dataclass(frozen=True)
class Places:
    """Where rows of a head were moved: int64 [n, 2] of query and key; of a block its first key.

    Members:
        exact: rescales of exact online softmax, keys in order.
        rescales: of the configuration.
        halvings: of the configuration.
    """

    exact: NDArray[np.int64]
    rescales: NDArray[np.int64]
    halvings: NDArray[np.int64]


def find_moves(config: Config, heads: Heads, job: Job) -> Places:
    """Moves of exact softmax with the keys in order, and rescales and halvings of the configuration."""
    exact: list[NDArray[np.int64]] = []
    rescales: list[NDArray[np.int64]] = []
    halvings: list[NDArray[np.int64]] = []
    for tile in trace(config, heads, job):
        key = tile.key_blocks.positions(config).min(axis=1)
        for events, places in ((tile.updates.rescale, rescales), (tile.updates.halve, halvings)):
            row, block = np.nonzero(events)
            places.append(np.stack([tile.tile.query[row], key[block]], axis=1))
    for tile in trace(config.override(schedule="in_order"), heads, job):
        score, visible = scores_in_order(config, tile)
        low = np.iinfo(np.int64).min
        best = np.maximum.accumulate(np.where(visible, score, low), axis=1)
        row, key = np.nonzero((best[:, 1:] > best[:, :-1]) & (best[:, :-1] > low))
        exact.append(np.stack([tile.tile.query[row], key + 1], axis=1))
    return Places(*(np.concatenate(places) for places in (exact, rescales, halvings)))


def total(moves: Iterable[Moves]) -> Moves:
    """The sum over heads."""
    every = list(moves)
    exact = {order: sum(one.exact[order] for one in every) for order in ORDERS}
    names = [rule_name(*rule) for rule in RULES]
    rules = {
        order: {
            name: (
                sum(one.rules[order][name][0] for one in every),
                sum(one.rules[order][name][1] for one in every),
            )
            for name in names
        }
        for order in ORDERS
    }
    return Moves(exact, rules)


def below_exact(moves: Moves, order: str, rule: str) -> float:
    """Per cent by which rescales and halvings together lie below the rescales of exact in-order softmax."""
    return 100 * (1 - sum(moves.rules[order][rule]) / moves.exact["in_order"])


def as_dict(moves: Moves) -> dict[str, Any]:
    """As JSON data."""
    return {
        "exact": moves.exact,
        "rules": {
            order: {name: {"rescales": r, "halvings": h} for name, (r, h) in rules.items()}
            for order, rules in moves.rules.items()
        },
    }
