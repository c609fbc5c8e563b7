"""Measures parts of quality.json, one after the other; each is stored as soon as it is there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.llm.attention_ways import arithmetic_alone, parts_of_error, scales_of_operands
from fusioncim_sim.llm.language_model import DEFAULT, Source, find_model, text_of, tokenize, windows
from fusioncim_sim.llm.losses import evaluate, plain
from fusioncim_sim.studies.preset_candidates import LONG, PAPER
from fusioncim_sim.studies.quality.speed import measure_speed
from fusioncim_sim.studies.quality.variants import PARTS, SIZES, VARIANTS, configs, legal
from fusioncim_sim.studies.study import Request, Stored, read

CHIP = PRESETS["paper"]
OF_EVERY_MODEL = ("default", "patterns", "additions")
"""Parts that are measured of a model other than the default one, unless parts are named."""
WITHOUT_PRESET = ("operands",)
"""Parts that say the same whatever the preset is."""


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """The file of the model, once for every part.

    The parts that it has already stay; of another preset only those that do not depend on it.
    """
    for part in request.parts:
        if part not in PARTS:
            raise InputError(f"the parts are {', '.join(PARTS)}, not {part}")
    source = find_model(request.model)
    own = request.model == DEFAULT
    name = "quality" if own else f"quality_{source.name}"
    tokens = tokenize(source, text_of(None))
    for part in request.parts or (PARTS if own else OF_EVERY_MODEL):
        size = SIZES.get(part, SIZES["study"]) if own else SIZES["large"]
        done = measure_part(part, source, tokens, size, request.jobs)
        yield f"{name}.json", with_part(stored_parts(request.output, name, source), part, done)


def stored_parts(directory: Path, name: str, source: Source) -> dict[str, Any]:
    """What the file of a model has already and is still true."""
    stored: dict[str, Any] = {"model": source.name, "config": PAPER.as_dict()}
    if (directory / f"{name}.json").exists():
        before = read(directory, name)
        same = before["config"] == stored["config"]
        stored |= {part: done for part, done in before.items() if same or part in WITHOUT_PRESET}
    return stored


def with_part(stored: Stored, part: str, done: Stored) -> dict[str, Any]:
    """With one part more; tables of changes to the preset stand together."""
    if part in VARIANTS:
        return {**stored, "alone": {**stored.get("alone", {}), part: done}}
    return {**stored, part: done}


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
    ways = scales_of_operands() if part == "operands" else arithmetic_alone(configs(part))
    done = evaluate(source, chosen, ways, ("float",), jobs=jobs, title=part)
    return {name: plain(each["float"]) for name, each in done.items()}


def default_ways(config: Config, engines: int) -> dict[str, Any]:
    """Those of `parts_of_error`, and the noise floor of the comparison."""
    from fusioncim_sim.llm.float_attention import Nudged

    return parts_of_error(config, engines) | {"nudged operands": Nudged(config)}


def long_ways(config: Config, engines: int) -> dict[str, Any]:
    """Those of `parts_of_error`, and the changes in LONG as the engine's error alone."""
    changed = {way: legal({name: value}) for way, (name, value) in LONG.items()}
    return parts_of_error(config, engines) | arithmetic_alone(changed, engines)
