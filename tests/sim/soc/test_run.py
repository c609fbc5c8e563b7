"""The system on chip: firmware computes a captured head, and says in one line what it cannot do."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fusioncim_golden import job
from fusioncim_golden.presets import PRESETS
from fusioncim_golden.quantize import LOG2_E
from fusioncim_golden.status import Status
from fusioncim_sim.cli.app import app
from fusioncim_sim.heads.captured import named
from fusioncim_sim.soc.memory_map import SHARED
from fusioncim_sim.soc.run import run_head

CHANGES = {"columns": 64, "rows": 4, "engines": 1, "streams": 1, "update_rank": 8, "buffer_bytes": 4096}
CHIP = PRESETS["tiny"].override(**CHANGES)
"""The smallest one with the dimension of the heads."""
SET = [argument for name, value in CHANGES.items() for argument in ("--set", f"{name}={value}")]
TOKENS = 20
CYCLES = 2_000_000
"""Limit of a run: many times what it takes."""
pytestmark = pytest.mark.timeout(900)  # whichever test is first compiles the system


def operands():
    return named("sink").first(TOKENS).quantized(CHIP.engine)


def run(main=None, tmp_path=None, head=None, **options):
    """A run of the firmware, or of another program."""
    if main is not None:
        options["main"] = tmp_path / "own.c"
        options["main"].write_text(f'#include "system.h"\nvoid chip_interrupt(void) {{}}\n{main}', encoding="utf-8")
    return run_head(CHIP, "sink", head or operands(), **{"cycles": CYCLES, **options})


def checksum(output):
    """FNV-1a over words of 32 bits."""
    value = 2166136261
    for word in np.ascontiguousarray(output.astype("<i2")).view("<u4").ravel().tolist():
        value = (value ^ word) * 16777619 % (1 << 32)
    return value


@pytest.mark.long
def test_the_firmware_computes_a_captured_head(tmp_path):
    """Both outputs are golden; the checksum that came over the serial line is that of the golden output."""
    options = ("--tokens", str(TOKENS), "--cycles", str(CYCLES), "--json", str(tmp_path / "out.json"))
    result = CliRunner().invoke(app, ["soc", "--preset", "tiny", *SET, *options])
    assert result.exit_code == 0, result.output
    expected = job.run(CHIP, [operands()]).out[0]
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert (found["outputs"], found["mismatches"], found["code"]) == (2 * expected.size, 0, 0)
    assert found["text"] in result.stdout
    lines = found["text"].splitlines()
    assert lines[0].endswith(f"columns 64; head sink of queries {TOKENS} and dimension 64")
    for how, line in zip(("interrupt", "polling"), lines[1:3], strict=True):
        assert line.startswith(f"{how}: the chip ")
        assert line.endswith(f"checksum {checksum(expected):#010x}")
    assert lines[3] == f"last row: {' '.join(map(str, expected[-1, :8]))} .."
    assert lines[4:] == ["done"]


def test_no_chip_at_the_address():
    ended = run(defines={"SYSTEM_CHIP": 0x5000_0000}).run
    assert (ended.text, ended.stopped, ended.code) == (
        "error: no FusionCIM chip answers at the base address\n",
        "",
        1,
    )


def test_a_chip_of_another_configuration():
    ended = run(built_for=CHIP.override(words=4)).run
    assert ended.code == 1
    assert ended.text == "error: the chip was generated from another configuration than this driver\n"


def test_a_job_that_fails():
    """A scale of the scores that has a word, and that the chip refuses."""
    head = operands()
    largest = 200 / (head.scale_q[0, 0] * head.scale_k * LOG2_E)
    ended = run(head=replace(head, softmax_scale=largest)).run
    assert ended.code == 1
    assert ended.text.splitlines()[-1] == f"error: {Status.SCALE.words}"


def test_a_limit_of_cycles():
    ended = run(cycles=2_000).run
    assert not ended.good
    assert ended.stopped == "the firmware did not end within 2,000 cycles"
    assert ended.cycles == 2_000


def test_the_core_writes_and_reads_every_lane_of_the_memory(tmp_path):
    """Bytes, halves and words, each at every place of two beats, as the host finds them and as the core reads them."""
    ended = run(
        """
SYSTEM_SHARED uint8_t bytes[32];
SYSTEM_SHARED uint16_t halves[16];
SYSTEM_SHARED uint32_t words[8];
int main(void)
{
    volatile uint8_t *b = bytes;
    volatile uint16_t *h = halves;
    volatile uint32_t *w = words;
    uint32_t n, sum = 0;
    for (n = 0; n < 32; n++) b[n] = (uint8_t)(n + 1);
    for (n = 0; n < 16; n++) h[n] = (uint16_t)(0x101 * n);
    for (n = 0; n < 8; n++) w[n] = 0x1010101 * n;
    for (n = 0; n < 32; n++) sum += b[n] * n;
    for (n = 0; n < 16; n++) sum += h[n] * n;
    for (n = 0; n < 8; n++) sum += w[n] * n;
    system_number(sum);
    return 7;
}""",
        tmp_path,
    ).run
    assert ended.code == 7
    memory = ended.memory
    written = [bytes(range(1, 33)), np.arange(16, dtype="<u2") * 0x101, np.arange(8, dtype="<u4") * 0x1010101]
    for expected in written:
        assert bytes(expected) in memory
    sums = (
        int((np.frombuffer(bytes(x), kind).astype(int) * np.arange(n)).sum())
        for x, kind, n in ((written[0], "u1", 32), (written[1], "<u2", 16), (written[2], "<u4", 8))
    )
    assert int(ended.text) == sum(sums) % (1 << 32)


CANNOT = "the core met an instruction or an address that it cannot do"
STOPS = {
    '__asm__ volatile(".word 0")': CANNOT,
    "*(volatile int *)(SYSTEM_MEMORY + 2)": CANNOT,
    "*(volatile int *)(SYSTEM_MEMORY + 0x100000)": f"no memory at the address {SHARED + 0x100000:#x}",
}


@pytest.mark.parametrize("statement", STOPS)
def test_what_stops_the_core(statement, tmp_path):
    """An instruction that there is not, an address that is no multiple, memory that is not there."""
    ended = run(f"int main(void) {{ {statement}; return 0; }}", tmp_path).run
    assert ended.stopped.endswith(STOPS[statement])
    assert not ended.good


def test_the_sleep_has_a_limit(tmp_path):
    """Without an interrupt the core sleeps for the cycles that it is told, again and again."""
    main = """
int main(void)
{
    const uint32_t begun = system_cycles();
    int n;
    for (n = 0; n < 3; n++) if (system_wait(5000)) return 1;
    system_number(system_cycles() - begun);
    return 0;
}"""
    ended = run(main, tmp_path).run
    assert ended.code == 0
    assert 15_000 <= int(ended.text) < 17_000


def test_the_firmware_of_the_page_runs(tmp_path):
    page = Path("docs/soc.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```c\n(.*?)```", page, re.DOTALL)
    (tmp_path / "main.c").write_text(program, encoding="utf-8")
    ended = run_head(CHIP, "sink", operands(), main=tmp_path / "main.c", cycles=CYCLES)
    assert (ended.run.text, ended.run.code, ended.outputs) == ("done\n", 0, {})


def test_nothing_at_an_address_reads_as_ones(tmp_path):
    ended = run("int main(void) { system_hex(*(volatile uint32_t *)0x60000000); return 0; }", tmp_path).run
    assert (ended.text, ended.code) == ("0xffffffff", 0)
