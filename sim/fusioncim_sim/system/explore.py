"""Design-space exploration: chips of many configurations on one workload, and which of them no other one beats.

Objectives, all to be small: area in mm2; energy in mJ and latency in ms of a layer, the mean over all layers; loss of
quality in dB (negative SQNR of a captured head against float64 attention on its floats, quantization included).
Energies are measured for one configuration. Where a point differs from it in more than what they are a line over
(`energy_table.FREE`), they are taken as they are, per event, and the point says so in `estimated`.

Points are evaluated in batches, on local cores or on a Dask cluster. Every finished point is a line of results.jsonl,
whose first line says what was asked. An exploration that is run again goes on where it ended; one that asks for
something else is refused.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from fusioncim.asic.scaling import scale
from fusioncim.build.workers import Workers
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.presets import PRESETS
from fusioncim_sim.files import make_directory
from fusioncim_sim.heads.judge import judge_golden
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.system.dram import dram
from fusioncim_sim.system.energy import buffer_bank
from fusioncim_sim.system.energy_table import (
    AROUND_PARTS,
    ARRAY_PARTS,
    BUFFER,
    ENGINE_PARTS,
    FREE,
    NOMINAL_28NM,
    EnergyTable,
    corner,
    default_table,
    read_table,
)
from fusioncim_sim.system.model_config import language_model
from fusioncim_sim.system.whole_model import evaluate_whole
from fusioncim_sim.system.workload import Phase

LOG = logging.getLogger(__name__)

PAPER = PRESETS["paper"]
AXES: Mapping[str, tuple[Any, ...]] = {
    "rows": (32, 64, 128, 256),
    "engines": (2, 4, 8, 16),
    "words": (2, 4, 8),
    "buffer_bytes": (1 << 18, 1 << 19, 1 << 20, 1 << 21),
    "bus_bits": (256, 512),
    "operand_bits": (8, 4),
    "schedule": ("folded", "diagonal_first"),
}
"""The space that is explored unless another one is asked for."""
NUMBERS = (
    *("operand_bits", "probability_bits", "accumulator_bits", "fraction_bits", "lut_size", "update_rank"),
    *("slack", "seed", "flush", "schedule", "output_bits"),
)
"""Parameters on which the quality depends."""
OBJECTIVES = ("mm2", "mj", "ms", "loss_db")
BATCH = 64
"""Points between two looks at the results: what an interruption can lose."""
HEAD, HEAD_TOKENS = "mixed", 128
"""The captured head that judges quality, and its first tokens."""
RESULTS = "results.jsonl"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of every point."""

    model: str = "llama3-8b"
    tokens: int = 1024
    memory: str = "lpddr5"
    corner: str = NOMINAL_28NM


