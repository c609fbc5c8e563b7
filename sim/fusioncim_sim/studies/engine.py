"""The measured figures: one JSON file per subject, and the table that the README shows of them."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from fusioncim.build.workers import run_all
from fusioncim.engine.engine import Engine
from fusioncim_golden import engine as golden
from fusioncim_golden.config import Config
from fusioncim_golden.metrics import in_lsb
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.schedule import Job
from fusioncim_sim.files import check_json, make_directory, write_json
from fusioncim_sim.heads.read import Head, fixture, load_heads
from fusioncim_sim.heads.rescales import Moves, as_dict, below_exact, count_moves, total
from fusioncim_sim.rtl import programs
from fusioncim_sim.rtl.engine_run import simulate_jobs
from fusioncim_sim.rtl.head_run import evaluate
from fusioncim_sim.rtl.simulators import require_icarus
from fusioncim_sim.studies.summary import summary

SMALL = Config()
INT4 = PRESETS["tiny"].alone().override(operand_bits=4, update_rank=4, softmax_lanes=2)
STEADY = {
    "int8_one_word": (SMALL, 1, 512),
    "int8_two_words": (SMALL, 2, 256),
    "int4_one_word": (INT4, 1, 512),
}
"""Steady states by name: configuration, resident words, keys."""
CAUSAL_HEAD = "mixed"
FLAT_KEYS = 2048
FILES = ("engine", "accuracy", "rescales")


def run_measurements(console: Console, *, quick: bool, output: Path, jobs: int) -> None:
    """Measure and write everything; `quick` leaves the engine's simulations out."""
    names = [name for name in FILES if not (quick and name == "engine")]
    if output.exists():
        for name in names:
            check_json(output / f"{name}.json", KEYS[name])
    work: dict[str, Any] = {}
    if not quick:
        require_icarus()
        for config in (SMALL, INT4):
            programs.build(Engine(config))
        work = {"engine: causal": causal} | {f"engine: {name}": partial(steady, *case) for name, case in STEADY.items()}
    heads = load_heads(fixture(), SMALL)
    work |= {f"rescales: {head.name}": partial(count_moves, SMALL, head) for head in heads}
    work |= {f"accuracy: {head.name}": partial(accuracy, head) for head in heads}
    work["flat"] = flat
    done = run_all(work, jobs=jobs, title="measure")

    def part(subject: str) -> dict[str, Any]:
        return {name.partition(": ")[2]: value for name, value in done.items() if name.startswith(f"{subject}: ")}

    data: dict[str, Mapping[str, Any]] = {
        "accuracy": {"heads": part("accuracy"), "flat": done["flat"]},
        "rescales": rescales(part("rescales")),
    }
    if not quick:
        engine = part("engine")
        data["engine"] = {"causal": engine.pop("causal"), "steady": engine}
    make_directory(output)
    for name in names:
        path = output / f"{name}.json"
        write_json(path, data[name], KEYS[name])
        console.print(f"wrote {path}", soft_wrap=True)
    if all((output / f"{name}.json").exists() for name in (*FILES, "chip")):
        console.print(f"\n{summary(output)}", soft_wrap=True, markup=False)


KEYS = {
    "engine": ("causal", "steady"),
    "accuracy": ("heads", "flat"),
    "rescales": ("heads", "total"),
}
"""What each file holds."""


def steady(config: Config, words: int, keys: int) -> dict[str, Any]:
    """`words` full tiles, all keys visible: the cycles from the first to the last bit-plane of K that multiplies."""
    generator = np.random.default_rng(1)
    limit = 1 << (config.operand_bits - 1)
    shapes = ((1, config.rows * words, config.columns), (keys, config.columns), (keys, config.columns))
    q, k, v = (generator.integers(-limit, limit, shape) for shape in shapes)
    heads = from_integers(q, k, v, scale_q=1 / limit, scale_k=4 / limit)
    job = Job(queries=config.rows * words, keys=keys, causal=False, words_per_pass=words)
    run = simulate_jobs(config, [(heads, job)])
    busy = np.flatnonzero(run.activity["qk"])
    window = int(busy[-1] - busy[0] + 1)
    return {
        "bit_exact": bool(np.array_equal(run.outputs[0], golden.run(config, heads, job).out)),
        "rows": config.rows,
        "columns": config.columns,
        "operand_bits": config.operand_bits,
        "words": words,
        "keys": keys,
        "window_cycles": window,
        "mac_cycles": len(busy),
        "mac_cycle_percent": round(100 * len(busy) / window, 3),
        "cycles_per_vector_and_word": round(window / (keys * words), 4),
    }


def causal() -> dict[str, Any]:
    """One causal 512 x 512 head on the default engine, from reset to the last output."""
    head = next(head for head in load_heads(fixture(), SMALL) if head.name == CAUSAL_HEAD)
    result, _ = evaluate(SMALL, head)
    if result.utilization is None:
        raise AssertionError("the head was not simulated")
    return {
        "bit_exact": result.bit_exact,
        "head": head.name,
        "queries": result.queries,
        "keys": result.keys,
        "cycles": result.cycles,
        "active_cycles": result.active_cycles,
        "utilization_percent": round(100 * result.utilization, 2),
    }


def accuracy(head: Head) -> dict[str, Any]:
    """Error of one whole causal head with the default configuration."""
    result, _ = evaluate(SMALL, head, rtl=False)
    return {
        "sqnr_db": round(result.sqnr_db, 2),
        "max_error_lsb": round(result.max_error_lsb, 3),
        "sqnr_unquantized_db": None if result.sqnr_float_db is None else round(result.sqnr_float_db, 2),
    }


def flat() -> dict[str, Any]:
    """Equal keys and constant values: an output over the value is the sum of the normalized weights."""
    generator = np.random.default_rng(1)
    value = 100
    q = generator.integers(-127, 128, (1, SMALL.rows, SMALL.columns))
    k = np.tile(generator.integers(-127, 128, SMALL.columns), (FLAT_KEYS, 1))
    heads = from_integers(q, k, np.full_like(k, value), scale_q=1 / 127, scale_k=4 / 127)
    out = golden.run(SMALL, heads, Job(queries=SMALL.rows, keys=FLAT_KEYS, causal=False)).out
    error = np.abs(in_lsb(SMALL, out) / value - 1).max()
    return {"keys": FLAT_KEYS, "weight_sum_error_percent": round(100 * float(error), 3)}


def rescales(moves: Mapping[str, Moves]) -> dict[str, Any]:
    """Per head and in total, with the percentage below exact in-order softmax."""
    every = total(moves.values())
    below = {
        order: {name: round(below_exact(every, order, name), 2) for name in rules}
        for order, rules in every.rules.items()
    }
    return {
        "heads": {name: as_dict(one) for name, one in moves.items()},
        "total": as_dict(every) | {"below_exact_in_order_percent": below},
    }
