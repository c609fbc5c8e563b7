"""The three statements of which keys a row sees: golden mask, hardware and cycle kernel."""

import ctypes
import subprocess
from dataclasses import astuple
from itertools import product

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from fusioncim.chip import mask as hardware
from fusioncim.chip.descriptor import descriptor_layout
from fusioncim_golden.config import POSITION_BITS, Config
from fusioncim_golden.mask import CAUSAL, EVERY, FULL, Mask, blocks
from fusioncim_golden.presets import preset
from fusioncim_sim.system.cycles import KERNEL

RANK = 8
MASKS = (
    CAUSAL,
    FULL,
    *(Mask(window=window, ahead=ahead) for window, ahead in ((1, 0), (3, 0), (4, 7), (EVERY, 2), (2, EVERY))),
    *(Mask(chunk=chunk) for chunk in (1, 8, 1 << 19)),
    Mask(chunk=8, ahead=EVERY),
    *(Mask(prefix=prefix) for prefix in (1, 9, EVERY)),
    Mask(window=3, ahead=1, chunk=8, prefix=5),
)
POSITIONS = (0, 1, 2, 6, 7, 8, 9, 100, EVERY - 2, EVERY - 1)
CASES = list(product(POSITIONS, (1, 2, 7, 8, 9, EVERY), MASKS))


@pytest.fixture(scope="module")
def golden():
    """Low and high of every case, and the blocks that pass a tile with that row alone."""
    ends = [tuple(int(end[0]) for end in mask.interval(np.array([at]), keys)) for at, keys, mask in CASES]
    taken = [blocks(low, high, RANK) for low, high in ends]
    return [(*each, one.start, one.stop) for each, one in zip(ends, taken, strict=True)]


def test_the_hardware_has_the_golden_mask(golden):
    m = Module()
    job, position = Signal(descriptor_layout(preset("tiny"))), Signal(POSITION_BITS)
    ends = [Signal(POSITION_BITS + 1, name=f"end_{n}") for n in range(4)]
    low, high = hardware.interval(job, position)
    m.d.comb += [ends[0].eq(low), ends[1].eq(high)]
    first, behind = hardware.blocks(Config(update_rank=RANK), ends[0], ends[1])
    m.d.comb += [ends[2].eq(first), ends[3].eq(behind)]
    found = []

    async def bench(ctx):
        for at, keys, mask in CASES:
            ctx.set(job.keys, keys)
            for name in hardware.MASK:
                ctx.set(job[name], getattr(mask, name))
            ctx.set(position, at)
            found.append(tuple(ctx.get(end) for end in ends))

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    assert found == golden


def test_the_kernel_has_the_golden_mask(golden, tmp_path):
    code = """
        #include "common.h"
        #include "mask.h"
        void run(int64_t position, int64_t keys, int64_t window, int64_t ahead, int64_t chunk, int64_t prefix,
                 int64_t rank, int64_t *out)
        {
            Job job = {.keys = keys, .window = window, .ahead = ahead, .chunk = chunk, .prefix = prefix};
            Interval seen = mask_interval(&job, position), taken = mask_blocks(seen, rank);
            out[0] = seen.low, out[1] = seen.high, out[2] = taken.low, out[3] = taken.high;
        }
    """
    (tmp_path / "mask.c").write_text(code, encoding="utf-8")
    library = tmp_path / "mask.so"
    command = ["gcc", "-std=gnu11", "-shared", "-fPIC", f"-I{KERNEL}", str(tmp_path / "mask.c"), "-o", str(library)]
    subprocess.run(command, check=True, capture_output=True)
    run = ctypes.CDLL(str(library)).run
    run.argtypes = [*[ctypes.c_int64] * 7, ctypes.POINTER(ctypes.c_int64)]
    out = (ctypes.c_int64 * 4)()
    for (at, keys, mask), expected in zip(CASES, golden, strict=True):
        run(at, keys, *astuple(mask), RANK, out)
        assert tuple(out) == expected, (at, keys, mask)
