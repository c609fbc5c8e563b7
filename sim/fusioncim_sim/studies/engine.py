"""Cycles of single engines on the RTL: steady states, and a whole captured head (engine.json)."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from fusioncim.build.workers import run_all
from fusioncim_golden import engine as golden
from fusioncim_golden.config import Config
from fusioncim_golden.mask import FULL
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.schedule import Job
from fusioncim_sim.heads.read import fixture, load_heads
from fusioncim_sim.studies.study import Request, Stored, Study
from fusioncim_sim.studies.targets import Target, targets_table

SMALL = Config()
INT4 = PRESETS["tiny"].alone().override(operand_bits=4, update_rank=4, softmax_lanes=2)
STEADY = {
    "int8_one_word": (SMALL, 1, 512),
    "int8_two_words": (SMALL, 2, 256),
    "int4_one_word": (INT4, 1, 512),
}
"""Steady states by name: configuration, resident words, keys."""
CAUSAL_HEAD = "mixed"


def measure(request: Request) -> Iterator[tuple[str, Stored]]:
    """Simulate with Icarus Verilog."""
    from fusioncim.engine.engine import Engine
    from fusioncim_sim.rtl import programs
    from fusioncim_sim.rtl.simulators import require_icarus

    require_icarus()
    for config in (SMALL, INT4):
        programs.build(Engine(config))
    work: dict[str, Any] = {"causal": causal} | {name: partial(steady, *case) for name, case in STEADY.items()}
    done = run_all(work, jobs=request.jobs, title="engine")
    yield "engine.json", {"causal": done.pop("causal"), "steady": done}


def steady(config: Config, words: int, keys: int) -> dict[str, Any]:
    """`words` full tiles, all keys visible: the cycles from the first to the last bit-plane of K that multiplies."""
    from fusioncim_sim.rtl.engine_run import simulate_jobs

    generator = np.random.default_rng(1)
    limit = 1 << (config.operand_bits - 1)
    shapes = ((1, config.rows * words, config.columns), (keys, config.columns), (keys, config.columns))
    q, k, v = (generator.integers(-limit, limit, shape) for shape in shapes)
    heads = from_integers(q, k, v, scale_q=1 / limit, scale_k=4 / limit)
    job = Job(queries=config.rows * words, keys=keys, mask=FULL, words_per_pass=words)
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
    """One causal 512 x 512 head on `small`, from reset to the last output."""
    from fusioncim_sim.rtl.head_run import evaluate

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


def targets(engine: Stored) -> Sequence[Target]:
    """What was asked of an engine's cycles, and what is reached."""
    causal = engine["causal"]
    return (
        *(
            (f"steady state, {label}: cycles per vector and resident word", f"at most {target}", pace(engine, name))
            for name, label, target in (("int8_one_word", "INT8", "8.0"), ("int4_one_word", "INT4", "4.0"))
        ),
        (
            "steady state: cycles in which the multipliers work",
            "at least 99.9 %",
            f"{min(case['mac_cycle_percent'] for case in engine['steady'].values())} %",
        ),
        (
            f"causal head of {causal['queries']} tokens, load and drain included: use of the multipliers",
            "at least 85 %",
            f"{causal['utilization_percent']} % ({causal['cycles']:,} cycles)",
        ),
    )


def pace(engine: Stored, name: str) -> str:
    """Cycles per vector and word of a steady state."""
    return f"{engine['steady'][name]['cycles_per_vector_and_word']:.3f}"


STUDY = Study(
    files={"engine.json": ("causal", "steady")},
    measure=measure,
    show=lambda data: targets_table(targets(data)),
)
