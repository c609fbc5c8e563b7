"""What of the engine's arithmetic matters to a language model: everything in `measurements/quality.json`.

Parts: `default`, the chip `paper` over the whole text; `long`, over longer pieces of it; `speed`, its time beside the
model's own eager attention; `operands`, what shares a scale, as float attention on rounded operands
(`RoundedOperands`); `patterns`; `additions`, by the length of the text; and the tables of VARIANTS, the preset with
changes, as the engine's error alone (`ErrorAlone`); `candidates` are those for the preset.
"""

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fusioncim.build.workers import run_all
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.files import check_json, make_directory, write_json
from fusioncim_sim.llm.language_model import DEFAULT, Source, find_model, load_model, read_text, tokenize, windows
from fusioncim_sim.llm.losses import evaluate, plain
from fusioncim_sim.llm.ways import alone_ways, operand_ways, page_ways
from fusioncim_sim.studies.preset_candidates import CANDIDATES, LONG, PAPER, candidate, with_forced
from fusioncim_sim.studies.quality_summary import write_picture

CHIP = PRESETS["paper"]
SIZES = {"default": (1024, 20), "long": (4096, 3), "candidates": (1024, 20), "large": (512, 2), "study": (1024, 2)}
"""Length and number of windows: of parts, of a model other than the default, of all else; patterns are those of the
first."""
WITHOUT_PRESET = ("operands",)
"""Parts that say the same whatever the preset is."""
QUICK = (256, 4)
"""The same of `fusioncim quality --quick`."""
Changes = Mapping[str, Any]


def one_at_a_time(name: str, values: Iterable[Any]) -> dict[str, Changes]:
    """A row of a table for every value of one parameter, but for the default."""
    default = PAPER.as_dict()[name]
    return {str(value): {name: value} for value in values if value != default}


VARIANTS: dict[str, dict[str, Changes]] = {
    "none": {"none": {}},
    "accumulator_bits": one_at_a_time("accumulator_bits", (16, 18, 20, 22, 24, 26, 28, 32)),
    "update_rank": one_at_a_time("update_rank", (2, 4, 16)),
    "probability_bits": one_at_a_time("probability_bits", (6, 8, 10)),
    "slack": one_at_a_time("slack", (0, 3, 5)),
    "flush": one_at_a_time("flush", (8, 10, 12, 14)),
    "lut_size": one_at_a_time("lut_size", (16, 32)),
    "fraction_bits": one_at_a_time("fraction_bits", (4, 5, 8)),
    "operand_bits": one_at_a_time("operand_bits", (4,)),
    "output_bits": one_at_a_time("output_bits", (8,)),
    "seed": one_at_a_time("seed", (True,)),
    "schedule": one_at_a_time("schedule", ("in_order", "diagonal_first")),
}
"""Tables of changes to the preset, in the order in which they are measured; what they force follows (`legal`)."""
PARTS: tuple[str, ...] = ("default", "long", "speed", "operands", "patterns", "additions", "candidates", *VARIANTS)


def write_study(output: Path, model: str, text: Path | None, parts: Sequence[str], jobs: int) -> None:
    """Measure parts and write each into the JSON file of the model.

    The parts that it has already stay; of another preset only those that do not depend on it.
    """
    for part in parts:
        if part not in PARTS:
            raise InputError(f"the parts are {', '.join(PARTS)}, not {part}")
    source = find_model(model)
    path = output / ("quality.json" if model == DEFAULT else f"quality_{source.name}.json")
    if output.exists():
        check_json(path, ("model",))
    tokens = tokenize(source, read_text(text))
    make_directory(output)
    for part in parts or (PARTS if model == DEFAULT else ("default", "patterns", "additions")):
        size = SIZES["large" if model != DEFAULT else part if part in SIZES else "study"]
        done = measure_part(part, source, tokens, size, jobs)
        stored: dict[str, Any] = {"model": source.name, "config": PAPER.as_dict()}
        if path.exists():
            before = json.loads(path.read_text(encoding="utf-8"))
            same = before["config"] == stored["config"]
            stored |= {name: done for name, done in before.items() if same or name in WITHOUT_PRESET}
        if part in VARIANTS:
            stored["alone"] = stored.get("alone", {}) | {part: done}
        else:
            stored[part] = done
        write_json(path, stored, ("model",))
        print(f"wrote {part} to {path}", file=sys.stderr)
    if model == DEFAULT:
        write_picture(output)


