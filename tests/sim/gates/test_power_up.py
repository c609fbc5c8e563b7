"""The mapped netlist of an engine whose flip-flops and memories are unknown at power-up."""

import numpy as np
import pytest

from fusioncim_golden.engine import run
from fusioncim_golden.presets import preset
from fusioncim_golden.quantize import from_integers
from fusioncim_golden.schedule import Job
from fusioncim_sim.gates.engine_placement import mapped_engine
from fusioncim_sim.gates.gate_level import build_gates
from fusioncim_sim.rtl.engine_run import simulate_jobs
from fusioncim_sim.rtl.runner import Program

TINY = preset("tiny").alone()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_no_unknown_leaves_the_gates_of_an_engine(library):
    """The bench takes no X for a handshake, a payload or the state."""
    rng = np.random.default_rng(4)
    shapes = (2, TINY.rows, TINY.columns), (24, TINY.columns), (24, TINY.columns)
    heads = from_integers(*(rng.integers(-127, 128, shape) for shape in shapes), scale_q=1 / 127, scale_k=4 / 127)
    job = Job(queries=TINY.rows, keys=24, heads=2)
    design, flat = mapped_engine(TINY, library, 2)
    program = Program(build_gates(design, flat, unknown=True), flat.name)
    found = simulate_jobs(TINY, [(heads, job)], stall={"o": "randomly", "i_kv": "bursts"}, program=program)
    assert np.array_equal(found.outputs[0], run(TINY, heads, job).out)