def parse_axes(texts: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Axes from KEY=V1,V2,..; values are numbers, true, false or names."""
    found = {}
    known = PAPER.as_dict()
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not values:
            raise InputError(f"--axis must be KEY=V1,V2,.., not {text}")
        if name not in known:
            raise InputError(f"unknown configuration key: the keys are {', '.join(known)}, not {name}")
        found[name] = tuple(_value(value) for value in values.split(","))
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def points(axes: Mapping[str, Sequence[Any]], base: ChipConfig = PAPER) -> list[dict[str, Any]]:
    """All combinations that make a chip; softmax lanes follow the rows, as one lane serves `operand_bits` of them."""
    names = list(axes)
    found = []
    for values in product(*axes.values()):
        point = dict(zip(names, values, strict=True))
        try:
            chip_of(point, base)
        except InputError:
            continue
        found.append(point)
    if not found:
        raise InputError(f"the axes must have a combination that makes a chip, not so {', '.join(names)}")
    return found


def chip_of(point: Mapping[str, Any], base: ChipConfig = PAPER) -> ChipConfig:
    """The chip of a point."""
    values = {**base.as_dict(), **point}
    if "softmax_lanes" not in point:
        point = {**point, "softmax_lanes": max(values["rows"] // values["operand_bits"], 1)}
    return base.override(**point)


def judge(point: Mapping[str, Any], question: Question) -> dict[str, Any]:
    """Objectives of a point."""
    chip = chip_of(point)
    table, estimated = _fitted(read_table(default_table()), chip)
    result = evaluate_whole(
        chip,
        language_model(question.model),
        Phase(tokens=question.tokens),
        dram=dram(question.memory),
        table=table,
        at=corner(question.corner),
        clock_mhz=CLOCK_MHZ,
    )
    return {
        "point": dict(point),
        "mm2": area(chip, question.corner),
        "mj": sum((result.energy or {}).values()) / result.layers * 1e3,
        "ms": result.seconds / result.layers * 1e3,
        "loss_db": -quality(_numbers(chip.engine)),
        "working": result.working,
        "estimated": estimated,
    }


def _fitted(table: EnergyTable, chip: ChipConfig) -> tuple[EnergyTable, list[str]]:
    """The table as if it were the chip's, and the parameters for which it was not measured."""
    values = chip.as_dict()
    other = [name for name, value in table.configuration.items() if name not in FREE and values[name] != value]
    return replace(table, configuration={**table.configuration, **{name: values[name] for name in other}}), other


def area(chip: ChipConfig, name: str) -> float:
    """mm2: arrays and their banks by rows and words, the global buffer by the memory model, the rest as measured."""
    table = {part: row[name] for part, row in _areas()["table"].items()}
    rows = chip.engine.rows / PAPER.engine.rows
    words = chip.engine.words / PAPER.engine.words
    engine = 0.0
    for part in ARRAY_PARTS:
        logic, whole = table[part]["logic_mm2"], table[part]["mm2"]
        engine += rows * (logic + (whole - logic) * words)
    engine += sum(table[part]["mm2"] for part in ENGINE_PARTS if part not in ARRAY_PARTS)
    around = sum(table[part]["mm2"] for part in AROUND_PARTS)
    beats = chip.vector_bytes // chip.bus_bytes
    buffer = 2 * beats * buffer_bank(chip).area_um2 * 1e-6 * scale(corner(name)).area
    return chip.engines * engine + around + buffer + table[BUFFER]["logic_mm2"]


@cache
def _areas() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(default_table("cost.json").read_bytes())
    return data


def _numbers(config: Config) -> Config:
    """A small engine with the same arithmetic."""
    small = Config()
    lanes = small.rows // config.operand_bits
    return replace(small, softmax_lanes=lanes, **{name: getattr(config, name) for name in NUMBERS})


@cache
def quality(config: Config) -> float:
    """SQNR in dB of the first tokens of a captured head, against float64 attention on its floats."""
    head = next(head for head in load_heads(fixture(), config) if head.name == HEAD)
    judged = judge_golden(config, head.first(HEAD_TOKENS)).sqnr_floats_db
    assert judged is not None
    return round(judged, 2)


# Running.


def explore(
    output: Path,
    axes: Mapping[str, Sequence[Any]],
    question: Question,
    *,
    jobs: int,
    scheduler: str | None = None,
    limit: int | None = None,
    judge: Callable[[Mapping[str, Any], Question], dict[str, Any]] = judge,
) -> list[dict[str, Any]]:
    """All points of the space, or the first `limit`; those that results.jsonl has already are not evaluated again."""
    asked = {"axes": {name: list(values) for name, values in axes.items()}, "question": asdict(question)}
    todo = points(axes)[:limit]
    judge(todo[0], question)  # bad input is found before anything is written
    make_directory(output)
    path = output / RESULTS
    done = _resume(path, asked)
    missing = [point for point in todo if _key(point) not in done]
    with path.open("a", encoding="utf-8") as file, Workers(jobs, scheduler) as workers:
        batches = [missing[first : first + BATCH] for first in range(0, len(missing), BATCH)]
        for batch in _shown(batches):
            judged = dict(workers.finished({_key(point): partial(judge, point, question) for point in batch}))
            for name in map(_key, batch):
                file.write(json.dumps(judged[name], sort_keys=True) + "\n")
            done |= judged
            file.flush()
    return [done[_key(point)] for point in todo]


def _shown(batches: Sequence[list[dict[str, Any]]]) -> Iterable[list[dict[str, Any]]]:
    """With their progress on the standard error."""
    console, silent = Console(stderr=True), not LOG.isEnabledFor(logging.INFO)
    return track(batches, f"exploring, {BATCH} points each", console=console, transient=True, disable=silent)


def _key(point: Mapping[str, Any]) -> str:
    return json.dumps(point, sort_keys=True)


def _resume(path: Path, asked: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Results so far. A last line that was cut off is taken away; results of another question are refused."""
    if not path.exists():
        path.write_text(json.dumps(asked, sort_keys=True) + "\n", encoding="utf-8")
        return {}
    whole = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    try:
        lines = [json.loads(line) for line in whole]
        other = not lines or lines[0] != json.loads(json.dumps(asked))
        done = {_key(line["point"]): line for line in lines[1:]}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"the file of results is damaged; remove it or name another directory: {path}") from error
    if other:
        raise InputError(f"the results are of another exploration; remove them or name another directory: {path}")
    path.write_text("".join(whole), encoding="utf-8")
    return done


# Pareto.


def front(found: Iterable[Mapping[str, Any]], objectives: Sequence[str] = OBJECTIVES) -> list[Mapping[str, Any]]:
    """Those that no other one beats: is as good in all objectives and better in one."""
    every = list(found)

    def beats(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        pairs = [(one[name], other[name]) for name in objectives]
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    return [one for one in every if not any(beats(other, one) for other in every)]


def lines(found: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Points and objectives, by latency."""
    for each in sorted(found, key=lambda each: float(each["ms"])):
        point = ", ".join(f"{name} {value}" for name, value in each["point"].items())
        figures = (f"{each['mm2']:.2f}", f"{each['mj']:.3f}", f"{each['ms']:.3f}", f"{-each['loss_db']:.1f}")
        yield (point, *figures, f"{each['working']:.1%}", "estimated" if each["estimated"] else "measured")
