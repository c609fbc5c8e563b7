"""The three statements of which keys a row sees: golden mask, hardware and cycle kernel."""

import ctypes
import subprocess

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from fusioncim.chip import mask as hardware
from fusioncim.chip.descriptor import descriptor_layout
from fusioncim_golden import mask
from fusioncim_golden.config import POSITION_BITS
from fusioncim_sim.system.cycles import KERNEL

LAST = (1 << POSITION_BITS) - 1
POSITIONS = (0, 1, 2, 6, 7, 8, 9, 100, LAST - 2, LAST - 1)
CASES = [
    (position, keys, causal) for position in POSITIONS for keys in (1, 2, 7, 8, 9, LAST) for causal in (True, False)
]


@pytest.fixture(scope="module")
def golden():
    """High of every case; low, which the hardware and the kernel do not have, is 0."""
    ends = [mask.interval(np.array([position]), keys, causal=causal) for position, keys, causal in CASES]
    assert not any(low[0] for low, _ in ends)
    return [int(high[0]) for _, high in ends]


def test_the_hardware_has_the_golden_mask(golden):
    m = Module()
    job, position, high = Signal(descriptor_layout()), Signal(POSITION_BITS), Signal(POSITION_BITS)
    m.d.comb += high.eq(hardware.high(job, position))
    found = []

    async def bench(ctx):
        for at, keys, causal in CASES:
            ctx.set(job.keys, keys)
            ctx.set(job.causal, int(causal))
            ctx.set(position, at)
            found.append(ctx.get(high))

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    assert found == golden


def test_the_kernel_has_the_golden_mask(golden, tmp_path):
    code = """
        #include "common.h"
        #include "mask.h"
        int64_t high(int64_t position, int64_t keys, int64_t causal)
        {
            Job job = {.keys = keys, .causal = causal};
            return mask_high(&job, position);
        }
    """
    (tmp_path / "mask.c").write_text(code, encoding="utf-8")
    library = tmp_path / "mask.so"
    command = ["gcc", "-std=gnu11", "-shared", "-fPIC", f"-I{KERNEL}", str(tmp_path / "mask.c"), "-o", str(library)]
    subprocess.run(command, check=True, capture_output=True)
    high = ctypes.CDLL(str(library)).high
    high.restype, high.argtypes = ctypes.c_int64, [ctypes.c_int64] * 3
    assert [high(*case) for case in CASES] == golden
