"""Rescales over the length of the text: exact online softmax in two orders, and the moves of this chip's references."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from fusioncim.build.workers import run_all
from fusioncim_golden.config import Config
from fusioncim_golden.engine import trace
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.softmax import exact_rescales
from fusioncim_sim.heads.judge import job_of
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.heads.rescales import scores_in_order
from fusioncim_sim.markdown import markdown
from fusioncim_sim.studies.study import Stored

LANE = PRESETS["paper"].engine
TOKENS = (128, 256, 512)
"""Of the captured heads, which have no more."""
PUBLISHED = {256: "58.5 to 61.4 %, by length"}
IN_ORDER, DIAGONAL, OURS = "in_order", "diagonal_first", "ours"


def rescale_curve(quality: Mapping[str, Any], jobs: int) -> dict[str, Any]:
    """Counts by length and by what is counted; the longest are those of a whole language model."""
    work = {str(tokens): partial(counts, tokens) for tokens in TOKENS}
    found: dict[str, Any] = run_all(work, jobs=jobs, title="rescales")
    patterns = quality["patterns"]
    layers = patterns["layers"]
    found[str(patterns["tokens"])] = {
        IN_ORDER: sum(layer["exact"][IN_ORDER] for layer in layers),
        DIAGONAL: sum(layer["exact"][DIAGONAL] for layer in layers),
        OURS: sum(layer["default_rule"]["folded"] for layer in layers),
    }
    return found


def counts(tokens: int) -> dict[str, int]:
    """Of the first tokens of all captured heads."""
    found = dict.fromkeys((IN_ORDER, DIAGONAL, OURS), 0)
    for head in load_heads(fixture(), Config()):
        short = head.first(tokens)
        for order in (IN_ORDER, DIAGONAL):
            config = Config(schedule=order)
            for tile in trace(config, short.quantized(config), job_of(short)):
                found[order] += exact_rescales(*scores_in_order(config, tile))
        config = Config(slack=LANE.slack, schedule=LANE.schedule)
        for tile in trace(config, short.quantized(config), job_of(short)):
            found[OURS] += int(tile.updates.rescale.sum() + tile.updates.halve.sum())
    return found


def rescale_table(reproduction: Stored) -> str:
    """Counts and what is fewer, by length."""
    rows = [
        (
            "tokens",
            "exact, in order",
            "exact, diagonal first",
            "fewer",
            "paper",
            f"slack {LANE.slack}, {LANE.schedule}",
            "fewer",
        ),
        tuple("---:" for _ in range(7)),
    ]
    for tokens, found in sorted(reproduction["rescales"].items(), key=lambda item: int(item[0])):
        exact, diagonal, ours = (found[name] for name in (IN_ORDER, DIAGONAL, OURS))
        fewer, ours_fewer = (f"{1 - each / exact:.1%}" for each in (diagonal, ours))
        said = PUBLISHED.get(int(tokens), "")
        rows.append((f"{int(tokens):,}", f"{exact:,}", f"{diagonal:,}", fewer, said, f"{ours:,}", ours_fewer))
    return markdown(rows)
