"""Design-space exploration: chips of many configurations on one workload, and which of them no other one beats.

Objectives, all to be small: area in mm2; energy in mJ and latency in ms of a layer, the mean over all layers; loss of
quality in dB (negative SQNR of a captured head against float64 attention on its floats, quantization included).
Energies are measured for one configuration. Where a point differs from it in more than what they are a line over
(`energy_table.FREE`), they are scaled (`energy_sizes`), and the point says so in `estimated`, with their error.

Points are evaluated on local cores or on a Dask cluster. Every finished point is a line of results.jsonl, whose first
line says what was asked; a chip that cannot do the work is such a line, too, with the rule that refuses it. An
exploration that is run again goes on where it ended; one that asks for something else is refused.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.progress import track

from fusioncim.asic.scaling import scale
from fusioncim.build.workers import Workers
from fusioncim.chip.output_packer import packed_bits
from fusioncim.package import CLOCK_MHZ
from fusioncim_golden.chip_config import ChipConfig
from fusioncim_golden.config import Config
from fusioncim_golden.errors import InputError
from fusioncim_golden.input_file import read_text
from fusioncim_sim.files import check_place, make_directory, write_file
from fusioncim_sim.heads.judge import judge_golden
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.system.axes import PAPER, chip_of, points
from fusioncim_sim.system.dram import dram
from fusioncim_sim.system.energy import buffer_bank
from fusioncim_sim.system.energy_table import (
    AROUND_PARTS,
    ARRAY_PARTS,
    BUFFER,
    ENGINE_PARTS,
    NOMINAL_28NM,
    corner,
    default_table,
    read_table,
)
from fusioncim_sim.system.model_config import language_model
from fusioncim_sim.system.pareto import OBJECTIVES
from fusioncim_sim.system.whole_model import evaluate_whole
from fusioncim_sim.system.workload import Phase

LOG = logging.getLogger(__name__)

NUMBERS = (
    *("operand_bits", "probability_bits", "accumulator_bits", "fraction_bits", "lut_size", "update_rank"),
    *("slack", "seed", "flush", "schedule", "output_bits"),
)
"""Parameters on which the quality depends."""
HEAD, HEAD_TOKENS = "mixed", 128
"""The captured head that judges quality, and its first tokens."""
DRAINED_UM2 = 9_150.0
"""Of an engine of `paper` for a row more that leaves at the same time, in Nangate 45 nm: multipliers, multiplexers."""
PACKED_UM2 = 4.95
"""Of a bit more in the packers of its outputs, with the multiplexer behind them."""
RESULTS = "results.jsonl"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of every point."""

    model: str = "llama3-8b"
    tokens: int = 1024
    memory: str = "lpddr5"
    corner: str = NOMINAL_28NM


def judge(point: Mapping[str, Any], question: Question) -> dict[str, Any]:
    """Objectives of a point."""
    chip = chip_of(point)
    table = read_table(default_table())
    result = evaluate_whole(
        chip,
        language_model(question.model),
        Phase(tokens=question.tokens),
        dram=dram(question.memory),
        table=table,
        at=corner(question.corner),
        clock_mhz=CLOCK_MHZ,
    )
    estimate = result.estimate
    return {
        "point": dict(point),
        "mm2": area(chip, question.corner),
        "mj": sum((result.energy or {}).values()) / result.layers * 1e3,
        "ms": result.seconds / result.layers * 1e3,
        "loss_db": -quality(_numbers(chip.engine)),
        "working": result.working,
        "estimated": list(estimate.parameters + estimate.as_is) if estimate else [],
        "error_percent": estimate.percent if estimate else 0.0,
        "energies": estimate.words if estimate else "",
    }


def area(chip: ChipConfig, name: str) -> float:
    """mm2: arrays and their banks by rows and words, the global buffer by the memory model, the rest as measured.

    Rows that leave at the same time add to the engines and to the packers of their outputs.
    """
    table = {part: row[name] for part, row in _areas()["table"].items()}
    rows = chip.engine.rows / PAPER.engine.rows
    words = chip.engine.words / PAPER.engine.words
    engine = 0.0
    for part in ARRAY_PARTS:
        logic, whole = table[part]["logic_mm2"], table[part]["mm2"]
        engine += rows * (logic + (whole - logic) * words)
    engine += sum(table[part]["mm2"] for part in ENGINE_PARTS if part not in ARRAY_PARTS)
    drained = _areas()["parameters"]["drain_rows"]
    packed = packed_bits(chip) - packed_bits(chip.override(drain_rows=drained))
    more = (chip.engine.drain_rows - drained) * DRAINED_UM2 + packed * PACKED_UM2
    engine += more * 1e-6 * scale(corner(name)).area
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


