"""A chip with an asynchronous reset: jobs, aborts and resets as of the other chips, by their benches."""

from pathlib import Path

import numpy as np
import pytest
from tests.hw.integration.delivered import CHIP

from fusioncim.build.cache import build_root, filled_once, short_hash
from fusioncim.chip.chip import Chip
from fusioncim.integration.ports import ports_of
from fusioncim.lib.bank import SRAM
from fusioncim.verilog.cached import cached_verilog, without_comments
from fusioncim.verilog.prefix import module_names, with_prefix
from fusioncim.verilog.reset import Reset
from fusioncim_golden import job as golden
from fusioncim_golden.quantize import quantize
from fusioncim_sim.rtl.chip_run import ChipJob, simulate_chip
from fusioncim_sim.rtl.programs import compile_icarus
from fusioncim_sim.rtl.runner import Program

BENCHES = Path(__file__).parents[1] / "chip"
RESET = Reset.ACTIVE_LOW_ASYNC


def program():
    """A module with the ports that the benches know, around the chip with the other reset."""
    chip = Chip(CHIP)
    text = cached_verilog(chip, RESET)[1]
    text = without_comments(with_prefix(text, "inner_", module_names(text)))
    declared, pins = [], []
    for port in ports_of(chip, chip.ports, RESET):
        name = "rst" if port.name == RESET.port else port.name
        declared.append(f"  {port.direction} wire [{port.width - 1}:0] {name}")
        pins.append(f"    .{port.name}({'!rst' if name == 'rst' else name})")
    ports = ",\n".join(declared).replace("[0:0] ", "")
    connected = ",\n".join(pins)
    text += f"module chip(\n{ports}\n);\n  inner_chip inner (\n{connected}\n  );\nendmodule\n"
    place = build_root() / "designs" / f"chip-async-{short_hash(text, SRAM.read_text(encoding='utf-8'))}"
    with filled_once(place) as scratch:
        if scratch:
            (scratch / "chip.v").write_text(text, encoding="utf-8")
            compile_icarus(scratch, "chip")
    return Program(place, "chip")


def job():
    generator = np.random.default_rng(3)
    q, k, v = (generator.normal(size=size) for size in ((2, 5, 16), (13, 16), (13, 16)))
    return ChipJob(groups=[quantize(q, k, v)])


def test_jobs_are_those_of_the_golden_model():
    jobs = [job(), job()]
    run = simulate_chip(CHIP, jobs, stall="randomly", cycles=50_000, program=program())
    assert run.stray == 0
    for each, outputs in zip(jobs, run.outputs, strict=True):
        assert np.array_equal(each.golden(CHIP), outputs)


@pytest.mark.parametrize("kind", ["abort", "reset"])
def test_the_next_job_is_right_after_a_stop(kind):
    one = job()
    simulate_chip(
        CHIP,
        [one],
        cycles=1,
        bench=("test_chip", "survives_aborts_and_resets"),
        path=BENCHES,
        extra={
            "kind": kind,
            "points": [0, 40, 150, 260, 400],
            "expected": golden.run(CHIP, one.groups).out.tolist(),
        },
        program=program(),
    )
