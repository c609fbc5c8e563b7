"""Banks in the Verilog: what they show, and that nothing else is defined."""

from pathlib import Path

import cocotb
import numpy as np
import pytest

from fusioncim.bank import Bank
from fusioncim_sim.replay import play
from fusioncim_sim.runner import case, run

CASES = {
    "one word": {"depth": 1, "width": 5, "reads": 1},
    "three words": {"depth": 3, "width": 8, "reads": 1},
    "two read ports": {"depth": 16, "width": 24, "reads": 2},
    "wide": {"depth": 2, "width": 130, "reads": 2},
}


@pytest.mark.parametrize("this", CASES.values(), ids=CASES)
def test_bank(this):
    run(Bank(**this), Path(__file__).stem, "matches_model", this, path=Path(__file__).parent)


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

    defined = collisions = 0
    words = [None] * depth
    shown = [None] * reads
    for n in range(cycles):
        for port in range(reads):
            assert seen[f"read_data__{port}"][n] == shown[port], (n, port)
            defined += shown[port] is not None
            if read_enable[port, n]:
                collision = write_enable[n] and read_address[port, n] == write_address[n]
                shown[port] = None if collision else words[read_address[port, n]]
                collisions += collision
        if write_enable[n]:
            words[write_address[n]] = write_data[n]
    assert defined > reads * cycles * 0.4
    assert collisions > 50