@dataclass(frozen=True)
class Found:
    """What an exploration has found.

    Members:
        chips: points with their objectives, in the order of the space.
        refused: points that cannot do the work, each with the rule, `refused`.
    """

    chips: list[dict[str, Any]]
    refused: list[dict[str, Any]]


def explore(
    output: Path,
    axes: Mapping[str, Sequence[Any]],
    question: Question,
    *,
    jobs: int,
    scheduler: str | None = None,
    limit: int | None = None,
    judge: Callable[[Mapping[str, Any], Question], dict[str, Any]] = judge,
) -> Found:
    """All points of the space, or the first `limit`; those that results.jsonl has already are not evaluated again.

    Errors: a question that no chip can answer, before anything is written.
    """
    asked = {"axes": {name: list(values) for name, values in axes.items()}, "question": asdict(question)}
    todo = points(axes)[:limit]
    check_question(question)
    check_place(output)
    work = {_key(point): partial(_judged, judge, point, question) for point in todo}
    _require_one(work.values())
    with Workers(jobs, scheduler) as workers, _resumed(output, asked) as (done, file):
        missing = {key: function for key, function in work.items() if key not in done}
        for key, line in _shown(workers.finished(missing), len(missing)):
            done[key] = line
            file.write(json.dumps(line, sort_keys=True) + "\n")
            file.flush()
    found = [done[key] for key in work]
    return Found([each for each in found if "refused" not in each], [each for each in found if "refused" in each])


def check_question(question: Question) -> None:
    """Refuse a question that no chip can answer."""
    language_model(question.model)
    dram(question.memory)
    corner(question.corner)


def _judged(
    judge: Callable[[Mapping[str, Any], Question], dict[str, Any]], point: Mapping[str, Any], question: Question
) -> dict[str, Any]:
    """The objectives of a point, or the rule that refuses it."""
    try:
        return judge(point, question)
    except InputError as error:
        return {"point": dict(point), "refused": str(error)}


def _require_one(work: Iterable[Callable[[], dict[str, Any]]]) -> None:
    """Refuse a space without a chip that can do the work, by the rule that refuses its first."""
    rules = []
    for function in work:
        line = function()
        if "refused" not in line:
            return
        rules.append(line["refused"])
    raise InputError(rules[0])


def _shown(results: Iterable[tuple[str, Any]], count: int) -> Iterable[tuple[str, Any]]:
    """With their progress on the standard error."""
    console, silent = Console(stderr=True), not LOG.isEnabledFor(logging.INFO)
    return track(results, "exploring", count, console=console, transient=True, disable=silent)


def _key(point: Mapping[str, Any]) -> str:
    return json.dumps(point, sort_keys=True)


@contextmanager
def _resumed(output: Path, asked: Mapping[str, Any]) -> Iterator[tuple[dict[str, dict[str, Any]], TextIO]]:
    """The results so far, and where more are added; results of another question are refused."""
    path = output / RESULTS
    before: Mapping[str, Any] = asked
    lines: list[dict[str, Any]] = []
    if path.exists():
        before, lines = read_results(path)
        if before != json.loads(json.dumps(asked)):
            raise InputError(f"the results are of another exploration; remove them or name another directory: {path}")
    make_directory(output)
    write_file(path, "".join(json.dumps(each, sort_keys=True) + "\n" for each in (before, *lines)).encode())
    with path.open("a", encoding="utf-8") as file:
        yield {_key(each["point"]): each for each in lines}, file


def read_results(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What was asked, and a line for every point; a last line that was cut off is left out."""
    text = read_text("the file of results", path)
    try:
        asked, *lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        whole = {"axes", "question"} == {*asked} and all(
            {"point", "refused"} == {*each} or {"point", *OBJECTIVES} < {*each} for each in lines
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise _damaged(path) from error
    if not whole:
        raise _damaged(path)
    return asked, lines


def _damaged(path: Path) -> InputError:
    return InputError(f"the file of results is damaged; remove it or name another directory: {path}")
