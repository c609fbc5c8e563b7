"""What of the engine's arithmetic matters to a language model: everything in `measurements/quality.json`.

Parts: `default`, the default configuration over the whole text; `speed`, its time beside the model's own eager
attention; `alone`, one parameter at a time, and rank and probability bits together, as the engine's error alone
(`ErrorAlone`); `operands`, what shares a scale, as float attention on rounded operands (`RoundedOperands`); `patterns`.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from fusioncim.parallel import run_all
from fusioncim_golden.config import ORDERS, Config
from fusioncim_golden.errors import InputError
from fusioncim_sim.language_model import DEFAULT, Source, find_model, load_model, read_text, tokenize, windows
from fusioncim_sim.output import check_json, make_directory, write_json
from fusioncim_sim.quality import Quality, evaluate
from fusioncim_sim.quality_summary import write_picture

WINDOW = 1024
DEFAULT_WINDOWS, STUDY_WINDOWS, LARGE_WINDOWS = 20, 2, 2
"""Windows of the default evaluation, of a study of many configurations, and of a model other than the default."""
PARTS = ("default", "speed", "alone", "operands", "patterns")
VALUES: Mapping[str, Sequence[Any]] = {
    "probability_bits": (6, 7, 8, 9, 10, 12),
    "update_rank": (1, 2, 4, 8),
    "accumulator_bits": (16, 18, 20, 22, 24, 32),
    "flush": (8, 10, 12, 14, 16),
    "fraction_bits": (4, 5, 6, 8),
    "lut_size": (8, 16, 32, 64),
    "slack": (0, 2, 4, 6),
    "seed": (False, True),
    "schedule": ORDERS,
    "output_bits": (8, 16),
    "operand_bits": (4, 8),
}
"""Values of one parameter, the others as in the default configuration as far as they can be."""
GRID = {1: (7, 9, 12), 2: (7, 8, 9, 10), 4: (7, 8, 9, 10, 12), 8: (7, 8, 9, 10, 12)}
"""Probability bits by update rank."""
TOGETHER: Sequence[Mapping[str, int]] = (
    *({"update_rank": 8, "probability_bits": 10, "flush": flush} for flush in (8, 10, 11, 12, 13, 14)),
    *({"update_rank": 8, "probability_bits": 10, "accumulator_bits": bits} for bits in (20, 22)),
    {"update_rank": 8, "probability_bits": 10, "accumulator_bits": 22, "flush": 12},
    {"update_rank": 8, "probability_bits": 9, "accumulator_bits": 22, "flush": 12},
    {"update_rank": 8, "probability_bits": 8, "accumulator_bits": 22, "flush": 11, "lut_size": 32},
)
"""Several parameters at once: around update_rank 8 with probability_bits 10 (docs/decisions.md), and cheaper."""


def write_study(output: Path, model: str, text: Path | None, parts: Sequence[str], jobs: int) -> None:
    """Measure parts and write them into the JSON file of the model; the parts that it has already stay."""
    for part in parts:
        if part not in PARTS:
            raise InputError(f"the parts are {', '.join(PARTS)}, not {part}")
    source = find_model(model)
    path = output / ("quality.json" if model == DEFAULT else f"quality_{source.name}.json")
    if output.exists():
        check_json(path, ("model",))
    tokens = tokenize(source, read_text(text))
    make_directory(output)
    for part in parts or PARTS:
        stored = json.loads(path.read_text()) if path.exists() else {"model": source.name}
        limit = LARGE_WINDOWS if model != DEFAULT else DEFAULT_WINDOWS if part == "default" else STUDY_WINDOWS
        chosen = windows(tokens, WINDOW, limit)
        write_json(path, stored | {part: measure_part(part, source, chosen, jobs)}, ("model",))
        print(f"wrote {part} to {path}", file=sys.stderr)
    if model == DEFAULT:
        write_picture(output)


def measure_part(part: str, source: Source, chosen: Any, jobs: int) -> dict[str, Any]:
    """One part of the file."""
    from fusioncim_sim.patterns import measure_patterns

    if part == "patterns":
        return measure_patterns(source, chosen, Config(), jobs)
    if part == "speed":
        return measure_speed(source, chosen[0])
    if part == "default":
        done = evaluate(source, chosen, default_ways(Config()), ("float", "operands"), jobs=jobs)
        return {"tokens": int(chosen.size), "window": int(chosen.shape[1]), "config": Config().as_dict()} | {
            name: {reference: plain(one) for reference, one in each.items()} for name, each in done.items()
        }
    tables = alone_ways() if part == "alone" else {"scales": operand_ways()}
    flat = {f"{table}: {name}": way for table, ways in tables.items() for name, way in ways.items()}
    done = evaluate(source, chosen, flat, ("float",), jobs=jobs)
    return {"tokens": int(chosen.size), "window": int(chosen.shape[1])} | {
        table: {name: plain(done[f"{table}: {name}"]["float"]) for name in ways} for table, ways in tables.items()
    }


def default_ways(config: Config) -> dict[str, Any]:
    """A configuration taken apart: operands alone, arithmetic alone, both, and the noise floor of the comparison."""
    from fusioncim_golden.hf import Attention
    from fusioncim_sim.float_attention import ErrorAlone, Nudged, SameOperands

    return {
        "operands": SameOperands(config),
        "engine": Attention(config),
        "arithmetic": ErrorAlone(config),
        "nudged operands": Nudged(config),
    }


def alone_ways() -> dict[str, dict[str, Any]]:
    """The engine's error alone, by table and value."""
    from fusioncim_sim.float_attention import ErrorAlone

    tables = {
        name: {str(value): ErrorAlone(legal({name: value})) for value in values} for name, values in VALUES.items()
    }
    tables["update_rank x probability_bits"] = {
        f"{rank} x {bits}": ErrorAlone(legal({"update_rank": rank, "probability_bits": bits}))
        for rank, widths in GRID.items()
        for bits in widths
    }
    tables["together"] = {
        ", ".join(f"{name} {value}" for name, value in changes.items()): ErrorAlone(legal(changes))
        for changes in TOGETHER
    }
    return tables


