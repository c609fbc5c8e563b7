from pathlib import Path

import cocotb
import numpy as np
import pytest
from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fusioncim.lib.arith import (
    add_shift_round,
    fits,
    one_hot,
    pick,
    saturate,
    selected,
    shift_keep,
    shift_round,
    tree_sum,
)
from fusioncim_golden import arith
from fusioncim_sim.rtl.packing import unpack_vector
from fusioncim_sim.rtl.replay import play
from fusioncim_sim.rtl.runner import run


def split(x, bits, count):
    return [x[n * bits : (n + 1) * bits] for n in range(count)]


def rounded(x, n):
    return int(arith.shift_round(np.int64(x), n))


# Name: hardware and golden result for the signed x, the unsigned u with the same bits, and n.
OPERATIONS = {
    "shift_keep_signed": (lambda x, u, n: shift_keep(x, n), lambda x, u, n: 2 * x >> n),
    "shift_keep_unsigned": (lambda x, u, n: shift_keep(u, n), lambda x, u, n: 2 * u >> n),
    "shift_round_signed": (lambda x, u, n: shift_round(x, n), lambda x, u, n: rounded(x, n)),
    "shift_round_unsigned": (lambda x, u, n: shift_round(u, n), lambda x, u, n: rounded(u, n)),
    "add_to_positive": (lambda x, u, n: add_shift_round(signal(77), x, n), lambda x, u, n: 77 + rounded(x, n)),
    "add_to_negative": (lambda x, u, n: add_shift_round(signal(-128), x, n), lambda x, u, n: -128 + rounded(x, n)),
    "saturate_4": (lambda x, u, n: saturate(x, 4), lambda x, u, n: int(arith.saturate(x, 4))),
    "saturate_7": (lambda x, u, n: saturate(x, 7), lambda x, u, n: int(arith.saturate(x, 7))),
    "tree_sum_1": (lambda x, u, n: tree_sum([x]), lambda x, u, n: x),
    "tree_sum_3": (
        lambda x, u, n: tree_sum([x, x, n]),
        lambda x, u, n: 2 * x + n,
    ),
    "tree_sum_4": (
        lambda x, u, n: tree_sum(split(u, 2, 4)),
        lambda x, u, n: sum(u >> 2 * k & 3 for k in range(4)),
    ),
    "tree_sum_8": (lambda x, u, n: tree_sum(split(u, 1, 8)), lambda x, u, n: u.bit_count()),
    "one_hot_5": (lambda x, u, n: one_hot(u[0], n, 5), lambda x, u, n: ((u & 1) << n) & 31),
    "selected_3": (
        lambda x, u, n: selected(one_hot(n[2], n[:2], 3), [x, u + 1, n]),
        lambda x, u, n: (u & 255, u + 1 & 255, n, 0)[n & 3] if n & 4 else 0,
    ),
    "pick_8": (lambda x, u, n: pick(u, n[:3]), lambda x, u, n: u >> (n & 7) & 1),
}


def signal(value):
    return Signal(signed(8), init=value)


class Operations(wiring.Component):
    """y of every operation, 24 bits wide so that the sign of each result shows."""

    def __init__(self):
        super().__init__(
            {"x": In(signed(8)), "n": In(unsigned(4)), "y": Out(wiring.Signature({k: Out(24) for k in OPERATIONS}))}
        )

    def elaborate(self, platform):
        m = Module()
        unsigned_x = Signal(8)
        m.d.comb += unsigned_x.eq(self.x)
        m.d.comb += [getattr(self.y, k).eq(hw(self.x, unsigned_x, self.n)) for k, (hw, _) in OPERATIONS.items()]
        return m


def test_operations():
    run(Operations(), Path(__file__).stem, "match_for_all_operands", {}, path=Path(__file__).parent)


@cocotb.test()
async def match_for_all_operands(dut):
    pairs = [(u, n) for u in range(256) for n in range(16)]
    seen = await play(dut, {"x": [u for u, _ in pairs], "n": [n for _, n in pairs]}, [f"y__{k}" for k in OPERATIONS])
    compared = 0
    for name, (_, golden) in OPERATIONS.items():
        for (u, n), y in zip(pairs, seen[f"y__{name}"], strict=True):
            x = unpack_vector(u, 8, 1)[0]
            assert unpack_vector(y, 24, 1)[0] == golden(x, u, n), (name, x, u, n)
            compared += 1
    assert compared == len(OPERATIONS) * 4096


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 9, 64])
@pytest.mark.parametrize("shape", [signed(6), unsigned(6)], ids=["signed", "unsigned"])
def test_tree_sum_grows_by_the_logarithm(shape, count):
    total = tree_sum([Signal(shape, name=f"x_{n}") for n in range(count)])
    assert total.shape() == type(shape)(6 + (count - 1).bit_length(), shape.signed)


@pytest.mark.parametrize(("value", "width"), [(0, 1), (1, 1), (2, 2), (7, 3), (8, 4)])
def test_limits_take_the_fewest_bits(value, width):
    assert fits(value) == unsigned(width)