def measure_part(part: str, source: Source, tokens: Any, size: tuple[int, int], jobs: int) -> dict[str, Any]:
    """One part of the file; size: length and number of windows."""
    if part == "additions":
        from fusioncim_golden.pytorch.huggingface import Attention
        from fusioncim_sim.llm.added_blocks import LENGTHS, measure_additions

        return measure_additions(source, tokens, Attention(CHIP.engine, engines=CHIP.engines), LENGTHS, jobs)
    chosen = windows(tokens, *size)
    if part == "patterns":
        from fusioncim_sim.llm.row_maxima import measure_patterns

        return measure_patterns(source, chosen[:1], PAPER, jobs)
    if part == "speed":
        return measure_speed(source, chosen[0])
    if part in ("default", "long"):
        ways = (default_ways if part == "default" else long_ways)(CHIP.engine, CHIP.engines)
        done = evaluate(source, chosen, ways, ("float", "operands"), jobs=jobs, title=part)
        return {"tokens": int(chosen.size), "window": int(chosen.shape[1])} | {
            name: {reference: plain(one) for reference, one in each.items()} for name, each in done.items()
        }
    ways = operand_ways() if part == "operands" else alone_ways(configs(part))
    done = evaluate(source, chosen, ways, ("float",), jobs=jobs, title=part)
    return {name: plain(each["float"]) for name, each in done.items()}


def default_ways(config: Config, engines: int) -> dict[str, Any]:
    """Those of `page_ways`, and the noise floor of the comparison."""
    from fusioncim_sim.llm.float_attention import Nudged

    return page_ways(config, engines) | {"nudged operands": Nudged(config)}


def long_ways(config: Config, engines: int) -> dict[str, Any]:
    """Those of `page_ways`, and the changes in LONG as the engine's error alone."""
    changed = {way: legal({name: value}) for way, (name, value) in LONG.items()}
    return page_ways(config, engines) | alone_ways(changed, engines)


def configs(part: str) -> dict[str, Config]:
    """The rows of a table: the candidates, or those of VARIANTS."""
    if part == "candidates":
        return {name: candidate(name) for name in CANDIDATES}
    return {name: legal(changes) for name, changes in VARIANTS[part].items()}


def legal(changes: Changes) -> Config:
    """The preset with changes, and what they force, an earlier flush among it."""
    forced = with_forced(changes)
    for flush in (changes.get("flush", PAPER.flush), *range(PAPER.flush, 0, -1)):
        try:
            return PAPER.override(**forced | {"flush": flush})
        except InputError:
            continue
    raise InputError(f"no flush makes this configuration work: {changes}")


def measure_speed(source: Source, window: Any) -> dict[str, Any]:
    """Processor time of all attention layers on one window, the model's own eager function beside the engine."""
    return run_all({"speed": partial(time_attention, source, window)}, jobs=1, title="speed")["speed"]


def time_attention(source: Source, window: Any) -> dict[str, Any]:
    """Best of three passes each, seconds of one thread; minutes of two for all windows of `fusioncim quality`."""
    import torch

    from fusioncim_golden.pytorch.huggingface import Attention
    from fusioncim_sim.llm.losses import evaluate_window, logits

    torch.set_num_threads(1)
    start = time.process_time()
    model = load_model(source)
    loaded = time.process_time() - start
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

    def seconds_of(length: int) -> float:
        start = time.process_time()
        evaluate_window(source, window[:length], page_ways(PAPER), ("float",))
        return time.process_time() - start

    one, other = best(own), best(timed(Attention()))
    whole, quick = SIZES["default"], QUICK
    minutes = (n / 2 * seconds_of(length) / 60 for length, n in (whole, quick))
    return {
        "tokens": len(window),
        "eager_seconds": round(one, 2),
        "engine_seconds": round(other, 2),
        "ratio": round(other / one, 2),
        "load_minutes": round(loaded / 60, 2),
        **{f"{name}_minutes": round(each, 2) for name, each in zip(("whole", "quick"), minutes, strict=True)},
    }