def legal(changes: Mapping[str, Any]) -> Config:
    """The default configuration with changes, and what they force: a smaller table, more lanes, an earlier flush."""
    forced = dict(changes)
    if "fraction_bits" in changes:
        forced["lut_size"] = min(Config().lut_size, 1 << changes["fraction_bits"])
    if changes.get("operand_bits") == 4:
        forced["softmax_lanes"] = 2 * Config().softmax_lanes
    for flush in (changes.get("flush", Config().flush), *range(Config().flush, 0, -1)):
        try:
            return Config(**forced | {"flush": flush})
        except InputError:
            continue
    raise InputError(f"no flush makes this configuration work: {changes}")


def operand_ways() -> dict[str, Any]:
    """What shares a scale; the engine has the rows marked so in the documentation."""
    from fusioncim_sim.float_attention import RoundedOperands

    scales = "tensor", "head", "token"
    ways = {f"{scale} for q, k and v": RoundedOperands(q=scale, k=scale, v=scale) for scale in scales}
    ways |= {
        "head, mean key kept": RoundedOperands(subtract_mean_k=False),
        "token for q": RoundedOperands(q="token"),
        "token for k": RoundedOperands(k="token"),
        "token for v": RoundedOperands(v="token"),
        "column for v": RoundedOperands(v="column"),
        "head, q and k equalized": RoundedOperands(balance=True),
        "head, q, k and v equalized": RoundedOperands(balance=True, v="column"),
        "the same, token for q": RoundedOperands(balance=True, v="column", q="token"),
    }
    more = 4, 6, 7, 10
    return ways | {f"equalized, {bits} bits": RoundedOperands(bits, balance=True, v="column") for bits in more}


def measure_speed(source: Source, window: Any) -> dict[str, Any]:
    """Processor time of all attention layers on one window, the model's own eager function beside the engine."""
    return run_all({"speed": partial(time_attention, source, window)}, jobs=1, title="speed")["speed"]


def time_attention(source: Source, window: Any) -> dict[str, Any]:
    """Best of three passes each, seconds of one thread."""
    import torch

    from fusioncim_golden.hf import Attention
    from fusioncim_sim.quality import logits

    torch.set_num_threads(1)
    model = load_model(source)
    eager = sys.modules[type(model).__module__].eager_attention_forward
    spent: list[float] = []

    def timed(function: Any) -> Any:
        def attend(module: Any, *arguments: Any, **rest: Any) -> Any:
            start = time.process_time()
            result = function(module, *arguments, **rest)
            spent.append(time.process_time() - start)
            return result

        return attend

    def own(module: Any, q: Any, k: Any, v: Any, mask: Any, *arguments: Any, **rest: Any) -> Any:
        added = torch.zeros(mask.shape).masked_fill_(~mask, torch.finfo(q.dtype).min)
        return timed(eager)(module, q, k, v, added, *arguments, **rest)

    def best(attention: Any) -> float:
        seconds = []
        for _ in range(3):
            spent.clear()
            logits(model, attention, torch.from_numpy(window)[None])
            seconds.append(sum(spent))
        return min(seconds)

    one, other = best(own), best(timed(Attention()))
    return {
        "tokens": len(window),
        "eager_seconds": round(one, 2),
        "engine_seconds": round(other, 2),
        "ratio": round(other / one, 2),
    }


def plain(quality: Quality) -> dict[str, float]:
    """As JSON data, without digits that mean nothing."""
    digits = {"tokens": 0, "perplexity": 3, "reference_perplexity": 3, "top1": 5, "kl": 9}
    return {name: round(value, digits.get(name, 6)) for name, value in asdict(quality).items()}
