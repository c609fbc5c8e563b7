"""The self-check of an engine on an FPGA tells the truth, by serial line and lights."""

import json
from dataclasses import replace

import pytest

from fusioncim.fpga.self_check import SelfCheck
from fusioncim_golden.config import Config
from fusioncim_golden.schedule import Job
from fusioncim_sim.gates.stored_job import captured_operands, stored_job
from fusioncim_sim.rtl.runner import run

LEAST = Config(rows=1, columns=4, words=1, operand_bits=4, softmax_lanes=1, update_rank=1)
DIVISOR = 4


@pytest.fixture(scope="module")
def job():
    heads = captured_operands(LEAST, 3)
    return stored_job(LEAST, heads, Job(queries=3, keys=3))


def told(job, tmp_path, lines=2):
    """What the self-check sends: lines and lights."""
    ports = {name: name for name in ("clk", "rst", "tx", "passed", "failed", "running")}
    case = {"ports": ports, "divisor": DIVISOR, "lines": lines, "cycles": job.limit + 4000}
    design = SelfCheck(LEAST, job, divisor=DIVISOR, interval=10)
    run(design, "fusioncim_sim.rtl.serial_bench", "tells", {**case, "out": "lines.json"}, results=tmp_path)
    return json.loads((tmp_path / "lines.json").read_bytes())["lines"]


@pytest.mark.parametrize("what", ["PASS", "FAIL", "HANG"])
def test_the_serial_line_and_the_lights_tell_the_verdict(job, tmp_path, what):
    changed = {
        "PASS": job,
        "FAIL": replace(job, o=(*job.o[:-1], job.o[-1] ^ 1)),
        "HANG": replace(job, i_kv=job.i_kv[:-1]),
    }[what]
    lines = told(changed, tmp_path)
    for line in lines:
        words = line["text"].split()
        assert words[:2] == ["FusionCIM", what]
        assert line["text"].endswith("\r\n")
        assert words[2:4] == ["rows=1", "columns=4"]
        assert words[5] == f"mismatches={int(what == 'FAIL'):06}"
        cycles = int(words[4].removeprefix("cycles="))
        assert cycles == job.limit if what == "HANG" else 0 < cycles < job.limit
        assert (line["lights"]["passed"], line["lights"]["failed"]) == ((1, 0) if what == "PASS" else (0, 1))
    assert lines[0] == lines[1]
